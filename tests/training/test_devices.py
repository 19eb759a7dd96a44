"""Laws of trainings off the CPU: a dry run of steps on a GPU that is not there, and the same steps for real."""

import copy
import itertools
from dataclasses import replace

import pytest
import torch
from torch import Generator
from torch.func import functional_call

from restorekit.model.backbone.flow_unet import FlowUnet, FlowUnetConfig
from restorekit.model.backbone.flow_unet_groups import FlowUnetGroups
from restorekit.model.context import CONTEXT
from restorekit.plugin.testing.other_device import CUDA, fake_cuda
from restorekit.training import engine, stepper
from restorekit.training.backbone import BackboneTraining
from restorekit.training.bank import BasisBank
from restorekit.training.engine import CPU, Engine
from restorekit.training.flat import FlatPhotos
from restorekit.training.pairs import PairMaker
from restorekit.training.parallel import gradients_of
from restorekit.training.photos import cut_out, random_patches
from restorekit.training.recipes import BasisRecipe, DetailRecipe, LookRecipe
from restorekit.training.start import start_basis, start_on_top
from tests.training.recipes import CATALOG, TINY, degradations

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of the GPU that is not there
ON_CUDA = Engine(CUDA, graph=False)


def check_steps(training):
    assert {tensor.device for tensor in training.tensors().values() if tensor.ndim} == {CUDA}
    for _ in range(2):
        loss = training.step(0.5)
        training.counters.advance(0.0)
        assert (loss.device, loss.shape) == (CUDA, ())
    assert {tensor.device for tensor in training.tensors().values()} == {CUDA}
    assert all(p.grad is not None and p.grad.device == CUDA for p in training.trainable().values())


@pytest.fixture
def dry(monkeypatch):
    """A GPU that is not there, and a pool that is soon full. Going back starts a thread on the GPU, which only a
    real one has: see the law of the same gradients below."""
    monkeypatch.setattr(
        stepper, "gradients_of", lambda loss, parameters: [torch.zeros_like(p) for p in parameters]
    )
    monkeypatch.setattr(stepper, "WAITING", 8)
    monkeypatch.setattr(engine, "FUSED", ())  # there is no dry run of that operation
    with fake_cuda() as generator:
        monkeypatch.setattr(stepper, "generator_on", lambda device, seed: generator)
        yield generator


@pytest.mark.parametrize(("optimiser", "warm_up"), [("adamw", 0.0), ("muon", 1.0)])
def test_a_step_of_the_backbone_runs_on_a_gpu_and_asks_no_value_back(photos, dry, warm_up, optimiser):
    recipe = replace(TINY, warm_up=warm_up, optimiser=optimiser, precision="bf16")
    check_steps(BackboneTraining(recipe, degradations(), photos, ON_CUDA))


def test_a_step_of_a_later_basis_runs_on_a_gpu_and_asks_no_value_back(photos, weights_folder, tmp_path, dry):
    recipe = BasisRecipe(names=("noise",), rank=2, patch=32, picture=96, groups=2, apart=True)
    check_steps(start_basis("noise", recipe, CATALOG, photos, tmp_path, weights_folder, ON_CUDA))


@pytest.mark.parametrize("kind", [DetailRecipe, LookRecipe])
def test_a_step_of_the_look_runs_on_a_gpu_and_asks_no_value_back(photos, weights_folder, tmp_path, dry, kind):
    recipe = kind("finish", ("noise", "blur"), (1, 1), rank=2, patch=32, group_size=2, precision="bf16")
    check_steps(start_on_top(recipe, CATALOG, photos, tmp_path, weights_folder, ON_CUDA))


def stacked_and_apart(training):
    """Loss and gradients of three parts, in the form for a GPU and one part after the other; on the CPU."""
    parameters = list(training.trainable().values())
    parts = [training.draw(Generator().manual_seed(seed)) for seed in range(3)]
    whole = training.loss_of(*training.inputs(parts, Generator().manual_seed(0)))
    apart = torch.stack([training.loss(part, Generator().manual_seed(0)) for part in parts]).mean()
    return [(loss.detach(), gradients_of(loss, parameters)) for loss in (whole, apart)]


def check_same(results):
    (loss, gradients), (expected, wanted) = results
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    assert any(gradient is not None for gradient in wanted)
    for gradient, other in zip(gradients, wanted, strict=True):
        none = torch.zeros(())
        size = 1e-4 if other is None else 1e-4 * float(other.abs().max())
        assert torch.allclose(gradient, none if other is None else other, atol=max(size, 1e-7))


