"""Counters: the point that a training has reached, as checkpoints keep it and a progress bar shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Counters", "Progress", "Report"]


@dataclass
class Counters:
    """The point that a training has reached.

    iteration, seconds: done in all; data_seconds: of them, for the data.
    stage, stage_iteration: the stage's name, and the iterations done in it.
    brake: factor of the learning rates, halved each time that the training had to be rolled back.
    """

    iteration: int = 0
    seconds: float = 0.0
    data_seconds: float = 0.0
    stage: str = ""
    stage_iteration: int = 0
    brake: float = 1.0

    def advance(self, seconds: float) -> None:
        """Count one iteration."""
        self.iteration += 1
        self.stage_iteration += 1
        self.seconds += seconds

    def enter(self, stage: str) -> None:
        """Begin a stage."""
        self.stage, self.stage_iteration = stage, 0


@dataclass(frozen=True)
class Progress:
    """One iteration, as a progress bar or log wants it.

    loss: on a GPU the mean that was asked for last, NaN before the first.
    """

    counters: Counters
    loss: float
    learning_rate: float
    share_done: float
    seconds_left: float


Report = Callable[[Progress], None]
