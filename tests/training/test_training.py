"""Laws of training, on tiny networks and made-up photographs."""

import copy
from dataclasses import MISSING, fields, replace
from inspect import signature
from typing import get_type_hints

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Generator

from restorekit.backbone.flow_unet import TENSORS, FlowUnet, FlowUnetConfig
from restorekit.basis import Basis
from restorekit.bench.own import Plain
from restorekit.cli.train import backbone, basis, encoder
from restorekit.context import CONTEXT
from restorekit.encoder import DegradationEncoder
from restorekit.errors import TrainingError
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.restorer import Restorer
from restorekit.training.backbone import JOINT, BackboneTraining, Recipe
from restorekit.training.bank import BasisBank
from restorekit.training.base import CHECKPOINT
from restorekit.training.basis import BasisRecipe
from restorekit.training.depth import counterpart
from restorekit.training.encoder import CALIBRATION, EncoderRecipe
from restorekit.training.loop import Budget, learning_rate_factor
from restorekit.training.muon import orthogonalise
from restorekit.training.start import start_backbone, start_basis, start_encoder

CATALOG = build_catalog(load_plugins())
NAMES = ("noise", "blur", "rain")
TINY = Recipe(
    names=NAMES,
    ranks=(2, 2, 3),
    shares=(1, 1, 1),
    channels=(8, 16),
    blocks=(1, 1),
    patch=32,
    groups=2,
    group_size=2,
    warm_up=0.5,
    precision="fp32",  # or tiny differences in the order of sums would flip roundings
)


def degradations(names=NAMES):
    return [CATALOG.degradations[n] for n in names]


def parameters(training):
    return {n: p.detach().clone() for n, p in training.trainable().items()}


def test_orthogonalising_brings_singular_values_near_one():
    for shape in [(2, 16, 40), (3, 40, 16)]:
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape, generator=Generator().manual_seed(0))))
        assert float(values.min()) > 0.5 and float(values.max()) < 1.3


def test_the_learning_rate_rises_stays_and_falls():
    assert learning_rate_factor(0, 0.0, 0.25) == pytest.approx(1 / 200)
    assert learning_rate_factor(500, 0.5, 0.25) == 1
    assert learning_rate_factor(500, 0.875, 0.25) == pytest.approx(0.5)


def test_one_basis_trained_further_leaves_backbone_and_the_others_to_the_bit(photos, tmp_path):
    whole = BackboneTraining(TINY, degradations(), photos)
    whole.run(Budget(iterations=4), tmp_path / "run")
    whole.export(tmp_path / "weights")
    bases = [Basis(n, n, tmp_path / "weights" / n) for n in NAMES]
    training = BackboneTraining(replace(TINY, only=("blur",), sets=(("noise+blur", 0.5),)), degradations(), photos)
    training.start_from_weights(FlowUnet.from_folder(tmp_path / "weights" / "backbone"), bases)
    before = copy.deepcopy([training.bank.basis(i) for i in range(len(NAMES))])
    training.run(Budget(iterations=4), tmp_path / "further")
    training.export(tmp_path / "out")
    for i, name in enumerate(NAMES):
        same = all(
            torch.equal(old.down, new.down) and torch.equal(old.up, new.up)
            for old, new in zip(before[i].values(), training.bank.basis(i).values(), strict=True)
        )
        assert same == (name != "blur")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"backbone", "blur"}
    tensors = [tmp_path / folder / "backbone" / TENSORS for folder in ("weights", "out")]
    assert tensors[0].read_bytes() == tensors[1].read_bytes()


