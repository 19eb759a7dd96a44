"""Laws of the training of a small latent model: a VAE, then a network with bases on its latents."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Generator

from restorekit.model.basis import Basis
from restorekit.model.mixing import Mixer, MixingWeights
from restorekit.model.weights import digest_of_weights
from restorekit.training.base import psnr
from restorekit.training.budget import Budget
from restorekit.training.latent import FLOW, VAE
from restorekit.training.pairs import validation_rows
from restorekit.training.recipes import LatentRecipe
from restorekit.training.start import start_latent
from tests.training.recipes import CATALOG, parameters

pytest.importorskip("diffusers")
NAMES = ("noise", "lowres")
TINY = LatentRecipe(
    rank=2, vae_channels=(8, 8), latent=4, channels=(8, 8), blocks=1, patch=32, groups=2, group_size=1
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def trained(photos, run):
    """A training in its second stage, twenty steps in each."""
    training = start_latent(TINY, CATALOG, photos, run)
    assert training.counters.stage == VAE
    training.run(Budget(iterations=40), run)
    return training


def test_it_is_written_as_diffusers_and_peft_files_and_restores_as_it_was_validated(trained, tmp_path):
    from restorekit.model.latent import LatentBackbone

    assert trained.counters.stage == FLOW and trained.counters.stage_iteration == 20
    trained.export(tmp_path)
    backbone = LatentBackbone.from_folder(tmp_path / "backbone").on(torch.device("cpu"))
    bases = {name: Basis(name, name, tmp_path / name) for name in NAMES}
    assert {basis.backbone_sha256 for basis in bases.values()} == {digest_of_weights(tmp_path / "backbone")}
    mixer = Mixer(backbone, {name: basis.layers() for name, basis in bases.items()})
    scores = trained.validate()
    for row, (name, severities) in enumerate(validation_rows(trained.degradations).items()):
        degraded = trained.crops_of_row(row, severities)
        with torch.no_grad():
            predictor = mixer.specialise(MixingWeights(dict.fromkeys(severities, 1.0)))
            restored = predictor(degraded, torch.ones(len(degraded)), degraded, predictor.describe(degraded))
        assert psnr(restored, trained.crops) == pytest.approx(scores[name], abs=0.02), name


def test_both_stages_learn_and_each_leaves_the_rest_alone(photos, tmp_path):
    """One group of pictures, again and again."""
    recipe = replace(TINY, learning_rate=2e-3, lora_learning_rate=5e-3, path_share=0.0)
    training = start_latent(recipe, CATALOG, photos, tmp_path)

    def losses():
        drawn = (training.draw(Generator().manual_seed(seed)) for seed in itertools.count())
        group = next(each for each in drawn if (each.degraded - each.target).abs().mean() > 0.05)
        training.draw = lambda *rest, **named: group
        found = [training.step(1.0) for _ in range(25)]
        del training.draw
        return found

    first = losses()
    training.start_flow()
    vae = {name: tensor.clone() for name, tensor in training.whole.vae.state_dict().items()}
    second = losses()
    assert first[-1] < 0.9 * first[0] and second[-1] < 0.9 * second[0]
    assert all(torch.equal(tensor, vae[name]) for name, tensor in training.whole.vae.state_dict().items())
    assert not any(parameter.any() for parameter in training.whole.network.conv_out.parameters())


def test_it_goes_on_in_the_second_stage_with_the_same_vae(trained, photos, run):
    again = start_latent(TINY, CATALOG, photos, run)
    assert again.counters.stage == FLOW and again.counters.iteration == 40
    assert all(torch.equal(p, parameters(trained)[name]) for name, p in parameters(again).items())
    vaes = [training.whole.vae for training in (trained, again)]
    assert vaes[0].config.scaling_factor == pytest.approx(vaes[1].config.scaling_factor, rel=1e-6)
    states = [vae.state_dict() for vae in vaes]
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
