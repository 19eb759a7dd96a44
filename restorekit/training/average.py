"""Averaged weights (EMA): they are what is validated and saved.

The decay grows with the iteration n as min(decay, (1 + n) / (10 + n)), so that the first average is not the random
start.
Polyak & Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["Average"]


class Average:
    """Exponential moving average of a list of parameters."""

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float = 0.999) -> None:
        self.parameters = list(parameters)
        self.decay = decay
        self.values = [p.detach().clone() for p in self.parameters]

    def share(self, iteration: int) -> float:
        """Share of the parameters in the average after that iteration."""
        return 1 - min(self.decay, (1 + iteration) / (10 + iteration))

    @torch.no_grad()
    def update(self, iteration: int) -> None:
        torch._foreach_lerp_(self.values, [p.detach() for p in self.parameters], self.share(iteration))

    @torch.no_grad()
    def update_by(self, share: Tensor) -> None:
        """Update by a share that is on the device, ()."""
        steps = torch._foreach_sub([p.detach() for p in self.parameters], self.values)
        torch._foreach_mul_(steps, share)
        torch._foreach_add_(self.values, steps)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the parameters with their averages; a second call brings them back."""
        for p, value in zip(self.parameters, self.values, strict=True):
            kept = p.detach().clone()
            p.copy_(value)
            value.copy_(kept)

    @contextmanager
    def used(self) -> Iterator[None]:
        """The averages in the parameters' place, for as long as the block runs."""
        self.swap()
        try:
            yield
        finally:
            self.swap()
