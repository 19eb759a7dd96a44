"""Laws of variants: a basis for some kinds of a degradation takes a share of the weight of the one for all."""

import pytest
import torch

from restorekit.errors import WeightsError
from restorekit.model.backbone.flow_unet import FlowUnet
from restorekit.model.basis import Basis, add_to_record, save_basis
from restorekit.model.context import CONTEXT
from restorekit.model.mixing import Mixer, Mixture, taken_over, variants_among
from tests.tiny import BASES, RANK, random_layers

VARIANTS = {"camera": "noise"}


@pytest.fixture
def backbone(weights_folder):
    return FlowUnet.from_folder(weights_folder / "backbone")


@pytest.fixture
def bases(weights_folder, backbone):
    known = {name: Basis(name, name, weights_folder / name).layers() for name in BASES}
    return {**known, "camera": random_layers(backbone, torch.Generator().manual_seed(5))}


def outputs(predictor):
    image = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(7))
    return predictor(image, torch.tensor([1.0, 0.4]), image.flip(0), torch.zeros(2, CONTEXT))


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_variant_takes_its_share_of_the_weight_and_the_whole_keeps_the_rest(backbone, bases, share):
    taken = Mixer(backbone, bases, VARIANTS).specialise(Mixture({"noise": 0.8, "camera": share, "blur": 0.5}))
    plain = Mixer(backbone, bases)
    by_hand = Mixture({"noise": 0.8 * (1 - share), "camera": 0.8 * share, "blur": 0.5})
    assert torch.allclose(outputs(taken), outputs(plain.specialise(by_hand)), atol=1e-6)


def test_a_share_of_nothing_is_nothing(backbone, bases):
    mixer = Mixer(backbone, bases, VARIANTS)
    assert torch.equal(outputs(mixer.specialise(Mixture({"noise": 0.0, "camera": 1.0}))), outputs(backbone))


def test_shares_of_more_than_all_are_brought_to_all():
    taken = taken_over({"noise": 0.5, "camera": 0.9, "grain": 0.6}, {"camera": "noise", "grain": "noise"})
    assert taken == pytest.approx({"noise": 0.0, "camera": 0.3, "grain": 0.2})


def test_verbs_about_all_bases_leave_shares():
    found = Mixture({"noise": 0.8, "camera": 0.6, "blur": 1.0}, VARIANTS)
    assert found.strength(0.5).values == {"noise": 0.4, "camera": 0.6, "blur": 0.5}
    assert found.only("noise").values == {"noise": 0.8, "camera": 0.6, "blur": 0.0}
    assert found.without("noise").active == {"blur": 1.0}
    assert found.set(camera=1).without("blur").strength(0.5).values == {"noise": 0.4, "camera": 1, "blur": 0.0}


def test_a_basis_that_names_kinds_is_a_variant_of_the_first_that_names_none(tmp_path, backbone):
    def card(name, degradation, kinds):
        layers = random_layers(backbone, torch.Generator().manual_seed(1))
        save_basis(tmp_path / name, layers, rank=RANK, backbone_sha256="0" * 64, degradation=degradation)
        add_to_record(tmp_path / name, {"kinds": kinds} if kinds else {})
        return Basis(name, degradation, tmp_path / name)

    cards = [card("film", "noise", ["grain"]), card("noise", "noise", []), card("hiss", "noise", [])]
    cards += [card("haze", "haze", []), card("mist", "fog", ["thin"])]
    assert cards[0].kinds == ("grain",)
    assert variants_among({c.name: c for c in cards}) == {"film": "noise"}  # nobody removes all of fog


def test_kinds_that_are_no_list_of_names_are_refused(tmp_path, backbone):
    layers = random_layers(backbone, torch.Generator().manual_seed(1))
    save_basis(tmp_path, layers, rank=RANK, backbone_sha256="0" * 64, degradation="noise")
    add_to_record(tmp_path, {"kinds": "grain"})
    with pytest.raises(WeightsError, match="has kinds 'grain'; they are a list of names"):
        Basis("film", "noise", tmp_path).check()
