"""Keys and gauges while they are trained together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restorekit.model.context import CONTEXT
from restorekit.model.key import BasisKey

__all__ = ["Keys"]


class Keys(nn.Module):
    """Keys, biases and gauges of all bases; the context part of the query is left to later bases.

    Their calibration, two numbers per basis, changes how sure a logit is and where it says yes; a third says how
    much of it comes from the second look."""

    def __init__(self, count: int, local: int) -> None:
        super().__init__()
        self.local = local
        # Not zero: the encoder's gradient comes through the keys.
        self.key = nn.Parameter(torch.randn(count, local) / local**0.5)
        self.bias = nn.Parameter(torch.zeros(count))
        self.gauge = nn.Parameter(torch.zeros(count, local + 1))
        self.steepness = nn.Parameter(torch.zeros(count))  # natural logarithm
        self.shift = nn.Parameter(torch.zeros(count))
        self.second = nn.Parameter(torch.zeros(count))  # in [0, 1]

    def forward(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and severity fractions, (B, K) each. query: (B, D)."""
        own = query[:, : self.local]
        return own @ self.key.T + self.bias, own @ self.gauge[:, :-1].T + self.gauge[:, -1]

    def calibrated(self, logits: Tensor, again: Tensor | None = None) -> Tensor:
        """logits, and those of a second look: (B, K)."""
        if again is not None:
            logits = logits + self.second * (again - logits)
        return logits * self.steepness.exp() + self.shift

    def put(self, index: int, saved: BasisKey) -> None:
        """The inverse of `take`: go on from a basis's saved key and gauge."""
        self.key.data[index] = saved.key[: self.local]
        self.bias.data[index] = saved.bias
        self.gauge.data[index] = torch.cat([saved.gauge[: self.local], saved.gauge[-1:]])
        self.second.data[index] = saved.second

    def take(self, index: int) -> BasisKey:
        """One basis's key, with its calibration, and its gauge, padded with zeros over the context; on the CPU."""
        blank = torch.zeros(CONTEXT)
        key, bias, gauge, steepness, shift, second = (
            numbers[index].detach().cpu()
            for numbers in (self.key, self.bias, self.gauge, self.steepness, self.shift, self.second)
        )
        return BasisKey(
            torch.cat([key * steepness.exp(), blank]),
            bias * steepness.exp() + shift,
            torch.cat([gauge[:-1], blank, gauge[-1:]]),
            float(second),
        )
