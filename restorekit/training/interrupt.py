"""Interruption: a person or a machine asks a training to save and stop."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

__all__ = ["Interrupt"]


@dataclass
class Interrupt:
    """Turns the first Ctrl-C or SIGTERM into a request to save and stop; the second one is not caught."""

    asked: bool = False
    previous: dict[int, Any] = field(default_factory=dict)

    def __enter__(self) -> Interrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self.previous[number] = signal.signal(number, self.handle)
            except ValueError:  # not in the main thread: the caller decides when to stop
                break
        return self

    def handle(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(number, self.previous[number])

    def __exit__(self, *exception: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)
