"""Laws of a user's words: verbs of mixtures, wishes over what is seen, presets."""

import pytest

import restorekit
from restorekit.errors import MixingError
from restorekit.model.mixing import Mixture
from restorekit.weighing import Inspection, Preset, Wish

SEEN = Mixture({"blur": 0.8, "noise": 0.9, "rain": 0.4})
FOUND = Inspection(SEEN, {"noise": 25.0})
PRESETS = {"film": Preset("film", "grain stays", ("noise", "fog"), {"blur": 0.5, "mist": 0.5})}


def wished(**words):
    return Wish(**words).apply(FOUND, PRESETS).weights.values


@pytest.mark.parametrize(
    ("made", "values"),
    [
        (SEEN.set(noise=0.5), (0.8, 0.5, 0.4)),
        (SEEN.adjust(blur=0.5, rain=0), (0.4, 0.9, 0)),
        (SEEN.adjust(noise=10), (0.8, 1.5, 0.4)),
        (SEEN.only("rain"), (0, 0, 0.4)),
        (SEEN.without("rain", "blur"), (0, 0.9, 0)),
        (SEEN.strength(0.5), (0.4, 0.45, 0.2)),
        (SEEN.strength(0), (0, 0, 0)),
        (SEEN.set(rain=1).adjust(rain=0.5).without("noise"), (0.8, 0, 0.5)),
    ],
)
def test_each_verb_gives_a_new_mixture_and_leaves_the_other_weights(made, values):
    assert made.values == pytest.approx(dict(zip(SEEN.values, values, strict=True)))
    assert SEEN.values == {"blur": 0.8, "noise": 0.9, "rain": 0.4}


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (lambda: SEEN.set(noise=1.6), "outside"),
        (lambda: SEEN.set(nois=1), "no basis nois; did you mean noise"),
        (lambda: SEEN.only("fog"), "no basis fog; there are blur, noise, rain"),
        (lambda: SEEN.without("fog"), "no basis fog"),
        (lambda: SEEN.adjust(fog=1), "no basis fog"),
        (lambda: SEEN.adjust(blur=-1), "0.5 halves"),
        (lambda: SEEN.adjust(blur=float("nan")), "0.5 halves"),
        (lambda: SEEN.strength(1.6), "outside"),
        (lambda: Wish(strength=-0.1), "outside"),
        (lambda: Wish(set={"noise": 2}), "outside"),
        (lambda: Wish(adjust={"noise": "half"}), "must be a number"),
        (lambda: Wish(only="rain"), "as .'rain',"),
        (lambda: Wish(set={"rain": 1}, adjust={"rain": 1}), "give one of"),
        (lambda: Wish(set={"rain": 1}, without=("rain",)), "take it out of without"),
        (lambda: Wish(only=("rain",), without=("rain",)), "take it out of without"),
        (lambda: wished(keep=("flim",)), "no preset flim; did you mean film"),
        (lambda: wished(without=("rains",)), "did you mean rain"),
    ],
)
def test_an_unknown_name_or_a_bad_value_is_refused_with_the_remedy(verb, said):
    with pytest.raises(MixingError, match=said):
        verb()


def test_no_wish_changes_nothing():
    assert Wish().apply(FOUND) == FOUND and Wish().record() == {}


def test_words_about_the_prediction_come_before_absolute_ones_and_strength_takes_all():
    assert wished(keep=("film",)) == {"blur": 0.4, "noise": 0, "rain": 0.4}
    assert wished(keep=("film",), set={"noise": 0.3})["noise"] == 0.3
    assert wished(set={"noise": 0.6}, adjust={"rain": 2}, strength=0.5) == {"blur": 0.4, "noise": 0.3, "rain": 0.4}
    assert wished(only=("rain", "noise"), set={"noise": 1}) == {"blur": 0, "noise": 1, "rain": 0.4}


def test_what_is_multiplied_ends_at_the_largest_weight_of_its_basis():
    most = Wish(adjust={"rain": 2}, strength=1.5).apply(FOUND, largest={"rain": 0.5}).weights
    assert most.values == pytest.approx({"blur": 1.2, "noise": 1.35, "rain": 0.5})


def test_the_encoder_is_asked_unless_every_basis_that_is_used_has_a_weight():
    assert Wish().blind and Wish(set={"rain": 1}).blind and Wish(only=("rain",)).blind
    assert not Wish(only=("rain",), set={"rain": 1}).blind


@pytest.mark.parametrize("fault", [{"adjust": {"blur": -1}}, {"without": "noise"}, {"adjust": {"blur": "half"}}])
def test_a_preset_of_bad_values_is_refused_where_it_is_made(fault):
    with pytest.raises(MixingError):
        Preset("odd", "", **fault)


def test_a_restorer_takes_a_wish_beside_weights(restorer):
    import torch

    image = torch.rand(1, 3, 40, 48, generator=torch.Generator().manual_seed(0))
    seen = restorer.restore(image)
    assert torch.equal(restorer.restore(image, wish=Wish()).image, seen.image)
    half = restorer.restore(image, wish=Wish(adjust={"noise": 0.5}, without=("rain",))).weights[0]
    assert half == seen.weights[0].adjust(noise=0.5).without("rain")
    given = restorer.restore(image, weights={"noise": 1}, blind=False, wish=Wish(strength=0.5))
    assert given.weights[0].active == {"noise": 0.5} and not given.severities[0]
    alone = restorer.restore(image, wish=Wish(only=("rain",), set={"rain": 1}))
    assert alone.weights[0].active == {"rain": 1} and not alone.severities[0]
    for zero in (Wish(strength=0), Wish(without=tuple(restorer.bases))):
        assert torch.equal(restorer.restore(image, wish=zero).image, image)
    with pytest.raises(restorekit.RestorekitError, match="did you mean noise"):
        restorer.restore(image, wish=Wish(adjust={"nose": 1}))
