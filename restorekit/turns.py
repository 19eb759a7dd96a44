"""Taking turns: methods that one thread at a time may be in, of an object with a lock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar


class Locked(Protocol):
    """An object with a lock that a thread may take twice."""

    @property
    def lock(self) -> AbstractContextManager[Any]: ...


S = TypeVar("S", bound=Locked)
P = ParamSpec("P")
T = TypeVar("T")


def one_at_a_time(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Let one thread at a time into a method, and into the others of the same object that are marked so."""

    @wraps(method)
    def locked(self: S, *arguments: P.args, **named: P.kwargs) -> T:
        with self.lock:
            return method(self, *arguments, **named)

    return locked
