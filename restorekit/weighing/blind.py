"""Weights by what the encoder sees: nobody has to say anything about the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from restorekit.degradation import Severity
from restorekit.model.encoder import DegradationEncoder
from restorekit.model.key import BasisKey
from restorekit.model.mixing import MixingWeights
from restorekit.weighing.looks import Origins, Remove, read_picture
from restorekit.weighing.weigher import Inspection

__all__ = ["UNLIKE", "Blind"]

UNLIKE = "unlike the pictures that the encoder was trained on, so that its weights may be wrong; see --set"


@dataclass(frozen=True)
class Blind:
    """The encoder's two looks.

    keys: by basis name.
    origins: where what the bases remove comes from.
    scales: the severities of what they remove, by basis name.
    none: a weight of 0 for every basis; one without a key keeps it, being at the user's command only.
    remove: restores crops between the looks.
    """

    encoder: DegradationEncoder
    keys: Mapping[str, BasisKey]
    origins: Origins
    scales: Mapping[str, Severity]
    none: MixingWeights
    remove: Remove

    @torch.no_grad()
    def weigh(self, image: Tensor, visible: Tensor | None = None, *, enlarged: bool = False) -> Inspection:
        """Weights and severities by what is seen."""
        reading = read_picture(
            self.encoder, self.keys, self.origins, image, self.remove, visible, enlarged=enlarged
        )
        severities = {
            name: self.scales[name].value(fraction)
            for name, fraction in reading.fractions.items()
            if name in self.scales
        }
        return Inspection(self.none.override(reading.weights), severities, (UNLIKE,) if reading.strange else ())
