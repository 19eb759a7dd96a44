"""Results of the restorer: findings in a picture, and restored pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from restorekit.mixing import MixingWeights

__all__ = ["Inspection", "RestorationResult"]


@dataclass(frozen=True)
class Inspection:
    """Findings in one picture.

    weights: of the mixture.
    severities: by basis, in each degradation's unit.
    """

    weights: MixingWeights
    severities: Mapping[str, float]


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
