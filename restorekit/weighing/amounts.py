"""Amounts of late bases, where their keys are unsure: by what each changes in every other crop.

Cameras make noise of their own, which keys have seldom seen; what the noise basis takes away tells more.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.image import as_float
from restorekit.model.amount import Amount, Judge
from restorekit.model.encoder import View
from restorekit.model.evidence import BLOCK, evidence
from restorekit.model.key import BasisKey
from restorekit.weighing.halves import MIDDLE, Remove, every_other, middles
from restorekit.weighing.origins import Origins
from restorekit.weighing.tries import TRIED

__all__ = ["amounts", "change_of", "finest", "others_found", "unsure"]

# Logit of a key above which its weight is 1 for good. The least is that of the judges: below it JPEG on smooth
# pictures, of which few were drawn, is taken for noise.
MOST = 4.5
COMPANY = 0.5  # weight of another late basis from which on it was found
CELL = 2 * BLOCK  # px
TEXTURE = 3.0  # times the largest change of a crop: what is taken away there is no noise


def amounts(
    view: View,
    keys: Mapping[str, BasisKey],
    origins: Origins,
    judges: Mapping[str, Judge],
    found: Mapping[str, float],
    first: Tensor,
    remove: Remove,
    image: Tensor | None = None,
) -> dict[str, float]:
    """Weights, by name, of the late bases that have an amount and whose keys are unsure.

    Crops are not all of a picture. Noise is much the same everywhere: a basis that takes far more away where most
    fine texture is takes that away, and gets no more than its key says.

    view: of one picture.
    keys: by basis name.
    origins: says which are late.
    judges: by basis name, of any kind.
    found: weights of late bases by their keys, where they are not 0.
    first: query of the first look, (D,).
    remove: restores crops.
    image: the picture, (1, 3, H, W), floating in [0, 1], uint8 or uint16; None where the crops are all of it.
    """
    given: dict[str, float] = {}
    for name in origins.late:
        judge = judges.get(name)
        if not (isinstance(judge, Amount) and name in keys and unsure(keys[name], first)):
            continue
        so_far, by_key = {**found, **given}, found.get(name, 0.0)
        crops = middles(every_other(view, 0).crops)
        part = None if image is None else finest(image, crops.shape[-1])
        parts = crops if part is None else torch.cat([crops, part.to(crops)])
        before, after = tried(parts, name, so_far, remove)
        (before, *fine), (after, *finer) = before.split(len(crops)), after.split(len(crops))
        judge = judge.of(strength(keys, so_far, name, first))
        weight = judge.weight(judge.numbers(evidence(before, after), first), by_key)
        if weight > by_key and fine and size_of(fine[0], finer[0]) > TEXTURE * size_of(before, after):
            weight = by_key
        given[name] = weight
    return given


def others_found(found: Mapping[str, float], name: str) -> list[str]:
    """Name the bases other than the named one that were found. found: weights, by name."""
    return [other for other, weight in found.items() if other != name and weight >= COMPANY]


def strength(keys: Mapping[str, BasisKey], found: Mapping[str, float], name: str, first: Tensor) -> float:
    """The strength of what other late bases than the named one remove, as a fraction of its scale; 0 for none.

    keys, found, first: as in `amounts`.
    """
    return max((float(keys[other].fraction(first)) for other in others_found(found, name)), default=0.0)


def unsure(key: BasisKey, first: Tensor, least: float = TRIED) -> bool:
    """Say whether a key leaves a late basis in doubt.

    first: query of the first look, (D,).
    least: logit below which there is no doubt.
    """
    return least < float(key.logit(first)) < MOST


def change_of(view: View, name: str, found: Mapping[str, float], remove: Remove) -> Tensor:
    """Evidence of what a basis changes in every other crop, beside what was found of the others; on the CPU.

    view, name, found, remove: as in `tried` and `amounts`.
    """
    return evidence(*tried(middles(every_other(view, 0).crops), name, found, remove))


def tried(crops: Tensor, name: str, found: Mapping[str, float], remove: Remove) -> tuple[Tensor, Tensor]:
    """Restore crops, (N, 3, s, s), without a basis and with it at weight 1.

    name: of the basis.
    found: weights, by name, of what else is removed; the basis's own does not count.
    """
    others = {other: weight for other, weight in found.items() if other != name and weight}
    before = remove(crops, others) if others else crops
    return before, remove(crops, {**others, name: 1.0})


def size_of(before: Tensor, after: Tensor) -> float:
    """The largest change of a crop: root of its mean square."""
    return float((after - before).square().mean((1, 2, 3)).max().sqrt())


def finest(image: Tensor, size: int = MIDDLE) -> Tensor | None:
    """Cut out where a picture has most fine texture, (1, 3, size, size), floating.

    image: (1, 3, H, W), floating in [0, 1], uint8 or uint16. None for one that is hardly larger than the part.
    size: px, a multiple of CELL.
    """
    if min(image.shape[-2:]) < 2 * size or size < CELL:
        return None
    green = as_float(image[:, 1:2])
    crossing = green.diff(dim=2).diff(dim=3).abs()  # nothing along edges, upright ones and lying ones
    cells = F.avg_pool2d(F.avg_pool2d(crossing, CELL, ceil_mode=True), size // CELL, stride=1)
    places = divmod(int(cells.argmax()), cells.shape[-1])
    top, left = (min(CELL * place, side - size) for place, side in zip(places, image.shape[-2:], strict=True))
    return as_float(image[..., top : top + size, left : left + size]).clamp(0, 1)
