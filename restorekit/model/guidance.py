"""Guidance: the estimate of one mixture, carried on beyond, or held back towards, that of another.

    x̂ = x̂_w' + g (x̂_w - x̂_w')

At g = 1 it is the estimate with w, at g = 0 that with w'; between them a blend, beyond 1 more than w does. With
w' = 0 no second network is asked, since x̂_0 is the degraded picture.
Classifier-free guidance: Ho & Salimans, 2022, https://arxiv.org/abs/2207.12598
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from restorekit.model.backbone import Predictor
from restorekit.model.streaming import Stream, Waiting

__all__ = ["Guided"]


@dataclass(frozen=True)
class Guided:
    """A predictor around another one; fulfils `restorekit.model.backbone.Predictor`.

    predictor: with the mixture w.
    scale: g, 0 or more.
    against: with the mixture w', of the same backbone; None for w' = 0, the degraded picture itself.
    """

    predictor: Predictor
    scale: float
    against: Predictor | None = None

    def describe(self, degraded: Tensor) -> Tensor:
        """Context of whole pictures, (B, 3, H, W) to (B, C), or (B, 2 C) where two networks want one each."""
        context = self.predictor.describe(degraded)
        return context if self.against is None else torch.cat([context, self.against.describe(degraded)], 1)

    def __call__(self, x_t: Tensor, t: Tensor, degraded: Tensor, context: Tensor) -> Tensor:
        """Estimate of the clean pictures; arguments as in `Predictor`."""
        if self.against is None:
            return carried(degraded, self.predictor(x_t, t, degraded, context), self.scale)
        own, other = context.chunk(2, 1)
        start = self.against(x_t, t, degraded, other)
        return carried(start, self.predictor(x_t, t, degraded, own), self.scale)

    def stream(self, t: Tensor, context: Tensor) -> GuidedStream:
        """Start at the top of one picture, to take it rows at a time."""
        if self.against is None:
            return GuidedStream(self.predictor.stream(t, context), self.scale)
        own, other = context.chunk(2, 1)
        return GuidedStream(self.predictor.stream(t, own), self.scale, self.against.stream(t, other))


@dataclass
class GuidedStream:
    """A guided predictor at one time t, on its way down a picture.

    stream, against: those of the two networks, which are certain of equally many rows.
    degraded: rows that wait for the stream, where there is no second one.
    """

    stream: Stream
    scale: float
    against: Stream | None = None
    degraded: Waiting = field(default_factory=Waiting)

    def push(self, x_t: Tensor, degraded: Tensor, last: bool) -> Tensor:
        """Take the next rows, return the estimate in the next rows that are certain."""
        predicted = self.stream.push(x_t, degraded, last)
        if self.against is not None:
            return carried(self.against.push(x_t, degraded, last), predicted, self.scale)
        self.degraded.add(degraded)
        rows = [degraded[:, :, :0], *self.degraded.take(predicted.shape[2])]
        return carried(torch.cat(rows, 2), predicted, self.scale)


def carried(start: Tensor, end: Tensor, scale: float) -> Tensor:
    """start + scale (end - start): the ends themselves at 0 and 1, bit for bit."""
    return torch.lerp(start, end.to(start), scale)
