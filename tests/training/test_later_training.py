"""Laws of what is trained on a finished backbone: the encoder's calibration, a later basis."""

import itertools
from dataclasses import replace
from importlib.metadata import entry_points

import pytest
import torch
from torch import Generator

from restorekit.errors import TrainingError
from restorekit.model.backbone.flow_unet import FlowUnet, FlowUnetConfig
from restorekit.model.basis import Basis
from restorekit.model.context import CONTEXT
from restorekit.model.encoder import DegradationEncoder, EncoderConfig, weights_of
from restorekit.model.flow import LookFlow
from restorekit.model.weights import BACKBONE_TENSORS, ENCODER_TENSORS, digest
from restorekit.plugin import BackboneCard, ModelCard
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.training.bank import BasisBank
from restorekit.training.budget import Budget
from restorekit.training.calibration import ALONE, CLEAN, PHOTOGRAPHS, Calibration, counted, spread
from restorekit.training.critic import relative_loss
from restorekit.training.encoder import CALIBRATION
from restorekit.training.engine import choose_engine
from restorekit.training.held_out_rows import kinds_for
from restorekit.training.keys import Keys
from restorekit.training.pairs import PairMaker
from restorekit.training.parallel import gradients_of
from restorekit.training.recipes import BasisRecipe, DetailRecipe, EncoderRecipe, LookRecipe
from restorekit.training.runs import Settings, start_run
from restorekit.training.start import start_basis, start_basis_of, start_encoder, start_on_top
from tests.plugin.strangers import Entry, plugin
from tests.tiny import tiny_weights
from tests.training.recipes import CATALOG, parameters


def test_calibration_moves_only_how_sure_each_key_is(photos, weights_folder, tmp_path):
    names = ("noise", "blur")
    recipe = EncoderRecipe(names=names, shares=(1, 1), picture=128, groups=2, group_size=1, patch=32)
    args = (CATALOG, photos, tmp_path / "run", weights_folder)
    training = start_encoder(replace(recipe, restoration_share=0.0, calibration_share=1.0), *args)
    before = parameters(training)
    training.run(Budget(iterations=6), tmp_path / "run")
    after = parameters(training)
    assert training.counters.stage == CALIBRATION
    moved = {n for n in before if not torch.equal(before[n], after[n])}
    assert moved and moved <= {"keys.steepness", "keys.shift", "keys.second"}
    assert after["keys.second"][0] == 0 and 0 <= after["keys.second"][1] <= 1  # noise is what is removed
    training.average.swap()  # as it is exported
    query = torch.rand(4, training.encoder.config.local + CONTEXT, generator=Generator().manual_seed(0))
    wanted = training.keys.calibrated(training.keys(query)[0])
    for i in range(len(names)):
        key = training.keys.take(i)
        assert torch.allclose(query @ key.key + key.bias, wanted[:, i], atol=1e-5)


def test_calibration_moves_a_key_to_where_the_restoration_is_best(photos):
    keys = Keys(1, 8)
    pairs = PairMaker((CATALOG.degradation("noise"),), (1.0,))
    seen = torch.zeros(1, 8 + CONTEXT)  # nothing: one weight for every picture
    blind = DegradationEncoder(EncoderConfig(crop=32, crops=1, channels=(8, 8), blocks=(0,)))
    blind.query_of = lambda view, statistics=False: seen
    best = 0.8
    search = Calibration(
        keys,
        pairs,
        spread(photos.calibration),
        blind,
        lambda degraded, weights: degraded + 0.5 * (weights - best),
        moved=("shift", "steepness"),
    )
    gaps = [search.step(i) for i in range(36)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(gaps))
    assert gaps[-1] < gaps[0] - 1
    assert float(weights_of(keys.calibrated(keys(seen)[0])).detach()) == pytest.approx(best, abs=0.05)


def test_calibration_sees_every_kind_and_the_plain_one_on_every_other_photograph():
    for degradation in CATALOG.degradations.values():
        kinds = [kinds_for([degradation], i)[degradation.name] for i in range(PHOTOGRAPHS)]
        assert set(kinds) == set(degradation.kinds)
        assert all(kind == degradation.kinds[0] for kind in kinds[::2])


def test_calibration_looks_at_small_copies_too():
    """A photograph of 512 px at 0.38 of its size."""
    large, small = torch.full((3, 512, 512), 255, dtype=torch.uint8), torch.zeros(3, 195, 260, dtype=torch.uint8)
    assert spread([large, small]).mean((1, 2, 3)).tolist() == [1.0, 0.0]