@pytest.mark.parametrize("warm_up", [0.0, 1.0])
def test_the_form_for_a_gpu_has_the_same_loss_and_gradients_for_the_backbone(photos, warm_up):
    training = BackboneTraining(replace(TINY, warm_up=warm_up, path_share=0.0), degradations(), photos)
    for name, parameter in training.trainable().items():
        if ".up." in name:
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=Generator().manual_seed(1))
    check_same(stacked_and_apart(training))


@pytest.mark.parametrize("apart", [False, True])
def test_the_form_for_a_gpu_has_the_same_loss_and_gradients_for_a_later_basis(
    photos, weights_folder, tmp_path, apart
):
    recipe = BasisRecipe(("noise",), rank=2, patch=32, picture=96, groups=2, precision="fp32", apart=apart)
    training = start_basis("noise", recipe, CATALOG, photos, tmp_path, weights_folder)
    check_same(stacked_and_apart(training))


def test_the_form_for_a_gpu_has_the_same_loss_and_gradients_for_natural_sharpness(
    photos, weights_folder, tmp_path
):
    recipe = DetailRecipe("detail", ("noise", "blur"), (1, 1), rank=2, patch=32, group_size=2, precision="fp32")
    check_same(stacked_and_apart(start_on_top(recipe, CATALOG, photos, tmp_path, weights_folder)))