def test_training_goes_through_both_stages_and_its_weights_restore(photos, tmp_path, monkeypatch):
    training = BackboneTraining(TINY, degradations(), photos)
    training.run(Budget(iterations=6), tmp_path / "run")
    assert training.counters.stage == JOINT
    assert (tmp_path / "run" / "log.csv").read_text().count("mean") >= 2
    training.export(tmp_path / "weights")
    recipe = EncoderRecipe(
        names=NAMES, shares=(1, 1, 1), picture=128, groups=2, group_size=1, patch=32, kept=3, rehearsed=2
    )
    encoder = start_encoder(recipe, CATALOG, photos, tmp_path / "encoder", tmp_path / "weights")
    encoder.run(Budget(iterations=4), tmp_path / "encoder")
    assert len(encoder.memory.pictures) == 3  # of eight
    encoder.export(tmp_path / "weights")
    again = start_encoder(recipe, CATALOG, photos, tmp_path / "again", tmp_path / "weights", tmp_path / "weights")
    pictures = torch.rand(2, 3, 128, 128, generator=Generator().manual_seed(0))
    saved = DegradationEncoder.from_folder(tmp_path / "weights" / "encoder").query(pictures)
    assert torch.allclose(again.encoder.query(pictures), saved, atol=1e-5)
    for i, name in enumerate(NAMES):
        key = Basis(name, name, tmp_path / "weights" / name).key()
        taken = again.keys.take(i)
        assert torch.equal(taken.key, key.key) and torch.equal(taken.gauge, key.gauge)
    later = start_basis(
        "jpeg",
        BasisRecipe(names=("jpeg",), rank=2, patch=32, picture=96, groups=1),
        CATALOG,
        photos,
        tmp_path / "jpeg",
        tmp_path / "weights",
    )
    later.run(Budget(iterations=5), tmp_path / "jpeg")
    later.export(tmp_path / "weights" / "jpeg")
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(tmp_path / "weights"))
    restorer = Restorer.from_pretrained(device="cpu")
    assert restorer.bases == ("blur", "jpeg", "noise", "rain")
    image = torch.rand(1, 3, 40, 40)
    assert restorer.restore(image).image.shape == image.shape
    none = dict.fromkeys(restorer.bases, 0.0)
    assert torch.equal(restorer.restore(image, weights=none).image, image)


def test_calibration_moves_only_how_sure_each_key_is(photos, weights_folder, tmp_path):
    names = ("noise", "blur")
    recipe = EncoderRecipe(names=names, shares=(1, 1), picture=128, groups=2, group_size=1, patch=32)
    args = (CATALOG, photos, tmp_path / "run", weights_folder)
    training = start_encoder(replace(recipe, restoration_share=0.0, calibration_share=1.0), *args)
    before = parameters(training)
    training.run(Budget(iterations=3), tmp_path / "run")
    after = parameters(training)
    assert training.counters.stage == CALIBRATION
    assert {n for n in before if not torch.equal(before[n], after[n])} == {"keys.steepness", "keys.shift"}
    training.average.swap()  # as it is exported
    query = torch.rand(4, training.encoder.config.local + CONTEXT, generator=Generator().manual_seed(0))
    wanted = training.keys.calibrated(training.keys(query)[0])
    for i in range(len(names)):
        key = training.keys.take(i)
        assert torch.allclose(query @ key.key + key.bias, wanted[:, i], atol=1e-5)


def test_a_warm_up_alone_makes_a_plain_network_that_restores_without_bases(photos, tmp_path):
    training = BackboneTraining(replace(TINY, warm_up=1.0), degradations(), photos)
    training.run(Budget(iterations=3), tmp_path / "run")
    training.export(tmp_path)
    assert not training.backbone.head.weight.any()  # can go on
    method = Plain(str(tmp_path / "plain"))
    method.prepare()
    image = torch.rand(1, 3, 40, 48, generator=Generator().manual_seed(0))
    restored = method.restorer.restore(image, blind=False).image
    assert restored.shape == image.shape and not torch.equal(restored, image)


