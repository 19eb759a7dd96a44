"""Results of the restorer: restored pictures, and the weights that made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from restorekit.model.mixing import MixingWeights

__all__ = ["RestorationResult"]


@dataclass(frozen=True)
class RestorationResult:
    """A restored batch.

    image: shape (B, 3, H, W), of the type asked for.
    weights, severities: one entry per picture.
    notes: a line for whatever did not go as asked.
    """

    image: Tensor
    weights: tuple[MixingWeights, ...]
    severities: tuple[Mapping[str, float], ...]
    notes: tuple[str, ...] = ()
