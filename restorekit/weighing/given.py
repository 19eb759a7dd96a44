"""Weights by somebody's word: the same for every picture, or in place of some that another weigher finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from restorekit.model.mixing import MixingWeights
from restorekit.weighing.weigher import Inspection, Weigher

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Given", "OneHot", "Overruled"]


@dataclass(frozen=True)
class Given:
    """The same weights for every picture, which is not looked at."""

    weights: MixingWeights

    def weigh(self, image: Tensor, visible: Tensor | None = None, *, enlarged: bool = False) -> Inspection:
        """The given weights, and no severities."""
        return Inspection(self.weights, {})


@dataclass(frozen=True)
class Overruled:
    """Another weigher's findings with chosen weights in their place."""

    weigher: Weigher
    chosen: Mapping[str, float]

    def weigh(self, image: Tensor, visible: Tensor | None = None, *, enlarged: bool = False) -> Inspection:
        """The other's findings, the chosen weights in their place."""
        return self.weigher.weigh(image, visible, enlarged=enlarged).override(self.chosen)


@dataclass(frozen=True)
class OneHot:
    """The largest weight that another weigher finds as 1, all others as 0; none where it is not above `least`."""

    weigher: Weigher
    least: float = 0.5

    def weigh(self, image: Tensor, visible: Tensor | None = None, *, enlarged: bool = False) -> Inspection:
        """One basis at 1, or none."""
        found = self.weigher.weigh(image, visible, enlarged=enlarged)
        values = found.weights.values
        largest = max(values, key=lambda name: values[name])
        one = {name: float(name == largest and values[name] > self.least) for name in values}
        return replace(found, weights=MixingWeights(one))