def test_a_later_basis_leaves_backbone_encoder_and_other_bases_as_they_are(photos, weights_folder, tmp_path):
    recipe = BasisRecipe(names=("noise",), rank=2, patch=32, picture=96, groups=1)
    training = start_basis("noise", recipe, CATALOG, photos, tmp_path, weights_folder)
    before = {n: p.clone() for n, p in training.backbone.state_dict().items()}
    training.run(Budget(iterations=3), tmp_path)
    assert all(torch.equal(p, before[n]) for n, p in training.backbone.state_dict().items())


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_a_resumed_training_equals_an_undisturbed_one(photos, tmp_path, optimiser):
    recipe = replace(TINY, optimiser=optimiser)
    undisturbed = BackboneTraining(recipe, degradations(), photos)
    undisturbed.run(Budget(iterations=8), tmp_path / "a")
    # The budget shapes the schedule, so the first slice is cut by hand, not by a smaller budget.
    first = BackboneTraining(recipe, degradations(), photos)
    budget, stops = Budget(iterations=8), iter(range(100))

    def stop_after_five(progress):
        if next(stops) == 4:
            import signal

            signal.raise_signal(signal.SIGINT)

    first.run(budget, tmp_path / "b", report=stop_after_five)
    assert first.counters.iteration == 5
    second = start_backbone(recipe, CATALOG, photos, tmp_path / "b", None)
    second.run(budget, tmp_path / "b")
    assert second.counters.iteration == 8
    for name, value in parameters(undisturbed).items():
        assert torch.allclose(value, parameters(second)[name], atol=1e-6), name


def test_training_goes_on_from_saved_weights_alone(photos, tmp_path):
    training = BackboneTraining(TINY, degradations(), photos)
    training.run(Budget(iterations=4), tmp_path / "run")
    training.export(tmp_path / "weights")
    again = start_backbone(TINY, CATALOG, photos, tmp_path / "fresh", tmp_path / "weights")
    assert again.counters.stage == JOINT
    for i, name in enumerate(NAMES):
        saved = Basis(name, name, tmp_path / "weights" / name).layers()
        for layer, lora in again.bank.basis(i).items():
            assert torch.allclose(lora.delta(), saved[layer].delta(), atol=1e-6)


def test_a_saved_basis_goes_on_with_a_higher_rank_and_not_with_a_lower_one(photos, tmp_path):
    training = BackboneTraining(TINY, degradations(), photos)
    training.run(Budget(iterations=4), tmp_path / "run")
    training.export(tmp_path / "weights")
    wider = start_backbone(replace(TINY, ranks=(4, 2, 5)), CATALOG, photos, tmp_path / "w", tmp_path / "weights")
    for i, name in enumerate(NAMES):
        saved = Basis(name, name, tmp_path / "weights" / name).layers()
        for layer, lora in wider.bank.basis(i).items():
            assert torch.allclose(lora.delta(), saved[layer].delta(), atol=1e-6)
    with pytest.raises(TrainingError, match="rank rain=3"):
        start_backbone(replace(TINY, ranks=(2, 2, 2)), CATALOG, photos, tmp_path / "n", tmp_path / "weights")


def test_saved_weights_go_on_at_another_depth_where_new_blocks_have_no_effect(photos, tmp_path):
    training = BackboneTraining(replace(TINY, blocks=(1, 2)), degradations(), photos)
    training.run(Budget(iterations=4), tmp_path / "run")
    training.export(tmp_path / "weights")
    start = tmp_path / "weights"
    deeper = start_backbone(replace(TINY, blocks=(3, 4)), CATALOG, photos, tmp_path / "d", start)
    same = start_backbone(replace(TINY, blocks=(1, 2)), CATALOG, photos, tmp_path / "s", start)
    assert deeper.validate() == pytest.approx(same.validate(), abs=1e-4)
    deeper.run(Budget(iterations=3), tmp_path / "d")
    assert all(p.any() for n, p in parameters(deeper).items() if ".conv2.weight" in n)
    shallower = start_backbone(replace(TINY, blocks=(1, 1)), CATALOG, photos, tmp_path / "c", start)
    kept, whole = shallower.backbone.state_dict(), same.backbone.state_dict()
    assert all(torch.equal(tensor, whole[name]) for name, tensor in kept.items())
    with pytest.raises(TrainingError, match="--channels"):
        start_backbone(replace(TINY, channels=(8, 8)), CATALOG, photos, tmp_path / "n", start)
    with pytest.raises(TrainingError, match="--blocks"):
        start_backbone(replace(TINY, only=("blur",), blocks=(3, 2)), CATALOG, photos, tmp_path / "o", start)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("stem.weight", "stem.weight"),
        ("down.0.0.conv1", "down.0.0.conv1"),
        ("down.0.1.conv1", None),
        ("up.0.0.film", None),
        ("up.0.1.film", "up.0.0.film"),
        ("up.1.0.conv2", "up.1.1.conv2"),
    ],
)
def test_blocks_keep_their_distance_from_the_picture(name, expected):
    assert counterpart(name, (1, 2, 4), (2, 1, 1)) == expected


