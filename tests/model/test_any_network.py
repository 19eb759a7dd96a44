"""Laws of backbones from outside: convolutions and linear layers are mixed, all else is left alone."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from restorekit.errors import DeviceError, MixingError, WeightsError
from restorekit.image import as_float, as_values
from restorekit.model.adapter import pairs_of
from restorekit.model.basis import Basis, LoraLayer, add_to_record, save_basis, save_key
from restorekit.model.encoder import DegradationEncoder, EncoderConfig
from restorekit.model.flow import LookFlow
from restorekit.model.key import BasisKey
from restorekit.model.lora import layer_shapes, mergeable_layers
from restorekit.model.mixing import Mixer, MixingWeights
from restorekit.plugin.catalog import Catalog
from restorekit.running.restorer import Restorer
from restorekit.training.bank import BasisBank
from tests.strange import StrangeBackbone
from tests.tiny import random_layers

MIXED = {"stem", "depthwise", "reduce", "query", "key", "value", "joint.out_proj", "along", "head"}


@pytest.fixture
def backbone(tmp_path):
    (tmp_path / "seed.txt").write_text("5")
    return StrangeBackbone.from_folder(tmp_path)


@pytest.fixture
def bases(backbone):
    return {
        name: random_layers(backbone, torch.Generator().manual_seed(seed), size=0.3)
        for name, seed in (("fog", 1), ("dust", 2))
    }


def inputs(height=12, width=16):
    image = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))
    return image, torch.tensor([1.0, 0.3]), image.flip(0), torch.zeros(2, 0)


def beside(layer, lora, weight):
    """Add a basis's branch to a layer by a hook: not merged."""

    def hook(module, arguments, output):
        (x,) = arguments
        delta = weight * lora.delta()
        if isinstance(module, nn.Linear):
            return output + F.linear(x, delta)
        convolve = {3: F.conv1d, 4: F.conv2d}[delta.ndim]
        return output + convolve(x, delta, None, module.stride, module.padding, groups=module.groups)

    layer.register_forward_hook(hook)


def test_convolutions_and_linear_layers_are_mixed_and_nothing_else_is(backbone):
    assert set(mergeable_layers(backbone.network)) == MIXED
    everything = {name for name, _ in backbone.network.named_modules()}
    assert {"time", "norm", "before", "joint", "bound", "enlarge"} <= everything


def test_merged_equals_unmerged(backbone, bases, tmp_path):
    weights = {"fog": 0.6, "dust": 1.2}
    merged = Mixer(backbone, bases).specialise(MixingWeights(weights))(*inputs())
    unmerged = StrangeBackbone.from_folder(tmp_path)
    for name, weight in weights.items():
        for layer, lora in bases[name].items():
            if layer != "joint.out_proj":  # its module reads the weight and calls no layer
                beside(unmerged.network.get_submodule(layer), lora, weight)
    own = unmerged.network.joint.out_proj.weight
    own += sum(weight * bases[name]["joint.out_proj"].delta() for name, weight in weights.items())
    alone = unmerged.specialise({})(*inputs())
    assert torch.allclose(merged, alone, atol=1e-5)
    assert not torch.allclose(merged, inputs()[2], atol=1e-2)


def test_without_a_basis_it_is_the_network_as_it_came(backbone, bases):
    before = {name: tensor.clone() for name, tensor in backbone.network.state_dict().items()}
    mixer = Mixer(backbone, bases)
    mixer.specialise(MixingWeights({"fog": 1.0}))(*inputs())
    assert torch.equal(mixer.specialise(MixingWeights({"fog": 0.0}))(*inputs()), inputs()[2])
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.network.state_dict().items())


@pytest.mark.parametrize("layer", ["norm", "before", "time", "enlarge", "bound", "nowhere"])
def test_a_basis_for_a_layer_that_is_not_mixed_is_refused_by_name(backbone, bases, layer):
    strange = LoraLayer(torch.zeros(1, 8), torch.zeros(8, 1))
    with pytest.raises(MixingError, match=f"basis fog .*{layer}; train"):
        Mixer(backbone, {**bases, "fog": {**bases["fog"], layer: strange}})


def test_a_basis_for_it_is_written_and_read_as_a_peft_adapter(backbone, bases, tmp_path):
    folder = tmp_path / "fog"
    save_basis(folder, bases["fog"], rank=3, backbone_sha256="0" * 64, degradation="fog")
    read = Basis("fog", "fog", folder).layers_for(layer_shapes(backbone.network))
    assert read.keys() == MIXED
    for name, lora in bases["fog"].items():
        assert torch.equal(read[name].down, lora.down.half().float()), name
        assert torch.equal(read[name].up, lora.up.half().float())
    with pytest.raises(WeightsError, match="do not fit"):
        list(pairs_of(folder, {"a.lora_A.weight": torch.zeros(3), "a.lora_B.weight": torch.zeros(8, 3)}))


def test_a_basis_written_anew_keeps_its_key_and_whose_encoder_it_reads(bases, tmp_path):
    key = BasisKey(torch.ones(4), torch.zeros(()), torch.zeros(5))
    for sha256 in ("1" * 64, "2" * 64):
        save_basis(tmp_path, bases["fog"], rank=3, backbone_sha256=sha256, degradation="fog")
        if sha256[0] == "1":
            save_key(tmp_path, key, encoder_sha256="e" * 64, figures={"found": 0.9})
    basis = Basis("fog", "fog", tmp_path)
    assert (basis.backbone_sha256, basis.encoder_sha256) == ("2" * 64, "e" * 64)
    assert basis.record["key"] == {"found": 0.9} and torch.equal(basis.key((4,)).key, key.key)
    (tmp_path / "basis.safetensors").unlink()
    save_basis(tmp_path, bases["fog"], rank=3, backbone_sha256="3" * 64, degradation="fog")
    assert Basis("fog", "fog", tmp_path).record == {"backbone_sha256": "3" * 64, "degradation": "fog"}


