"""Laws of mixing: exact, in any order, undone afterwards."""

import pytest
import torch
from torch import nn

from restorekit.backbone.flow_unet import FlowUnet, layers_for_lora
from restorekit.basis import Basis
from restorekit.context import CONTEXT
from restorekit.errors import MixingError
from restorekit.mixing import Mixer, MixingWeights
from tests.tiny import BASES


@pytest.fixture
def backbone(weights_folder):
    return FlowUnet.from_folder(weights_folder / "backbone")


@pytest.fixture
def bases(weights_folder):
    return {name: Basis(name, name, weights_folder / name).layers() for name in BASES}


def outputs(backbone, size=24):
    image = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(7))
    return backbone(image, torch.tensor([1.0, 0.4]), image.flip(0), torch.zeros(2, CONTEXT))


def peft_model(weights_folder, names, weights):
    """The same mixture through peft: adapters concatenated with their weights, not merged."""
    peft = pytest.importorskip("peft")
    model = FlowUnet.from_folder(weights_folder / "backbone")
    for p in model.parameters():
        p.requires_grad_(False)
    wrapped = peft.PeftModel.from_pretrained(model, str(weights_folder / names[0]), adapter_name=names[0])
    for name in names[1:]:
        wrapped.load_adapter(str(weights_folder / name), adapter_name=name)
    if len(names) > 1:
        wrapped.add_weighted_adapter(names, weights, "mixed", combination_type="cat")
        wrapped.set_adapter("mixed")
    return wrapped.eval()


def test_zero_weights_leave_the_backbone_as_it_is(backbone, bases):
    before = outputs(backbone)
    Mixer(backbone, bases).merge(MixingWeights(dict.fromkeys(BASES, 0.0)))
    assert torch.equal(outputs(backbone), before)


def test_one_hot_mixing_equals_that_lora_alone_in_peft_itself(backbone, bases, weights_folder):
    Mixer(backbone, bases).merge(MixingWeights({"rain": 1.0}))
    alone = peft_model(weights_folder, ["rain"], [1.0])
    assert torch.allclose(outputs(backbone), outputs(alone), atol=1e-5)


def test_a_merged_mixture_equals_the_unmerged_one_in_peft_itself(backbone, bases, weights_folder):
    weights = {"blur": 0.3, "noise": 1.2, "rain": 0.75}
    Mixer(backbone, bases).merge(MixingWeights(weights))
    unmerged = peft_model(weights_folder, list(weights), list(weights.values()))
    assert torch.allclose(outputs(backbone), outputs(unmerged), atol=1e-4)


def test_the_order_of_bases_is_irrelevant_to_the_bit(weights_folder, bases):
    results = []
    for order in (BASES, BASES[::-1]):
        network = FlowUnet.from_folder(weights_folder / "backbone")
        Mixer(network, {n: bases[n] for n in order}).merge(MixingWeights({n: 0.3 for n in order}))
        results.append(outputs(network))
    assert torch.equal(*results)


def test_a_mixture_is_undone_at_the_end_of_its_block_even_after_an_error(backbone, bases):
    before = outputs(backbone)
    mixer = Mixer(backbone, bases)
    with pytest.raises(RuntimeError), mixer.merged(MixingWeights({"noise": 1.0})):
        assert not torch.equal(outputs(backbone), before)
        raise RuntimeError
    assert torch.equal(outputs(backbone), before)


def test_going_from_one_mixture_to_another_leaves_nothing_of_the_first(weights_folder, bases):
    visited, direct = (FlowUnet.from_folder(weights_folder / "backbone") for _ in range(2))
    mixer = Mixer(visited, bases)
    mixer.merge(MixingWeights({"noise": 1.0, "jpeg": 0.2}))
    mixer.merge(MixingWeights({"blur": 0.6}))
    Mixer(direct, bases).merge(MixingWeights({"blur": 0.6}))
    assert torch.equal(outputs(visited), outputs(direct))


def test_the_sum_is_linear_in_the_weights(backbone, bases):
    mixer = Mixer(backbone, bases)
    own = layers_for_lora(backbone)["stem"].clone()
    one = mixer.mixed("stem", {"noise": 1.0}) - own
    both = mixer.mixed("stem", {"blur": 0.25, "noise": 0.5}) - own
    other = mixer.mixed("stem", {"blur": 1.0}) - own
    assert torch.allclose(both, 0.5 * one + 0.25 * other, atol=1e-6)


@pytest.mark.parametrize("weights", [{"noise": -0.1}, {"noise": 1.6}])
def test_weights_outside_their_range_are_refused(weights):
    with pytest.raises(MixingError, match="outside"):
        MixingWeights(weights)


def test_an_unknown_basis_is_refused_with_those_there_are(backbone, bases):
    with pytest.raises(MixingError, match="blur, jpeg"):
        Mixer(backbone, bases).merge(MixingWeights({"fog": 1.0}))
    with pytest.raises(MixingError, match="no basis fog; there are noise"):
        MixingWeights({"noise": 0.0}).override({"fog": 1.0})


def test_a_basis_for_other_layers_is_refused(bases):
    with pytest.raises(MixingError, match="lacks"):
        Mixer(nn.Linear(2, 2), bases)
