"""The learning rate over a training: it rises, stays, and falls at the end."""

from __future__ import annotations

__all__ = ["learning_rate_factor"]


def learning_rate_factor(iteration: int, progress: float, decay: float, ramp: int = 200) -> float:
    """Share of the full learning rate: it falls to 2 %.

    iteration: of the stage, from 0.
    progress: share of the budget that is used.
    decay: share of the budget over which the rate falls, linearly.
    ramp: iterations over which it rises.
    """
    rise = min(1.0, (iteration + 1) / ramp)
    fall = min(1.0, max(0.02, (1 - progress) / decay)) if decay > 0 else 1.0
    return rise * fall
