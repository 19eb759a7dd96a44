"""Enlargement of one picture: cleaned at its own size, enlarged, looked at again, then sharpened and held to it.

cleaned  = pass(the other bases, picture)
enlarged = hold(pass(bases of scale, enlarge(cleaned)), cleaned)
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restorekit.model.mixing import Mixture
from restorekit.plugin.catalog import Catalog
from restorekit.running.masking import Masks
from restorekit.running.passing import Pass, enlarge
from restorekit.running.turns import Turns
from restorekit.weighing import Inspection, Weigher
from restorekit.weighing.origins import Origins

__all__ = ["Enlarging"]

FEW = 2  # crops along a side of a picture, below which one look at it is not enough


@dataclass(frozen=True)
class Enlarging:
    """A restorer's parts that enlarging needs.

    crop: side of the encoder's crops, px.
    """

    turns: Turns
    origins: Origins
    catalog: Catalog
    crop: int

    def enlarged(
        self,
        weigher: Weigher,
        found: Inspection,
        image: Tensor,
        visible: Tensor | None,
        how: Pass,
        *,
        scale: int,
        masks: Masks,
    ) -> tuple[Tensor, Tensor, Inspection]:
        """Clean one picture at its own size, enlarge it, and look at the enlargement.

        found: the weigher's findings at its own size; those with what the enlargement says come back.
        scale: as in `Restorer.restore`.
        masks: of the picture at its own size.
        Gives the picture cleaned, the same enlarged, and the findings.
        """
        found = self.agreed(weigher, found, image, visible, scale)
        native = self.part(found.weights, of_scale=False)
        if native.active:
            small = image

            def passed(mixture: Mixture, how: Pass) -> Tensor:
                return self.turns.passed(mixture, small, torch.float32, how)

            image = masks.restored(native, passed, replace(how, progress=None))
        large = enlarge(image, scale)
        return image, large, self.look_enlarged(weigher, found, large, visible, scale, self.origins.optical)

    def part(self, mixture: Mixture, *, of_scale: bool) -> Mixture:
        """The mixture with those bases alone that are for the enlarged picture, or that are not."""
        return Mixture({n: w if self.is_of_scale(n) == of_scale else 0.0 for n, w in mixture.values.items()})

    def holding(self, mixture: Mixture) -> float:
        """The share, in [0, 1], by which an enlarged picture is held to the small one.

        As far as samples were missing and nothing else (`restorekit.running.holding`): blur that was removed is
        not to come back.
        """
        share = 0.0
        rest = 1.0
        for name, weight in self.part(mixture, of_scale=True).active.items():
            if name in self.origins.sampled:
                share += weight
            else:
                rest *= 1 - min(1.0, weight)
        return min(1.0, share) * rest

    def is_of_scale(self, basis: str) -> bool:
        """Tell whether a basis is for the enlarged picture: it sharpens, or is for a look."""
        return basis in self.origins.optical or not self.catalog.basis(basis).degradation

    def agreed(
        self, weigher: Weigher, native: Inspection, image: Tensor, visible: Tensor | None, scale: int
    ) -> Inspection:
        """The inspection of a picture, but of sparse things no more than its enlargement shows too if it is small.

        In a picture of few crops much looks like rain: a lash, a feather, a blade of grass.
        """
        found = [name for name in self.origins.sparse if native.weights.values.get(name)]
        if not found or min(image.shape[2:]) >= FEW * self.crop:
            return native
        weights = self.look_enlarged(weigher, native, enlarge(image, scale), visible, scale, found).weights
        return native.override({name: min(native.weights[name], weights[name]) for name in found})

    def look_enlarged(
        self,
        weigher: Weigher,
        native: Inspection,
        image: Tensor,
        visible: Tensor | None,
        scale: int,
        names: Collection[str],
    ) -> Inspection:
        """The inspection of a picture's own size, with what an enlarged one says of the named bases."""
        if visible is not None:
            visible = visible.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
        found = weigher.weigh(image, visible, enlarged=True)
        weights = {n: w for n, w in found.weights.values.items() if n in names}
        severities = {n: s for n, s in found.severities.items() if n in names}
        return Inspection(native.weights.override(weights), {**native.severities, **severities})
