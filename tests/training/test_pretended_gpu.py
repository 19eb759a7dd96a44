"""Laws of trainings that ask for values, off the CPU: on a GPU that is pretended."""

from functools import partial

import pytest
import torch
from torch import Generator

from restorekit.plugin.testing.other_device import CUDA
from restorekit.training import engine, running, stepper
from restorekit.training.backbone import JOINT, BackboneTraining
from restorekit.training.budget import Budget
from restorekit.training.encoder import CALIBRATION, RESTORATION
from restorekit.training.engine import Engine
from restorekit.training.frames import framed
from restorekit.training.looks import Looking
from restorekit.training.pairs import PairMaker
from restorekit.training.recipes import BasisRecipe, DetailRecipe, EncoderRecipe
from restorekit.training.start import start_backbone, start_basis, start_encoder, start_on_top
from tests.pretend_cuda import pretend_cuda
from tests.training.recipes import CATALOG, TINY, degradations

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of the GPU that is not there
ON_CUDA = Engine(CUDA, graph=False)
NAMES = ("noise", "blur")


@pytest.fixture
def pretended(monkeypatch):
    """A pretended GPU. Going back starts a thread on the GPU, which only a real one has."""
    monkeypatch.setattr(stepper, "gradients_of", lambda loss, moved: [torch.zeros_like(p) for p in moved])
    monkeypatch.setattr(stepper, "WAITING", 8)
    monkeypatch.setattr(stepper, "PORTIONS", 4)
    monkeypatch.setattr(engine, "FUSED", ())
    with pretend_cuda() as generator:
        monkeypatch.setattr(stepper, "generator_on", lambda device, seed: generator)
        yield generator


def plainly(method):
    """The method outside inference mode, which knows no pretended tensors."""
    return partial(method.__wrapped__, method.__self__)


def test_devices_are_not_mixed_unnoticed_on_a_pretended_gpu(pretended):
    there = torch.arange(4.0, device=CUDA)
    assert (2 * there)[torch.tensor([1, 3])].tolist() == [2.0, 6.0]
    assert there.cpu().device.type == "cpu" and there.add_(1) is there
    with pytest.raises(RuntimeError, match="same device"):
        there + torch.ones(4)


def test_cameras_shoot_on_a_gpu_what_they_shoot_on_the_cpu_but_for_the_noise(pretended):
    both = degradations(("noise", "jpeg"))
    maker = PairMaker(tuple(both), (1.0, 1.0), sets=(("noise+jpeg", 1.0),), shots=1.0)
    clean = torch.rand(5, 3, 32, 32, generator=Generator().manual_seed(1))
    there, here = (
        maker.group(picture, generator, selective=False, choices=Generator().manual_seed(2))
        for picture, generator in ((clean.to(CUDA), pretended), (clean, Generator()))
    )
    assert {there.degraded.device, there.target.device, there.weights.device} == {CUDA}
    assert torch.allclose(there.target.cpu(), here.target, atol=1e-5)


def test_frames_are_laid_on_a_gpu_without_going_back(pretended):
    clean = torch.rand(5, 3, 32, 32, device=CUDA)
    degraded, target = framed(1 - clean, clean, clean, 1.0, pretended)
    assert {degraded.device, target.device} == {CUDA} and bool((degraded == target).cpu().any())


def test_the_encoder_is_trained_validated_and_calibrated_on_a_gpu(photos, weights_folder, tmp_path, pretended):
    recipe = EncoderRecipe(
        names=NAMES, shares=(1, 1), picture=128, crops=1, groups=4, group_size=1, patch=32, kept=6, rehearsed=2,
        precision="fp32",
    )  # fmt: skip
    training = start_encoder(recipe, CATALOG, photos, tmp_path, weights_folder, engine=ON_CUDA)
    for stage in (None, RESTORATION, RESTORATION):
        training.counters.stage = stage or training.counters.stage
        loss = training.step(0.5)
        assert loss.device == CUDA and bool(loss.isfinite())
    assert len(training.memory.pictures) == 6
    assert 0 <= plainly(training.validate)()["mean"] <= 1
    training.counters.stage = CALIBRATION
    assert training.step(0.0) < 100
    training.export(tmp_path / "weights")
    assert (tmp_path / "weights" / "encoder" / "model.safetensors").exists()


def test_a_later_basis_is_validated_and_its_key_fitted_on_a_gpu(photos, weights_folder, tmp_path, pretended):
    recipe = BasisRecipe(names=("noise",), rank=2, patch=32, picture=96, groups=2)
    training = start_basis("noise", recipe, CATALOG, photos, tmp_path, weights_folder, ON_CUDA)
    training.step(0.5)
    here = start_basis("noise", recipe, CATALOG, photos, tmp_path, weights_folder)
    there = plainly(training.validate)()
    for name, score in plainly(here.validate)().items():  # one step at rate zero changed nothing
        assert there[name] == pytest.approx(score, abs=0.2)
    new, *others = training.degradations
    looking = Looking(new, tuple(others), training.encoder)
    looks = plainly(looking.look)(photos.training, 4, Generator().manual_seed(0))
    assert len(looks.queries) == 8 and looks.queries.device.type == "cpu"


def test_the_look_is_validated_on_a_gpu(photos, weights_folder, tmp_path, pretended):
    recipe = DetailRecipe("detail", NAMES, (1, 1), rank=2, patch=32, group_size=2, precision="fp32")
    training = start_on_top(recipe, CATALOG, photos, tmp_path, weights_folder, ON_CUDA)
    training.step(0.5)
    assert plainly(training.validate)()["noise at 0"] > 10
    training.export(tmp_path / "detail")
    assert (tmp_path / "detail" / "adapter_model.safetensors").exists()


@pytest.mark.parametrize("compact", [False, True])
def test_a_training_begun_on_a_gpu_goes_on_on_the_cpu_and_the_other_way_round(
    photos, tmp_path, pretended, monkeypatch, compact
):
    """Rolled back, logged, validated and saved in between."""
    monkeypatch.setattr(BackboneTraining, "validate", BackboneTraining.validate.__wrapped__)
    monkeypatch.setattr(running, "LOG_SECONDS", 0.0)
    engine = Engine(CUDA, graph=False, compact=compact, judge_seconds=0, judge_steps=1)
    there = BackboneTraining(TINY, degradations(), photos, engine)
    error, told = there.error, []
    there.error = lambda *args: error(*args) * (torch.nan if there.counters.iteration == 3 else 1.0)
    there.run(Budget(iterations=8), tmp_path, tell=told.append)
    assert there.counters.stage == JOINT and there.counters.brake <= 0.5
    assert any("not finite" in text for text in told)
    text = (tmp_path / "log.csv").read_text()
    assert "device,cuda:0" in text and "patches/s" in text
    with torch.enable_grad():
        here = start_backbone(TINY, CATALOG, photos, tmp_path, None, Engine(compact=compact))
        assert here.counters.iteration == 8
        for name, value in here.tensors().items():
            if name.startswith("average."):
                assert torch.allclose(value, there.tensors()[name].cpu(), rtol=1e-3, atol=1e-6)
        here.run(Budget(iterations=10), tmp_path)
    again = start_backbone(TINY, CATALOG, photos, tmp_path, None, engine)
    assert {tensor.device for tensor in again.tensors().values() if tensor.ndim} == {CUDA}
    again.run(Budget(iterations=11), tmp_path)
    assert again.counters.iteration == 11
