"""The contract of whatever chooses mixing weights for a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from restorekit.model.mixing import MixingWeights

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.weighing.halves import Advance

__all__ = ["Inspection", "Weigher"]


@dataclass(frozen=True)
class Inspection:
    """Findings in one picture.

    weights: of all bases.
    severities: in each degradation's unit, by basis name.
    notes: a line for each thing that makes the findings doubtful.
    advance: the picture as it was restored on the way, and by which weights; None where it was not.
    """

    weights: MixingWeights
    severities: Mapping[str, float]
    notes: tuple[str, ...] = ()
    advance: Advance | None = field(default=None, compare=False, repr=False)

    def override(self, chosen: Mapping[str, float]) -> Inspection:
        """The same findings with the chosen weights in their place."""
        return replace(self, weights=self.weights.override(chosen))


class Weigher(Protocol):
    """Choice of mixing weights, picture by picture."""

    def weigh(self, image: Tensor, visible: Tensor | None = None, *, enlarged: bool = False) -> Inspection:
        """Weights of all bases for one picture, and the severities that were seen, if any.

        image: shape (1, 3, H, W), floating in [0, 1], uint8 or uint16, its hidden colours filled.
        visible: shape (1, H, W), boolean, False where it is transparent; None for an opaque one.
        enlarged: whether it is known to have been enlarged, so that its grain is coarse without being noise.
        """
        ...