def test_the_form_for_a_gpu_has_the_same_loss_and_gradients_for_the_look(
    photos, weights_folder, tmp_path, monkeypatch
):
    recipe = LookRecipe("look", ("noise", "blur"), (1, 1), rank=2, patch=32, group_size=2, precision="fp32")
    training = start_on_top(recipe, CATALOG, photos, tmp_path, weights_folder)
    one = training.noise(
        (2, 3, 32, 32), Generator().manual_seed(0)
    )  # drawn for all parts at once, or part by part
    monkeypatch.setattr(
        training, "noise", lambda shape, _: [torch.cat([drawn] * (shape[0] // 2)) for drawn in one]
    )
    check_same(stacked_and_apart(training))


def test_a_step_in_the_form_for_a_gpu_moves_parameters_and_averages_as_the_threads_do(photos, monkeypatch):
    parts = [BackboneTraining(TINY, degradations(), photos).draw(Generator().manual_seed(s)) for s in range(2)]
    moved = []
    for way in ("parallel", "stepper"):
        training = BackboneTraining(replace(TINY, path_share=0.0), degradations(), photos)
        given = iter(parts)
        monkeypatch.setattr(training, "draw", lambda *args, given=given: next(given))
        monkeypatch.setattr(training.stepper, "parts", lambda: parts)
        before = {n: t.clone() for n, t in training.tensors().items()}
        getattr(training, way).step(1.0)
        after = training.tensors()
        moved.append([torch.cat([(after[n] - t).flatten() for n, t in before.items() if n.startswith(kind)])
                      for kind in ("parameter", "average")])  # fmt: skip
    for threads, device in zip(*moved, strict=True):
        assert threads.any() and torch.cosine_similarity(threads, device, dim=0) > 0.999
        assert float(device.norm() / threads.norm()) == pytest.approx(1, abs=0.01)


def test_bases_side_by_side_make_the_same_mixture_as_those_that_take_part():
    generator = Generator().manual_seed(0)
    backbone = FlowUnet(FlowUnetConfig((8, 16), (1, 1)))
    bank = BasisBank(backbone, {"a": 2, "b": 3, "c": 1}, generator)
    for name, parameter in bank.named_parameters():
        if ".up." in name:
            parameter.data = torch.randn(parameter.shape, generator=generator)
    weights = torch.tensor([0.4, 0.0, 1.0])
    merged = bank.merged(backbone, weights)
    one, others = (BasisBank(backbone, ranks, generator) for ranks in ({"a": 2}, {"b": 3, "c": 1}))
    one.bases["a"], others.bases["b"], others.bases["c"] = bank.lora(0), bank.lora(1), bank.lora(2)
    for stacked in (bank.stacked(), one.stacked().beside(others.stacked())):
        same = stacked.merged(backbone, weights)
        assert same.keys() == merged.keys()
        assert all(torch.allclose(same[name], merged[name], atol=1e-5) for name in merged)
        others_too = torch.tensor([[0.4, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.7, 0.2]])
        each = stacked.merged_each(backbone, others_too)
        for i, row in enumerate(others_too):
            alone = stacked.merged(backbone, row)
            assert all(torch.allclose(each[name][i], alone[name], atol=1e-5) for name in alone)


def test_patches_from_one_flat_buffer_are_those_cut_from_the_photographs():
    photos = [
        torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=Generator().manual_seed(i))
        for i, size in enumerate([(40, 33), (32, 64), (57, 41)])
    ]
    chosen, turns = (torch.arange(64) % 3, torch.arange(64) // 3 % 8)
    places = torch.rand(64, 2, generator=Generator().manual_seed(9))
    places[:2] = torch.tensor([[0.0, 0.0], [1 - 2**-24, 1 - 2**-24]])
    cut = cut_out(photos, chosen, places, turns, 32)
    assert torch.equal(FlatPhotos.of(photos, CPU).crops(chosen, places, turns, 32), cut)
    assert len({patch.numpy().tobytes() for patch in cut}) > 40
    drawn = [random_patches(p, 9, 32, Generator().manual_seed(4)) for p in (photos, FlatPhotos.of(photos, CPU))]
    assert torch.equal(*drawn)


def test_every_part_drawn_ahead_is_taken_once_and_a_step_sees_several_draws():
    numbers = itertools.count()

    class Part:
        def __init__(self, number, place):
            self.number, self.place = number, place

        def split(self, size):
            return [Part(self.number, i) for i in range(self.place // size)]

    pool = stepper.Pool(lambda count: Part(next(numbers), count), 4, waiting=5 * stepper.PORTIONS)
    choices = Generator().manual_seed(0)
    steps = [pool.take(5, choices) for _ in range(30)]
    taken = [(part.number, part.place) for parts in steps for part in parts]
    assert len(taken) == len(set(taken)) == 150
    assert sum(len({part.number for part in parts}) for parts in steps) / len(steps) > 3


def test_a_group_split_keeps_its_patches_weights_and_severities():
    pairs = PairMaker(tuple(degradations()), (1, 1, 1), sizes=(0.0, 1.0))
    group = pairs.group(torch.rand(6, 3, 16, 16), Generator().manual_seed(0), selective=False)
    parts = group.split(2)
    assert torch.equal(torch.cat([part.degraded for part in parts]), group.degraded)
    assert torch.equal(torch.cat([part.target for part in parts]), group.target)
    assert all(part.mixture == group.mixture == tuple(part.weights.tolist()) for part in parts)
    (name,) = group.present
    assert torch.equal(torch.cat([part.present[name] for part in parts]), group.present[name])


def test_a_step_is_recorded_once_and_replayed_with_new_data_until_the_stage_changes(photos, dry, monkeypatch):
    replayed = []

    class Recorded:
        def __init__(self, function, inputs, draw):
            self.function, self.draw = function, draw

        def __call__(self):
            replayed.append(self.draw())
            return self.function(*replayed[-1])

    monkeypatch.setattr(stepper, "Recorded", Recorded)
    training = BackboneTraining(TINY, degradations(), photos, Engine(CUDA))
    for _ in range(stepper.EAGER + 2):
        training.step(0.5)
    first, second = replayed
    assert all(a is not b and a.shape == b.shape for a, b in zip(first, second, strict=True))
    training.start_joint()
    assert training.stepper.recorded is None and not training.stepper.pool.parts
    training.step(0.5)
    assert training.stepper.recorded is None


def test_a_step_that_cannot_be_recorded_is_run_as_it_is_and_said_once(photos, dry, monkeypatch):
    def fail(function, inputs, draw):
        raise RuntimeError("not while capturing\nmore")

    told = []
    monkeypatch.setattr(stepper, "Recorded", fail)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    training = BackboneTraining(TINY, degradations(), photos, Engine(CUDA))
    training.note = lambda name, text: told.append((name, text))
    for _ in range(stepper.EAGER + 3):
        assert training.step(0.5).device == CUDA
    assert told == [("graph", "steps are not recorded: not while capturing")]


def test_mixtures_side_by_side_predict_what_each_does_alone():
    generator = Generator().manual_seed(3)
    backbone = FlowUnet(FlowUnetConfig((8, 16, 24), (2, 1, 1)), generator)
    for parameter in backbone.parameters():
        parameter.data = parameter + 0.05 * torch.randn(parameter.shape, generator=generator)
    bank = BasisBank(backbone, {"a": 2, "b": 3}, generator, inlet=True)
    for parameter in bank.parameters():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    weights = torch.tensor([[1.0, 0.0], [0.3, 0.8], [0.0, 0.0]])
    x_t, degraded = torch.rand(2, 3, 2, 3, 16, 24, generator=generator)
    t, context = torch.rand(3, 2, generator=generator), torch.rand(3, 2, CONTEXT, generator=generator)
    for network in (backbone, copy.deepcopy(backbone).to(memory_format=torch.channels_last)):
        merged = bank.stacked().merged_each(network, weights)
        whole = FlowUnetGroups(network, merged, 3)(x_t, t, degraded, context)
        for i, row in enumerate(weights):
            tensors = bank.merged(network, row)
            alone = functional_call(network, tensors, (x_t[i], t[i], degraded[i], context[i]))
            assert torch.allclose(whole[i], alone, atol=1e-5)
    assert (whole - degraded).abs().amax((1, 2, 3, 4)).min() > 1e-3
