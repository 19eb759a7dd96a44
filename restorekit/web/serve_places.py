"""A bounded queue: so many pictures are worked on at the same time, so many more wait, and nobody else comes in.

A place is taken before the first byte of a picture is, so that the memory and the disk that the pictures need are
bounded, too.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any, TypeVar

from restorekit.web.serve_refusals import Refusal

__all__ = ["GoneError", "Places"]

T = TypeVar("T")
NEWEST = 0.2  # share of the last picture in the mean of the seconds
FIRST = 2.0  # seconds that a picture is thought to take before one was worked on


class GoneError(Exception):
    """The client went away, and nobody wants the result."""


class Places:
    """Places for pictures; all methods are for the thread of the event loop.

    at_once: pictures that are worked on at the same time.
    waiting: pictures that may wait beside them.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self.at_once, self.waiting = at_once, waiting
        self.inside = 0
        self.seconds = FIRST
        self.threads = ThreadPoolExecutor(at_once, "restore")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Hold a place. Refusal with 503 where none is free, with the seconds after which one may be."""
        if self.inside >= self.at_once + self.waiting:
            after = math.ceil(self.seconds * max(1, self.inside / self.at_once / 2))
            raise Refusal(503, "the server has its hands full; send the picture again later", after)
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    async def work(self, task: Callable[[Event], T], left: Callable[[], Awaitable[object]]) -> T:
        """Do a task on a thread when its turn comes.

        task: given an event that is set when nobody wants its result any more.
        left: returns when the client has gone away; GoneError is raised then, once the thread is free again.
        """
        stop = Event()

        def timed() -> T:
            begun = time.monotonic()
            result = task(stop)
            self.seconds += NEWEST * (time.monotonic() - begun - self.seconds)
            return result

        begun = self.threads.submit(timed)
        work: asyncio.Future[T] = asyncio.wrap_future(begun)
        leaving = asyncio.ensure_future(left())
        both: set[asyncio.Future[Any]] = {work, leaving}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            raise GoneError
        finally:
            leaving.cancel()
            if not work.done():
                stop.set()
                begun.cancel()
                await asyncio.wait({work})  # the place is held until the thread is free
            if not work.cancelled():
                work.exception()  # of which nobody need be told

    def close(self) -> None:
        """Take no more work; what waits is dropped."""
        self.threads.shutdown(wait=False, cancel_futures=True)
