"""A service as one value: the restorer, its limits, and who may ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from restorekit.running.restorer import Restorer

__all__ = ["LOOPBACK", "Limits", "Service"]

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on memory, disk and time.

    at_once: pictures that are restored at the same time.
    waiting: pictures that may wait beside them.
    size: bytes of a picture's file.
    pixels: of a picture, all its pages together, and of the result where it is enlarged.
    """

    at_once: int = 1
    waiting: int = 16
    size: int = 128 << 20
    pixels: int = 50_000_000


@dataclass(frozen=True, kw_only=True)
class Service:
    """A restorer that is offered.

    missing: a line for each basis that could not be used.
    hosts: names under which it may be asked for; empty for any. A page elsewhere whose name is made to point at
        this machine is shut out by it.
    origins: of web pages that may use it, such as "https://example.org"; its own page may in any case.
    say: told a line for each request.
    """

    restorer: Restorer
    limits: Limits = field(default_factory=Limits)
    missing: tuple[str, ...] = ()
    hosts: tuple[str, ...] = LOOPBACK
    origins: tuple[str, ...] = ()
    say: Callable[[str], object] = lambda line: None
