"""Kinds of a degradation that have a basis of their own, a variant, beside the one for all kinds, its whole.

A camera's noise and a formula's are one degradation to the encoder: its key says how much noise there is. Of which
kind it is shows in what the whole basis takes away: a formula's is white, a camera's coloured and blotchy, and it
follows the picture. Crops are restored by the whole for the second look anyway. So what changed in them is put in
numbers (`restorekit.model.evidence`), and the variant's judge gives its share of the weight
(`restorekit.model.mixing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from restorekit.model.encoder import weights_of
from restorekit.model.evidence import evidence
from restorekit.model.key import BasisKey
from restorekit.weighing.halves import Halves, middles

__all__ = ["Kinds", "numbers_of"]


@dataclass(frozen=True)
class Kinds:
    """The variants of a model's bases.

    wholes: name of the whole, by that of the variant.
    judges: of those that have one; without it a variant is at the user's command only.
    """

    wholes: Mapping[str, str] = field(default_factory=dict)
    judges: Mapping[str, BasisKey] = field(default_factory=dict)

    def shares(
        self, halves: Halves, keys: Mapping[str, BasisKey], first: Tensor, second: Tensor
    ) -> dict[str, float]:
        """Share of each variant in its whole's weight, by name; 0 where the whole was not found.

        halves: of the picture.
        keys: by basis name.
        first, second: queries of the two looks, (D,).
        """
        shares = dict.fromkeys(self.judges, 0.0)
        for name, judge in self.judges.items():
            whole = self.wholes[name]
            if whole in halves.found and whole in keys:
                shares[name] = float(weights_of(judge.logit(numbers_of(halves, keys[whole], first, second))))
        return shares


def numbers_of(halves: Halves, key: BasisKey, first: Tensor, second: Tensor) -> Tensor:
    """Numbers for the judge of a variant, (JUDGE_LENGTH,), on the CPU: what was taken away with what was found.

    key: of its whole.
    Other arguments as in `Kinds.shares`.
    """
    answers = torch.stack([key.logit(first.lerp(second, key.second)), key.logit(first)]).cpu()
    return torch.cat([evidence(middles(halves.view(1).crops), middles(halves.cleaned(1))), answers.float()])
