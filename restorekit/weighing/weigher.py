"""The contract of whatever chooses mixing weights for a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from restorekit.model.mixing import MixingWeights

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Inspection", "Weigher"]


@dataclass(frozen=True)
class Inspection:
    """Findings in one picture: mixing weights, and severities in each degradation's unit, by basis."""

    weights: MixingWeights
    severities: Mapping[str, float]

    def override(self, chosen: Mapping[str, float]) -> Inspection:
        """The same findings with the chosen weights in their place."""
        return Inspection(self.weights.override(chosen), self.severities)


class Weigher(Protocol):
    """Choice of mixing weights, picture by picture."""

    def weigh(self, image: Tensor, visible: Tensor | None = None, *, enlarged: bool = False) -> Inspection:
        """Weights of all bases for one picture, and the severities that were seen, if any.

        image: shape (1, 3, H, W), floating in [0, 1], uint8 or uint16, its hidden colours filled.
        visible: shape (1, H, W), boolean, False where it is transparent; None for an opaque one.
        enlarged: whether it is known to have been enlarged, so that its grain is coarse without being noise.
        """
        ...
