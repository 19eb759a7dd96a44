"""A watch over the losses: where they go wrong, the training goes back to its last good state at half the rate."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from restorekit.errors import TrainingError
from restorekit.training.budget import Every
from restorekit.training.roles import Watched

__all__ = ["MOST", "Watch"]

TOO_HIGH = 1.5  # times its running mean
SHARE = 0.3  # of the last mean in the running one
MOST = 6  # times in a row that a training is rolled back
FIRST_SECONDS = (
    3.0  # after which the losses are judged for the first time, at most: later ones are compared with it
)


class Watch:
    """Adds losses up, judges their mean now and then, and keeps a copy of what was good.

    Where a loss is a number, one that is not finite is judged at once; on a device it is first asked for when it
    is judged. last: mean of the losses that were judged last.
    """

    def __init__(self, training: Watched) -> None:
        self.training = training
        self.rolled_back = 0
        self.begin()

    def begin(self) -> None:
        """Begin anew, where the losses are of another kind than before."""
        self.mean: float | None = None
        self.last = math.nan
        self.restart()
        self.keep()

    def restart(self) -> None:
        self.total: float | Tensor = 0.0
        self.count = 0
        seconds = self.training.engine.judge_seconds
        self.due = Every(min(seconds, FIRST_SECONDS) if self.mean is None else seconds)

    @torch.no_grad()
    def keep(self) -> None:
        self.good = {name: tensor.detach().clone() for name, tensor in self.training.tensors().items()}

    @torch.no_grad()
    def go_back(self) -> None:
        for name, tensor in self.training.tensors().items():
            if name in self.good:
                tensor.copy_(self.good[name])
            else:  # of an optimiser that had not begun
                tensor.zero_()

    def add(self, loss: float | Tensor) -> str:
        """Count a loss, a number or () on the device; a sentence if the training was rolled back, else ""."""
        self.total = self.total + loss
        self.count += 1
        if isinstance(loss, float) and not math.isfinite(loss):
            return self.judge()
        if self.count < self.training.engine.judge_steps or not self.due.due():
            return ""
        return self.judge()

    def judge(self) -> str:
        """Judge the losses since the last time; as `add`."""
        if not self.count:
            return ""
        mean = float(self.total) / self.count
        enough = self.count >= self.training.engine.judge_steps
        self.restart()
        high = self.mean is not None and enough and self.training.watched() and mean > TOO_HIGH * self.mean
        if high or not math.isfinite(mean):
            self.go_back()
            self.rolled_back += 1
            self.training.counters.brake *= 0.5
            what = f"rose to {mean:.4g}, from {self.mean:.4g} in the mean" if high else "is not finite"
            return f"the loss {what}: back to the last good weights, at half the learning rate"
        self.last = mean
        if enough:
            self.mean = mean if self.mean is None else self.mean + SHARE * (mean - self.mean)
            self.rolled_back = 0
        self.keep()
        return ""

    @property
    def given_up(self) -> bool:
        """True where going back does not help."""
        return self.rolled_back >= MOST

    def check(self) -> None:
        """Raise TrainingError where going back does not help."""
        if self.given_up:
            raise TrainingError(
                f"the loss went wrong {MOST} times in a row; the last good weights are in the checkpoint: "
                "lower --learning-rate and resume from it"
            )