def test_bases_that_are_not_asked_for_cost_nothing_and_change_nothing():
    generator = Generator().manual_seed(0)
    bank = BasisBank(FlowUnet(FlowUnetConfig((8, 16), (1, 1))), {"a": 2, "b": 3}, generator)
    for name, parameter in bank.named_parameters():
        if ".up." in name:
            parameter.data = torch.randn(parameter.shape, generator=generator)
    weights = torch.tensor([0.0, 0.7])
    for layer, delta in bank.deltas(weights).items():
        expected = 0.7 * bank.basis(1)[layer].delta() + 0.0 * bank.basis(0)[layer].delta()
        assert torch.allclose(delta, expected, atol=1e-6)
    assert not bank.deltas(torch.zeros(2))


def test_a_step_in_bf16_moves_nearly_as_one_in_fp32_and_keeps_fp32_weights(photos):
    moved = []
    for precision in ("fp32", "bf16"):
        training = BackboneTraining(replace(TINY, precision=precision), degradations(), photos)
        before = parameters(training)
        training.step(1.0)
        assert all(p.dtype == torch.float32 for p in training.trainable().values())
        moved.append(torch.cat([(p - before[n]).flatten() for n, p in parameters(training).items()]))
    assert torch.cosine_similarity(*moved, dim=0) > 0.9


def test_a_checkpoint_of_another_shape_is_refused(photos, tmp_path):
    training = BackboneTraining(TINY, degradations(), photos)
    training.run(Budget(iterations=1), tmp_path)
    with pytest.raises(TrainingError, match="channels"):
        start_backbone(replace(TINY, channels=(8, 8)), CATALOG, photos, tmp_path, None)


def test_a_checkpoint_of_another_version_is_refused_with_the_way_on(photos, tmp_path):
    BackboneTraining(TINY, degradations(), photos).run(Budget(iterations=1), tmp_path)
    with safe_open(tmp_path / CHECKPOINT, "pt") as file:
        metadata = file.metadata()
        tensors = {n.replace("parameter.stem", "parameter.trunk"): file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
    save_file(tensors, tmp_path / CHECKPOINT, metadata)
    with pytest.raises(TrainingError, match="--from-weights"):
        start_backbone(TINY, CATALOG, photos, tmp_path, None)


def test_a_budget_is_either_minutes_or_iterations():
    with pytest.raises(TrainingError, match="either"):
        Budget()
    with pytest.raises(TrainingError, match="either"):
        Budget(1.0, 1)


@pytest.mark.parametrize(
    ("command", "recipe"), [(backbone, Recipe), (encoder, EncoderRecipe), (basis, BasisRecipe)]
)
def test_the_commands_and_the_recipes_have_the_same_defaults(command, recipe):
    """Commands repeat them so that `--help` need not load torch."""
    told = {name: p.default for name, p in signature(command).parameters.items()}
    hints = get_type_hints(command, include_extras=True)
    shared = [f for f in fields(recipe) if f.default is not MISSING and f.name in told]
    assert len(shared) >= 4
    for f in shared:
        expected = ",".join(map(str, f.default)) if isinstance(f.default, tuple) else f.default
        if told[f.name] is None:  # taken from the saved weights; where there are none the help says what it is
            assert f"as in --from-weights, else {expected}." in hints[f.name].__metadata__[0].help, f.name
        else:
            assert told[f.name] == expected, f.name
