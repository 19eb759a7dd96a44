"""Tries of bases of which their keys are unsure.

A basis is tried on crops, and its judge, if it brings one and is sure, has the last word on what it changes there
(`restorekit.model.evidence`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from restorekit.model.encoder import weights_of
from restorekit.model.evidence import evidence
from restorekit.model.key import BasisKey
from restorekit.weighing.halves import Halves, middles
from restorekit.weighing.origins import Origins

__all__ = ["SURE", "TRIED", "evidence_for", "may_be_tried", "weighed_by_change", "weight_by_change"]

# Logits of keys between which a basis is tried: on held-out photographs nothing is won below, and rain loses.
TRIED, SURE = -2.5, 5.0
DOUBT = 1.5  # below it, either way, the judge has no say: what it alone believes is softness that was meant


def may_be_tried(name: str, origins: Origins, found: Collection[str]) -> bool:
    """Say whether a basis is one to try.

    Of noise and JPEG judges know no more than keys; of the lens they know more only where noise or JPEG was found,
    which hide what keys go by.
    """
    return name not in origins.late and (bool(found) or name not in origins.optical)


def weighed_by_change(
    halves: Halves, judges: Mapping[str, BasisKey], keys: Mapping[str, BasisKey], first: Tensor, second: Tensor
) -> dict[str, float]:
    """Weights, by basis name, where keys are unsure and judges are not: by what bases change in every other crop.

    judges: their read-outs, of the change's evidence, the first look's logit and the key's own.
    keys: of at least these.
    first, second: queries of the two looks, (D,).
    """
    weights: dict[str, float] = {}
    for name, judge in judges.items():
        numbers = evidence_for(halves, name, keys[name], first, second, TRIED)
        weight = None if numbers is None else weight_by_change(judge, numbers)
        if weight is not None:
            weights[name] = weight
    return weights


def weight_by_change(judge: BasisKey, numbers: Tensor) -> float | None:
    """The weight that a judge gives by what a basis changes, (JUDGE_LENGTH,); None where it is in doubt."""
    logit = judge.logit(numbers)
    return float(weights_of(logit)) if float(logit.abs()) > DOUBT else None


def evidence_for(
    halves: Halves, name: str, key: BasisKey, first: Tensor, second: Tensor, least: float
) -> Tensor | None:
    """Numbers for a judge, (JUDGE_LENGTH,), on the CPU; None where the key is sure.

    least: logit of the key up to which it is sure that there is nothing. Other arguments as above.
    """
    logit = key.logit(first.lerp(second, key.second))
    if not least < logit < SURE:
        return None
    tried = halves.tried(name)
    answers = torch.stack([logit, key.logit(first)]).cpu()
    return torch.cat([evidence(middles(halves.cleaned(1)), tried), answers.float()])
