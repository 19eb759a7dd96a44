"""Amounts of late bases, where their keys are unsure: by what each changes in every other crop.

Cameras make noise of their own, which keys have seldom seen; what the noise basis takes away tells more.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from restorekit.model.amount import Amount, Judge
from restorekit.model.encoder import View
from restorekit.model.evidence import evidence
from restorekit.model.key import BasisKey
from restorekit.weighing.halves import Remove, every_other, middles
from restorekit.weighing.origins import Origins

__all__ = ["amounts", "change_of", "unsure"]

# Logits of a key between which its basis is tried: below, little is won; above, the key's weight is 1 for good.
LEAST, MOST = -7.0, 4.5


def amounts(
    view: View,
    keys: Mapping[str, BasisKey],
    origins: Origins,
    judges: Mapping[str, Judge],
    found: Mapping[str, float],
    first: Tensor,
    remove: Remove,
) -> dict[str, float]:
    """Weights, by name, of the late bases that have an amount and whose keys are unsure.

    view: of one picture.
    keys: by basis name.
    origins: says which are late.
    judges: by basis name, of any kind.
    found: weights of late bases by their keys, where they are not 0.
    first: query of the first look, (D,).
    remove: restores crops.
    """
    given: dict[str, float] = {}
    for name in origins.late:
        judge = judges.get(name)
        if isinstance(judge, Amount) and name in keys and unsure(keys[name], first):
            change = change_of(view, name, {**found, **given}, remove)
            given[name] = judge.weight(judge.numbers(change, first), found.get(name, 0.0))
    return given


def unsure(key: BasisKey, first: Tensor) -> bool:
    """Say whether a key leaves a late basis in doubt. first: query of the first look, (D,)."""
    return LEAST < float(key.logit(first)) < MOST


def change_of(view: View, name: str, found: Mapping[str, float], remove: Remove) -> Tensor:
    """Evidence of what a basis changes in every other crop, beside what was found of the others; on the CPU.

    view: of one picture.
    name: of the basis.
    found: weights, by name; the basis's own does not count.
    """
    crops = middles(every_other(view, 0).crops)
    others = {other: weight for other, weight in found.items() if other != name and weight}
    before = remove(crops, others) if others else crops
    return evidence(before, remove(crops, {**others, name: 1.0}))
