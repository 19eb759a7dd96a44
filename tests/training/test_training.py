"""Laws of every training: rates, precision, checkpoints, budgets."""

from dataclasses import MISSING, fields, replace
from inspect import signature
from typing import get_type_hints

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Generator

from restorekit.cli.options import RunOptions
from restorekit.cli.train import backbone, basis, detail, encoder
from restorekit.cli.values import among
from restorekit.errors import TrainingError
from restorekit.training.backbone import BackboneTraining
from restorekit.training.budget import Budget
from restorekit.training.calibration import MOVED
from restorekit.training.checkpoint import CHECKPOINT
from restorekit.training.muon import orthogonalise
from restorekit.training.parallel import gradients_of
from restorekit.training.rates import learning_rate_factor
from restorekit.training.recipes import BackboneRecipe, BasisRecipe, DetailRecipe, EncoderRecipe
from restorekit.training.runs import Settings
from restorekit.training.start import start_backbone
from tests.training.recipes import CATALOG, TINY, degradations, parameters


def test_orthogonalising_brings_singular_values_near_one():
    for shape in [(2, 16, 40), (3, 40, 16)]:
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape, generator=Generator().manual_seed(0))))
        assert float(values.min()) > 0.5 and float(values.max()) < 1.3


def test_the_learning_rate_rises_stays_and_falls():
    assert learning_rate_factor(0, 0.0, 0.25) == pytest.approx(1 / 200)
    assert learning_rate_factor(500, 0.5, 0.25) == 1
    assert learning_rate_factor(500, 0.875, 0.25) == pytest.approx(0.5)


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


def test_a_step_in_bf16_moves_nearly_as_one_in_fp32_and_keeps_fp32_weights(photos):
    moved = []
    for precision in ("fp32", "bf16"):
        training = BackboneTraining(replace(TINY, precision=precision), degradations(), photos)
        before = parameters(training)
        training.step(1.0)
        assert all(p.dtype == torch.float32 for p in training.trainable().values())
        moved.append(torch.cat([(p - before[n]).flatten() for n, p in parameters(training).items()]))
    assert torch.cosine_similarity(*moved, dim=0) > 0.9


def test_a_step_goes_against_the_gradient_also_where_a_convolution_has_its_channels_last():
    convolution = torch.nn.Conv2d(8, 6, 3)
    parameters = list(convolution.parameters())
    image = torch.rand(2, 8, 12, 12, generator=Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    gradients = gradients_of(convolution(image).square().mean(), parameters)
    before = [p.detach().clone() for p in parameters]
    for p, gradient in zip(parameters, gradients, strict=True):
        p.grad = gradient
    torch.optim.AdamW(parameters, 1e-3, weight_decay=0.0, fused=True).step()
    for p, old, gradient in zip(parameters, before, gradients, strict=True):
        assert torch.equal((p.detach() - old).sign(), -gradient.sign())


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
    ("command", "recipe"),
    [(backbone, BackboneRecipe), (encoder, EncoderRecipe), (basis, BasisRecipe), (detail, DetailRecipe)],
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


def test_the_options_of_every_training_are_those_of_a_run_as_a_file():
    settings = {field.name: field.default for field in fields(Settings)}
    options = {field.name: field.default for field in fields(RunOptions)}
    assert options.items() <= settings.items()
    own = {
        "training",
        "photos",
        "pairs",
        "model",
        "weights",
        "from_weights",
    }  # options of some commands, or arguments
    assert set(settings) - set(options) == own
    for command in (backbone, encoder, basis, detail):
        told = signature(command).parameters
        assert {name: told[name].default for name in options} == options


def test_an_unknown_number_of_the_keys_is_refused_with_those_there_are():
    assert among(MOVED, "shift,second", "--calibrate") == ("shift", "second")
    with pytest.raises(TrainingError, match=r"--calibrate names slope; .*steepness"):
        among(MOVED, "slope", "--calibrate")