def test_calibration_counts_most_what_people_have_most():
    pairs = PairMaker(tuple(CATALOG.degradation(n) for n in ("noise", "jpeg", "rain")), (1.0, 1.0, 1.0))
    assert counted(pairs, {}) == CLEAN
    assert counted(pairs, {"noise": 25}) == counted(pairs, {"jpeg": 30}) == ALONE
    assert counted(pairs, {"rain": 18}) == counted(pairs, {"noise": 25, "jpeg": 30}) == 1


def test_a_saved_encoder_goes_on_with_more_blocks_without_effect_and_not_with_fewer(
    photos, weights_folder, tmp_path
):
    training = start_encoder(
        EncoderRecipe(names=("noise",), shares=(1,), picture=128), CATALOG, photos, tmp_path, weights_folder
    )
    blocks = training.encoder.config.blocks
    pictures = torch.rand(2, 3, 128, 128, generator=Generator().manual_seed(0))
    without, more = (
        DegradationEncoder(replace(training.encoder.config, blocks=tuple(b), fine=fine)).eval()
        for b, fine in (([0] * len(blocks), 0), ([n + 1 for n in blocks], 2))
    )
    keys = [training.keys.take(0)]
    training.start_from_weights(without, keys)
    assert torch.equal(training.encoder.query(pictures), without.query(pictures))
    with pytest.raises(TrainingError, match="--from-weights"):
        training.start_from_weights(more, keys)


def test_a_later_basis_leaves_backbone_encoder_and_other_bases_as_they_are(photos, weights_folder, tmp_path):
    recipe = BasisRecipe(names=("noise",), rank=2, patch=32, picture=96, groups=1)
    training = start_basis("noise", recipe, CATALOG, photos, tmp_path, weights_folder)
    before = {n: p.clone() for n, p in training.backbone.state_dict().items()}
    training.run(Budget(iterations=3), tmp_path)
    assert all(torch.equal(p, before[n]) for n, p in training.backbone.state_dict().items())


def test_a_loss_that_depends_on_nothing_trained_has_no_gradient():
    bases = BasisBank(FlowUnet(FlowUnetConfig((8, 16), (1, 1), 16)), {"blur": 2, "noise": 2}, Generator())
    parameters = list(bases.parameters())
    assert bases.deltas(torch.zeros(2)) == {}
    assert gradients_of(torch.rand(2, 3).mean(), parameters) == [None] * len(parameters)


def test_a_later_basis_takes_part_in_every_group_it_learns_from(photos, tiny, tmp_path):
    recipe = BasisRecipe(names=("blur",), rank=2, patch=32, picture=96, groups=1, group_size=1)
    training = start_basis("blur", recipe, build_catalog(load_plugins()), photos, tmp_path, tiny)
    groups = [training.draw(Generator().manual_seed(seed)) for seed in range(30)]
    assert all(group.weights[0] for group in groups)
    assert any(len(group.present) > 1 for group in groups)


def test_a_later_basis_for_another_model_is_trained_on_that_models_backbone_and_encoder(photos, tiny, tmp_path):
    other = tiny_weights(tmp_path / "other", seed=7)
    network = BackboneCard("net", "restorekit.model.backbone.flow_unet:FlowUnet", other / "backbone")
    bundle = plugin(
        register_models=lambda: [ModelCard("other", network, other / "encoder")],
        register_bases=lambda: [Basis("blur", "blur", other / "blur")],
    )
    catalog = build_catalog(load_plugins([*entry_points(group="restorekit"), Entry("stranger", bundle)]))
    recipe = BasisRecipe(names=("noise",), rank=2, patch=32, picture=96, groups=1)
    settings = Settings(training="basis", photos=(), run=str(tmp_path / "run"), model="other")
    training = start_run(settings, recipe, catalog.of_model("other"), photos, choose_engine("cpu", "off", "all"))
    assert training.backbone_sha256 == digest(other / "backbone" / BACKBONE_TENSORS)
    assert training.encoder_sha256 == digest(other / "encoder" / ENCODER_TENSORS)
    assert training.recipe.names == ("noise", "blur") and not training.failures
    with pytest.raises(TrainingError, match="one model"):
        Settings(training="basis", photos=(), weights="weights", model="other")


