"""Weights by what the encoder sees: nobody has to say anything about the picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from restorekit.degradation import Severity
from restorekit.image import as_float
from restorekit.model.amount import Judge
from restorekit.model.encoder import DegradationEncoder
from restorekit.model.key import BasisKey
from restorekit.model.mixing import MixingWeights
from restorekit.model.winograd import winograd
from restorekit.weighing.halves import Remove
from restorekit.weighing.looks import read_picture
from restorekit.weighing.origins import Origins
from restorekit.weighing.weigher import Inspection

__all__ = ["UNLIKE", "Blind", "Sight"]

# A picture, (1, 3, H, W), in [0, 1], and what restores a part of it, (1, 3, h, w), by what the encoder found of
# the sensor and the file, to a weight in [0, 1].
Sight = Callable[[Tensor, Callable[[Tensor], Tensor]], float]

UNLIKE = "unlike the pictures that the encoder was trained on, so that its weights may be wrong; see --set"


@dataclass(frozen=True)
class Blind:
    """The encoder's two looks.

    keys: by basis name.
    origins: where what the bases remove comes from.
    scales: the severities of what they remove, by basis name.
    none: a weight of 0 for every basis; one without a key keeps it, being at the user's command only.
    remove: restores crops between the looks.
    sights: further looks, of plugins' own, by the name of the basis that each is for; the greater weight counts.
    judges: read-outs of what bases change, by basis name.
    winograd: whether the encoder's convolutions go that way (`restorekit.model.winograd`).
    whole: restores the picture as it is restored in the end, for a small one may be that already; None where it is
        only looked at.
    """

    encoder: DegradationEncoder
    keys: Mapping[str, BasisKey]
    origins: Origins
    scales: Mapping[str, Severity]
    none: MixingWeights
    remove: Remove
    sights: Mapping[str, Sight] = field(default_factory=dict)
    judges: Mapping[str, Judge] = field(default_factory=dict)
    winograd: bool = False
    whole: Remove | None = None

    @torch.no_grad()
    def weigh(self, image: Tensor, visible: Tensor | None = None, *, enlarged: bool = False) -> Inspection:
        """Weights and severities by what is seen."""
        with winograd(self.winograd):
            reading = read_picture(
                self.encoder,
                self.keys,
                self.origins,
                image,
                self.remove,
                visible,
                enlarged=enlarged,
                judges=self.judges,
                whole=self.whole,
            )
        weights = {**reading.weights, **self.seen(image, reading.weights)}
        severities = {
            name: self.scales[name].value(fraction)
            for name, fraction in reading.fractions.items()
            if name in self.scales
        }
        notes = (UNLIKE,) if reading.strange else ()
        return Inspection(self.none.override(weights), severities, notes, reading.advance)

    def seen(self, image: Tensor, weights: Mapping[str, float]) -> dict[str, float]:
        """Weights of the bases that have a sight, the greater ones of that and of the key. Blur that such a basis
        sees is undone once: as far as it does that, the other optical bases have nothing to do.

        image: (1, 3, H, W), floating in [0, 1], uint8 or uint16.
        weights: by the keys.
        """
        if not self.sights:
            return {}
        whole = as_float(image).clamp(0, 1)
        late = {name: weights[name] for name in self.origins.late if weights.get(name)}

        def clean(part: Tensor) -> Tensor:
            return self.remove(part, late) if late else part

        seen = {name: sight(whole, clean) for name, sight in self.sights.items()}
        undone = max((weight for name, weight in seen.items() if name in self.origins.optical), default=0.0)
        others = [name for name in self.origins.optical if name in weights and name not in seen]
        greater = {name: max(weights.get(name, 0.0), weight) for name, weight in seen.items()}
        return {**greater, **{name: weights[name] * (1 - undone) for name in others}}
