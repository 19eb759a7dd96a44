"""The files are the ecosystem's: diffusers opens the backbone, peft the bases, and the outputs agree."""

import pytest
import torch

from restorekit.errors import WeightsError
from restorekit.model.backbone.flow_unet import FlowUnet
from restorekit.model.basis import Basis
from restorekit.model.context import CONTEXT
from restorekit.model.mixing import Mixer, MixingWeights


def inputs():
    image = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(1))
    return image, torch.tensor([1.0, 0.3]), image.flip(0), torch.zeros(2, CONTEXT)


def test_diffusers_opens_the_backbone_and_agrees(weights_folder):
    pytest.importorskip("diffusers")
    from restorekit.model.backbone.diffusers_model import FlowUnetModel

    model = FlowUnetModel.from_pretrained(weights_folder / "backbone").eval()
    ours = FlowUnet.from_folder(weights_folder / "backbone")
    assert torch.allclose(model(*inputs()), ours(*inputs()), atol=1e-6)


def test_peft_opens_a_basis_on_the_backbone_of_diffusers_and_agrees(weights_folder):
    pytest.importorskip("diffusers")
    peft = pytest.importorskip("peft")
    from restorekit.model.backbone.diffusers_model import FlowUnetModel

    model = FlowUnetModel.from_pretrained(weights_folder / "backbone")
    adapted = peft.PeftModel.from_pretrained(model, str(weights_folder / "noise")).eval()
    ours = FlowUnet.from_folder(weights_folder / "backbone")
    basis = Basis("noise", "noise", weights_folder / "noise")
    mixed = Mixer(ours, {"noise": basis.layers()}).specialise(MixingWeights({"noise": 1.0}))
    assert torch.allclose(adapted(*inputs()), mixed(*inputs()), atol=1e-5)


def test_the_model_of_diffusers_is_a_backbone_too_and_mixes_to_the_same_bits(weights_folder):
    pytest.importorskip("diffusers")
    from restorekit.model.backbone.diffusers_model import FlowUnetModel

    basis = Basis("noise", "noise", weights_folder / "noise").layers()
    results = []
    for kind in (FlowUnet, FlowUnetModel):
        backbone = kind.from_folder(weights_folder / "backbone").on(torch.device("cpu"))
        assert type(backbone) is kind and backbone.facts.streams
        results.append(Mixer(backbone, {"noise": basis}).specialise(MixingWeights({"noise": 0.7}))(*inputs()))
    assert torch.equal(*results)


def test_a_basis_comes_back_as_it_was_saved(weights_folder):
    basis = Basis("rain", "rain", weights_folder / "rain")
    layers = basis.layers()
    assert basis.rank == 3
    assert layers["head"].delta().shape == (12, 8, 3, 3)
    assert layers["time"].delta().shape == (16, 32)
    key = basis.key()
    assert key is not None
    assert len(key.gauge) == len(key.key) + 1


def test_a_folder_without_weights_is_refused_with_its_name(tmp_path):
    with pytest.raises(WeightsError, match="nowhere"):
        Basis("noise", "noise", tmp_path / "nowhere").layers()
    with pytest.raises(WeightsError, match="missing"):
        FlowUnet.from_folder(tmp_path)
