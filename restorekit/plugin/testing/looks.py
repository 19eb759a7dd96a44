"""Laws of a look on a model: whole files, a network that it fits, a picture for each seed, and no strange one.

near = PSNR(restored picture with the whole look, restored picture)
"""

from __future__ import annotations

import torch
from torch import Tensor

from restorekit.plugin.testing.bases import BASIS_RULES, Using
from restorekit.plugin.testing.pictures import psnr
from restorekit.plugin.testing.report import Broken, Rule
from restorekit.running.passing import Pass

__all__ = ["LOOK_RULES"]

GATES = BASIS_RULES[:4]  # card, files, peft, model
LEAST_NEAR = 20.0  # dB; noise of sigma 0.05 alone is 26 dB away
WHOLE = 2**14  # px of a tile


def given(its: Using, picture: Tensor, seed: int) -> Tensor:
    """Give the whole look to a picture, as to a restored one."""
    looks = its.after.looks
    look = looks.wanted({its.basis.name: 1.0}, seed=seed)
    assert look is not None
    return looks.given(look, picture, torch.float32, Pass(1, WHOLE))


def a_seed_is_a_picture(its: Using) -> None:
    one, again, other = (given(its, its.photographs[0], seed) for seed in (0, 0, 1))
    if not torch.equal(one, again):
        raise Broken("one seed gives two pictures")
    if torch.equal(one, other):
        raise Broken("two seeds give one picture")


def stays_near(its: Using) -> str:
    """Give the whole look to photographs."""
    least = min(psnr(given(its, picture, 0), picture) for picture in its.photographs)
    said = f"{least:.1f} dB away at most"
    if least < LEAST_NEAR:
        raise Broken(said)
    return said


LOOK_RULES: tuple[Rule[Using], ...] = (
    *GATES,
    Rule("a seed is a picture", a_seed_is_a_picture, "Draw nothing in the network: the noise is given to it."),
    Rule("it stays near the restored picture", stays_near, "Train it longer, or from less noise."),
)
