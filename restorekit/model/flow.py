"""Flow matching between two image distributions.

    x_t = (1 - t) clean + t degraded,      t from 1 (degraded) down to 0 (clean)
    velocity = degraded - clean = (x_t - x̂) / t

where x̂ is the network's estimate of the clean image. An Euler step from t to t' is then

    x_t' = x_t + (t' - t) velocity = x̂ + (t' / t) (x_t - x̂),

so one step from t = 1 returns x̂ itself, and a network that changes nothing returns its input exactly.

Rectified flow: Liu et al., "Flow Straight and Fast", 2022, https://arxiv.org/abs/2209.03003
InDI: Delbracio & Milanfar, "Inversion by Direct Iteration", 2023, https://arxiv.org/abs/2303.11435
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["interpolate", "sample", "time_steps"]


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