def test_its_bases_are_trained_as_those_of_any_other(backbone):
    bank = BasisBank(backbone, {"fog": 2, "dust": 3}, torch.Generator().manual_seed(0))
    assert set(bank.layers) == MIXED and bank.lora(0).up[bank.layers.index("head")].shape == (3, 3)
    for name, parameter in bank.named_parameters():
        if ".up." in name:
            nn.init.normal_(parameter, std=0.1)
    weights = torch.tensor([1.0, 0.5])
    trained = bank.merged(backbone.network, weights)
    mixer = Mixer(backbone, {name: bank.basis(i) for i, name in enumerate(bank.names)})
    used = mixer.tensors(MixingWeights({"fog": 1.0, "dust": 0.5}))
    assert trained.keys() == used.keys()
    assert all(torch.allclose(trained[name], used[name], atol=1e-6) for name in used)


def test_a_picture_is_one_piece_for_a_network_in_which_every_pixel_sees_every_other(backbone, bases):
    encoder = DegradationEncoder(EncoderConfig(32, 2, (8, 8, 8, 8), 8, (1, 0, 1), 0))
    restorer = Restorer(backbone, bases, encoder, {}, Catalog())
    image = torch.rand(1, 3, 41, 70, generator=torch.Generator().manual_seed(3))
    results = [restorer.restore(image, weights={"fog": 1.0}, blind=False, tile=tile).image for tile in (8, 1024)]
    assert torch.equal(*results) and results[0].shape == image.shape
    assert set(backbone.seen) == {(1, 3, 42, 70)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.uint16])
def test_where_nothing_is_to_be_done_the_picture_comes_back_without_a_pass(backbone, bases, dtype, monkeypatch):
    monkeypatch.setattr("restorekit.image.pixels._BAND", 500)
    encoder = DegradationEncoder(EncoderConfig(32, 2, (8, 8, 8, 8), 8, (1, 0, 1), 0))
    restorer = Restorer(backbone, bases, encoder, {}, Catalog())
    image = as_values(torch.rand(1, 3, 41, 70, generator=torch.Generator().manual_seed(3)), dtype)
    told = []
    asked = {"weights": {"fog": 0.0}, "blind": False}
    same = restorer.restore(image, progress=lambda *pieces: told.append(pieces), **asked).image
    assert torch.equal(same, image) and same.data_ptr() != image.data_ptr() and told == [(1, 1)]
    exact = restorer.restore(image, dtype=torch.float32, **asked).image
    assert exact.dtype == torch.float32 and torch.equal(as_values(exact, dtype), image)
    beyond = restorer.restore(2 * as_float(image) - 0.5, unclipped=True, **asked).image
    assert torch.equal(beyond, (2 * as_float(image) - 0.5).clamp(0, 1))
    assert not backbone.seen


def test_a_network_with_a_head_of_its_own_is_asked_even_where_there_is_no_basis(backbone, bases):
    encoder = DegradationEncoder(EncoderConfig(32, 2, (8, 8, 8, 8), 8, (1, 0, 1), 0))
    x, t, degraded, context = inputs()
    assert torch.equal(backbone.specialise({})(x, t, degraded, context), degraded)
    with torch.no_grad():
        backbone.network.head.weight.add_(0.01)
    backbone.seen.clear()
    changed = (
        Restorer(backbone, bases, encoder, {}, Catalog()).restore(degraded[:1], weights={}, blind=False).image
    )
    assert backbone.seen and not torch.equal(changed, degraded[:1])


def test_half_precision_is_refused_where_the_facts_say_that_it_does_harm(backbone, bases):
    encoder = DegradationEncoder(EncoderConfig(32, 2, (8, 8, 8, 8), 8, (1, 0, 1), 0))
    with pytest.raises(DeviceError, match="fp32"):
        Restorer(backbone, bases, encoder, {}, Catalog(), dtype=torch.bfloat16)


def test_a_look_says_its_flow_and_others_say_none(tmp_path, bases):
    one, other = Basis("film", "", tmp_path / "film"), Basis("crisp", "", tmp_path / "crisp")
    said = {"rank": 3, "backbone_sha256": "0" * 64, "degradation": ""}
    save_basis(one.folder, bases["fog"], **said, flow=LookFlow(0.05))
    save_basis(other.folder, bases["fog"], **said)
    one.check()
    assert one.flow == LookFlow(0.05) and other.flow is None and "flow" not in other.record


def test_a_look_that_would_remove_something_is_neither_written_nor_taken(tmp_path, bases):
    said = {"rank": 3, "backbone_sha256": "0" * 64}
    with pytest.raises(WeightsError, match="removes no degradation"):
        save_basis(tmp_path / "a", bases["fog"], **said, degradation="fog", flow=LookFlow(0.05))
    save_basis(tmp_path / "b", bases["fog"], **said, degradation="fog")
    add_to_record(tmp_path / "b", {"flow": {"sigma": 0.05}})
    with pytest.raises(WeightsError, match="no degradation"):
        Basis("fog", "fog", tmp_path / "b").check()


@pytest.mark.parametrize("flow", [{}, {"sigma": -1}, {"sigma": 0.1, "more": 1}, [0.05], 0.05])
def test_a_flow_that_makes_no_sense_is_refused_with_what_is_wanted(tmp_path, bases, flow):
    save_basis(tmp_path, bases["fog"], rank=3, backbone_sha256="0" * 64, degradation="")
    add_to_record(tmp_path, {"flow": flow})
    with pytest.raises(WeightsError, match=r"sigma.*0\.05"):
        Basis("film", "", tmp_path).check()
