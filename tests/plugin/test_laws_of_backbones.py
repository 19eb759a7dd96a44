"""Every law of a backbone is broken by one that breaks it; the embedded one and a stranger keep them all."""

from dataclasses import replace

import pytest
import torch

from restorekit.model.backbone.flow_unet import FlowUnet, FlowUnetConfig
from restorekit.model.lora import with_tensors
from restorekit.plugin import BackboneCard
from restorekit.plugin.testing import check_backbone
from restorekit.plugin.testing.backbones import BACKBONE_RULES
from tests.strange import StrangeBackbone, StrangeNetwork

SHAPE = FlowUnetConfig((8, 16), (1, 1), 16)
FILES, LOADED, FACTS, SIZES, INPUT, STEADY, ALONE, BESIDE, HALO, PIECES, HALF = (r.name for r in BACKBONE_RULES)
ARCHITECTURE = "restorekit.model.backbone.flow_unet:FlowUnet"


def broken(backbone) -> tuple[str, ...]:
    return tuple(law.name for law in check_backbone(backbone).broken)


def with_facts(**wrong):
    """The embedded network, which says other things of itself."""
    facts = property(lambda self: replace(FlowUnet.facts.fget(self), **wrong))
    return type("Boastful", (FlowUnet,), {"facts": facts})(SHAPE)


def specialised(change):
    """The embedded network, whose predictors are made by another function of it and the tensors."""
    return type("Odd", (FlowUnet,), {"specialise": change})(SHAPE)


class Predictor:
    """A predictor around another, which changes its estimate."""

    def __init__(self, inner, change):
        self.inner, self.change = inner, change

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def __call__(self, *inputs):
        return self.change(self.inner(*inputs), *inputs)


def estimated(change):
    """The embedded network, whose estimates are changed."""
    return specialised(lambda self, tensors: Predictor(FlowUnet.specialise(self, tensors), change))


def in_place(self, tensors):
    self.load_state_dict(dict(tensors), strict=False)
    return with_tensors(self, {})


def shared(self, tensors):
    kept = vars(self).setdefault("kept", {})
    kept.update(tensors)
    return Predictor(self, lambda out, *inputs: FlowUnet.specialise(self, kept)(*inputs))


def in_half(estimate, *inputs):
    return estimate + 0.3 * torch.rand_like(estimate) if torch.is_autocast_enabled("cpu") else estimate


BREAKERS = {
    "a multiple of 0": (with_facts(multiple=0), FACTS),
    "a halo of words": (with_facts(halo="none"), FACTS),
    "a head that is not there": (with_facts(head="top"), FACTS),
    "a head with a weight": (with_facts(head="stem"), FACTS),
    "a multiple that is too small": (with_facts(multiple=1), SIZES),
    "values that are not finite": (estimated(lambda out, *inputs: out / 0), SIZES),
    "a tint": (estimated(lambda out, *inputs: out + 1e-3), INPUT),
    "a random estimate": (estimated(lambda out, *inputs: out + 1e-3 * torch.rand_like(out)), STEADY),
    "tensors written into the network": (specialised(in_place), ALONE),
    "tensors that all predictors share": (specialised(shared), BESIDE),
    "tensors that are not used": (specialised(lambda self, tensors: FlowUnet.specialise(self, {})), BESIDE),
    "a halo that is too small": (with_facts(halo=4), HALO),
    "the mean of the picture": (
        estimated(lambda out, x_t, t, degraded, context: out + 0.1 * degraded.mean()),
        PIECES,
    ),
    "another result in half precision": (estimated(in_half), HALF),
}


def test_the_embedded_network_and_a_strange_one_keep_every_law(weights_folder):
    card = BackboneCard("net", ARCHITECTURE, weights_folder / "backbone")
    for backbone in (card, StrangeBackbone(StrangeNetwork())):
        report = check_backbone(backbone)
        report.require()
        assert len(report.laws) == len(BACKBONE_RULES)


@pytest.mark.parametrize(("backbone", "law"), BREAKERS.values(), ids=BREAKERS)
def test_a_law_is_broken_by_who_breaks_it(backbone, law):
    assert law in broken(backbone)


def test_a_card_whose_files_or_class_are_not_there_breaks_the_first_laws(weights_folder, tmp_path):
    folder = weights_folder / "backbone"
    assert broken(BackboneCard("net", ARCHITECTURE, tmp_path)) == (FILES,)
    (tmp_path / "sha256sums").write_text("")
    assert broken(BackboneCard("net", ARCHITECTURE, tmp_path)) == (FILES,)
    assert broken(BackboneCard("net", "nowhere", folder)) == (FILES,)
    assert broken(BackboneCard("net", "restorekit.nowhere:FlowUnet", folder)) == (LOADED,)


def test_every_law_has_one_who_breaks_it():
    assert {law for _, law in BREAKERS.values()} | {FILES, LOADED} == {rule.name for rule in BACKBONE_RULES}
