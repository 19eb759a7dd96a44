"""Laws of the search for a mixture: what made a change is found, and nothing that did not."""

import pytest
import torch

from restorekit.model.mixing import Mixture
from restorekit.weighing.by_example import match

NAMES = ("blur", "jpeg", "lowres", "noise", "rain")
TOP = dict.fromkeys(NAMES, 1.5)
NOTHING = Mixture(dict.fromkeys(NAMES, 0.0))


def bases(seed: int = 0) -> torch.Tensor:
    """Directions in which bases change a picture, (K, N); two of them are nearly one."""
    made = torch.randn(len(NAMES), 400, generator=torch.Generator().manual_seed(seed))
    made[2] = 0.9 * made[0] + 0.3 * made[2]
    return made


def change(weights, directions) -> torch.Tensor:
    """A change that is not linear in the weights: bases get in each other's way, and saturate."""
    w = torch.tensor([weights[name] for name in NAMES])
    return torch.tanh((w * (1 - 0.1 * (w.sum() - w))) @ directions / 3)


def found(weights, start=NOTHING, noise=0.0, top=TOP, **options):
    directions = bases()
    wanted = change({**NOTHING.values, **weights}, directions)
    wanted = wanted + noise * torch.randn(wanted.shape, generator=torch.Generator().manual_seed(9))
    return match(lambda w: change(w, directions), wanted, start, top, **options)


@pytest.mark.parametrize(
    "weights",
    [{"rain": 1.0}, {"noise": 1.0, "rain": 1.0}, {"lowres": 1.0, "jpeg": 1.0}, {"noise": 0.4, "rain": 1.3}],
)
@pytest.mark.parametrize("start", [NOTHING, Mixture(dict.fromkeys(NAMES, 0.9)), NOTHING.set(blur=1.0)])
def test_a_mixture_that_made_a_change_is_found_wherever_the_search_begins(weights, start):
    match = found(weights, start)
    assert match.mixture.values == pytest.approx({**NOTHING.values, **weights}, abs=0.02)
    assert match.explained > 0.999


def test_weights_stay_at_0_and_1_where_an_example_says_little_else():
    match = found({"noise": 1.0, "rain": 1.0}, noise=0.6)
    assert match.mixture.active == {"noise": 1.0, "rain": 1.0}
    assert 0.2 < match.explained < 0.9


def test_a_change_that_no_basis_makes_is_left_alone_and_explained_by_none():
    directions = bases()
    wanted = torch.linalg.qr(directions.T, mode="complete").Q[:, -1]  # at a right angle to all
    match_ = match(lambda w: change(w, directions), wanted, NOTHING.set(noise=1.0), TOP)
    assert not match_.mixture.active and match_.explained == 0


def test_no_weight_is_above_the_largest_of_its_basis():
    weights = found({"noise": 1.4, "rain": 1.0}, top={**TOP, "noise": 0.5}).mixture
    assert weights["noise"] == 0.5 and weights["rain"] > 0.5


def test_a_search_takes_few_passes():
    assert found({"noise": 1.0, "rain": 1.0}, NOTHING.set(noise=1.0, rain=1.0)).passes < 40
