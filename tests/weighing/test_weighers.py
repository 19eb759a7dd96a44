"""Laws of those who choose weights: one contract, whoever keeps it."""

import pytest
import torch

from restorekit.errors import MixingError
from restorekit.model.mixing import MixingWeights
from restorekit.running.restorer import Restorer
from restorekit.weighing import Given, Inspection, OneHot, Overruled

PICTURE = torch.rand(1, 3, 40, 48, generator=torch.Generator().manual_seed(0))


class Seen:
    """Finds the same in every picture, and counts how often it is asked."""

    def __init__(self, **weights):
        self.found = Inspection(MixingWeights(weights), {"noise": 25.0})
        self.asked = []

    def weigh(self, image, visible=None, *, enlarged=False):
        self.asked.append((visible, enlarged))
        return self.found


def test_given_weights_are_the_same_for_every_picture_and_say_nothing_of_severity():
    weights = MixingWeights({"noise": 0.5, "rain": 0.0})
    for picture in (PICTURE, PICTURE.flip(3)):
        assert Given(weights).weigh(picture) == Inspection(weights, {})


def test_a_chosen_weight_is_in_place_of_the_found_one_and_what_was_seen_stays():
    found = Overruled(Seen(noise=0.9, rain=0.2), {"rain": 1.0}).weigh(PICTURE)
    assert found == Inspection(MixingWeights({"noise": 0.9, "rain": 1.0}), {"noise": 25.0})
    with pytest.raises(MixingError, match="no basis fog"):
        Overruled(Seen(noise=0.9), {"fog": 1.0}).weigh(PICTURE)


@pytest.mark.parametrize(
    ("found", "one"),
    [({"noise": 0.6, "rain": 0.9}, "rain"), ({"noise": 0.6, "rain": 0.5}, "noise"), ({"noise": 0.5}, None)],
)
def test_of_the_found_weights_only_the_largest_is_kept_and_only_if_it_is_above_half(found, one):
    weights = OneHot(Seen(**found)).weigh(PICTURE).weights
    assert weights.values == {name: float(name == one) for name in found}


@pytest.mark.parametrize("rule", [OneHot, lambda weigher: Overruled(weigher, {"noise": 1.0})])
def test_a_rule_over_another_weigher_asks_it_once_and_hands_on_what_is_known_of_the_picture(rule):
    seen, visible = Seen(noise=0.9), torch.ones(1, 40, 48, dtype=torch.bool)
    rule(seen).weigh(PICTURE, visible, enlarged=True)
    assert seen.asked == [(visible, True)]


def test_a_restorer_restores_by_what_its_blind_weigher_finds(tiny):
    restorer = Restorer.from_pretrained(device="cpu", precision="fp32")
    found = restorer.blind.weigh(PICTURE)
    assert found == restorer.inspect(PICTURE)[0]
    restored = restorer.restore(PICTURE)
    assert restored.weights[0] == found.weights and restored.severities[0] == found.severities
    given = restorer.restore(PICTURE, weights=found.weights.values, blind=False)
    assert torch.equal(restored.image, given.image) and not given.severities[0]
