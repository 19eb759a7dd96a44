"""Time: how long a training may go on, and when something is due."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from restorekit.errors import TrainingError

__all__ = ["Budget", "Every", "format_minutes"]


@dataclass(frozen=True)
class Budget:
    """Time or iterations that a training has.

    minutes: of training time in all, earlier slices included.
    iterations: in all, earlier slices included.
    deadline: minutes by the clock on the wall since `started`: reading, validation and saving count too, earlier
        slices do not.
    started: `time.monotonic()` at the start of the process or of the command.
    """

    minutes: float | None = None
    iterations: int | None = None
    deadline: float | None = None
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.minutes, self.iterations, self.deadline)) != 1:
            raise TrainingError("give either --minutes, --iterations or --deadline")

    def progress(self, seconds: float, iterations: int) -> float:
        """Share of the budget that is used, 0 to 1.

        seconds: of training.
        iterations: done.
        """
        if self.deadline is not None:
            used = (time.monotonic() - self.started) / 60 / self.deadline if self.deadline else 1.0
        elif self.minutes:
            used = seconds / 60 / self.minutes
        else:
            used = iterations / (self.iterations or 1)
        return min(1.0, used)


class Every:
    """True once per so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.last = time.monotonic()

    def due(self) -> bool:
        if time.monotonic() - self.last < self.seconds:
            return False
        self.last = time.monotonic()
        return True


def format_minutes(seconds: float) -> str:
    """Write a time for a person: "2 h 05 min"."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
