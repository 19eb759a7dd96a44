"""Flow matching between two image distributions.

    x_t = (1 - t) clean + t degraded,      t from 1 (degraded) down to 0 (clean)
    velocity = degraded - clean = (x_t - x̂) / t

where x̂ is the network's estimate of the clean image. An Euler step from t to t' is then

    x_t' = x_t + (t' - t) velocity = x̂ + (t' / t) (x_t - x̂),

so one step from t = 1 returns x̂ itself, and a network that changes nothing returns its input exactly.

A look is a second flow, from that least-squares restoration x* plus a little noise to what photographs look like:

    z_0 = x* + sigma eps,    dz/ds = v(z_s, 1 - s, x*),    result = x* + look (z_1 - x*),     s from 0 to 1

Rectified flow: Liu et al., "Flow Straight and Fast", 2022, https://arxiv.org/abs/2209.03003
InDI: Delbracio & Milanfar, "Inversion by Direct Iteration", 2023, https://arxiv.org/abs/2303.11435
PMRF: Ohayon et al., "Posterior-Mean Rectified Flow", 2024, https://arxiv.org/abs/2410.00418
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LOOK_STEPS", "LookFlow", "interpolate", "sample", "time_steps", "walk"]

LOOK_STEPS = 8  # of the flow to a look, by default: fewer add next to nothing (benchmarks/look.md)


@dataclass(frozen=True)
class LookFlow:
    """The flow of a basis for a look.

    sigma: standard deviation of the noise that it starts with, of values in [0, 1]; in (0, 1].
    """

    sigma: float

    def __post_init__(self) -> None:
        known = isinstance(self.sigma, int | float) and not isinstance(self.sigma, bool)
        if not known or not 0 < self.sigma <= 1:
            raise ValueError(f"sigma must be a number in (0, 1], got {self.sigma!r}")


def interpolate(clean: Tensor, degraded: Tensor, t: Tensor) -> Tensor:
    """The point x_t on the path.

    clean, degraded: image batches, shape (B, 3, H, W).
    t: shape (B,), in [0, 1].
    """
    t = t.view(-1, 1, 1, 1)
    return clean + t * (degraded - clean)


def time_steps(steps: int) -> tuple[float, ...]:
    """The times visited by the sampler, `steps + 1` values from 1 to 0, evenly spaced."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    return (*tuple(1 - i / steps for i in range(steps)), 0.0)


def sample(predict: Callable[[Tensor, float], Tensor], degraded: Tensor, steps: int = 1) -> Tensor:
    """Walk the path from the degraded image to the restored one with Euler steps.

    predict: maps (x_t, t) to an estimate of the clean image, shape (B, 3, H, W).
    degraded: image batch, shape (B, 3, H, W), in [0, 1].
    """
    x_t = degraded
    times = time_steps(steps)
    for t, t_next in itertools.pairwise(times):
        predicted = predict(x_t, t)
        x_t = predicted + (t_next / t) * (x_t - predicted) if t_next > 0 else predicted
    return x_t


def walk(velocity: Callable[[Tensor, float], Tensor], start: Tensor, steps: int) -> Tensor:
    """Walk a velocity from s = 0 to 1 with Euler steps: z + velocity(z, t) / steps, at t = 1 - s.

    velocity: maps (z, t) to dz/ds, shape (B, 3, H, W).
    start: z_0, shape (B, 3, H, W).
    """
    z = start
    for t in time_steps(steps)[:-1]:
        z = z + velocity(z, t) / steps
    return z