def test_a_detail_basis_changes_only_itself_and_its_critic(photos, weights_folder, tmp_path):
    recipe = DetailRecipe("detail", ("noise", "blur"), (1, 1), rank=2, patch=32, group_size=2, precision="fp32")
    training = start_on_top(recipe, CATALOG, photos, tmp_path, weights_folder)
    before = {n: p.clone() for n, p in training.backbone.state_dict().items()}
    training.run(Budget(iterations=3), tmp_path)
    assert all(torch.equal(p, before[n]) for n, p in training.backbone.state_dict().items())
    assert any(up.abs().max() > 0 for up in training.bank.lora(0).up[:-1])
    training.export(tmp_path / "detail")
    basis = Basis("detail", "", tmp_path / "detail")
    assert basis.key() is None
    assert basis.layers().keys() == set(training.bank.layers)
    again = start_on_top(recipe, CATALOG, photos, tmp_path, weights_folder)
    assert again.counters.iteration == 3


def test_a_look_begins_as_a_flow_that_stands_still_and_changes_only_itself(photos, weights_folder, tmp_path):
    recipe = LookRecipe("look", ("noise", "blur"), (1, 1), rank=2, patch=32, group_size=2, precision="fp32")
    training = start_on_top(recipe, CATALOG, photos, tmp_path, weights_folder)
    state, restored = torch.rand(2, 2, 3, 32, 32)
    assert torch.equal(
        training.velocity(state, torch.ones(2), restored, training.merged()), torch.zeros_like(state)
    )
    before = {n: p.clone() for n, p in training.backbone.state_dict().items()}
    training.run(Budget(iterations=3), tmp_path)
    assert all(torch.equal(p, before[n]) for n, p in training.backbone.state_dict().items())
    assert training.velocity(state, torch.ones(2), restored, training.merged()).abs().max() > 0
    training.export(tmp_path / "look")
    basis = Basis("look", "", tmp_path / "look")
    basis.check()
    assert basis.flow == LookFlow(0.05) and basis.key() is None
    assert basis.layers().keys() == set(training.bank.layers)
    assert start_on_top(recipe, CATALOG, photos, tmp_path, weights_folder).counters.iteration == 3


def test_critic_and_basis_learn_from_losses_of_their_own(photos, weights_folder, tmp_path):
    recipe = DetailRecipe("detail", ("noise",), (1,), rank=2, patch=32, group_size=2, precision="fp32")
    without = replace(recipe, pixels=0, coarse=0, features=0, critic=0)
    training = start_on_top(without, CATALOG, photos, tmp_path, weights_folder)
    data = training.draw(Generator().manual_seed(0))
    training.loss(data, Generator()).backward()
    zero = [p.grad is None or p.grad.abs().max() == 0 for p in training.bank.parameters()]
    assert all(zero)
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in training.critic.parameters())


def test_the_critic_prefers_what_is_judged_more_real():
    real, fake = torch.tensor([3.0, 2.0]), torch.tensor([-1.0, 0.0])
    assert relative_loss(real, fake) < relative_loss(fake, real)
    assert relative_loss(real, real) == pytest.approx(0.693, abs=0.2)


def test_a_basis_apart_learns_from_what_the_others_leave(photos, tiny, tmp_path):
    catalog = build_catalog(load_plugins())
    recipe = BasisRecipe(("noise",), rank=2, patch=32, picture=96, groups=2, precision="fp32", apart=True)
    training = start_basis_of(catalog.model, "noise", recipe, catalog, photos, tmp_path)
    assert training.recipe.names == ("noise", "blur", "jpeg", "lowres", "rain")
    degraded, seen, network = torch.rand(2, 3, 32, 32), [], training.network
    training.network = lambda tensors, x, *rest: seen.append(x) or network(tensors, x, *rest)
    training.predict(degraded, torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0]))
    training.predict(degraded, torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0]))
    first, second, alone = seen
    assert torch.equal(first, degraded) and torch.equal(alone, degraded) and not torch.equal(second, degraded)
    training.network = network
    parameters = list(training.trainable().values())
    parts = [training.draw(Generator().manual_seed(seed)) for seed in range(4)]
    assert any(any(part.mixture[1:]) for part in parts)
    whole = training.loss_of(*training.inputs(parts, Generator()))
    by_part = torch.stack([training.loss(part, Generator()) for part in parts]).mean()
    assert float(whole.detach()) == pytest.approx(float(by_part.detach()), rel=1e-5)
    for there, here in zip(gradients_of(whole, parameters), gradients_of(by_part, parameters), strict=True):
        assert torch.allclose(there, here, atol=1e-4 * float(here.abs().max()) + 1e-7)
