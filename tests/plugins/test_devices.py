"""Degradations on any device: drawn and applied where the generator is; on the CPU as they have always been."""

import pytest
import torch
from torch import Generator

from restorekit import composition
from restorekit.composition import Compose
from restorekit.degradation import Degradation, Realisation, Severity
from restorekit.errors import PluginError
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.plugin.testing.other_device import CUDA, fake_cuda
from restorekit.training.pairs import PairMaker

CATALOG = build_catalog(load_plugins())
ALL = [CATALOG.degradations[name] for name in sorted(CATALOG.degradations)]
KINDS = [(d, kind) for d in ALL for kind in (None, *d.kinds)]
SHAPE = (3, 3, 48, 56)
REAL = ["cpu"] + ["cuda"] * torch.cuda.is_available()


def identity(case):
    return getattr(case, "name", str(case))


@pytest.mark.parametrize("device", REAL)
@pytest.mark.parametrize(("degradation", "kind"), KINDS, ids=identity)
def test_the_same_seed_on_the_same_device_gives_the_same_picture(degradation, kind, device):
    image = torch.rand(SHAPE, generator=Generator().manual_seed(1)).to(device)
    first, again = (degradation.draw(SHAPE, Generator(device).manual_seed(5), kind=kind) for _ in range(2))
    assert torch.equal(degradation.apply(image, first), degradation.apply(image, again))


def test_motion_kernels_are_the_same_whether_points_are_scattered_or_summed_in_order():
    from restorekit_deblur.motion import spread_points, spread_points_in_order

    paths = torch.rand((4, 128, 2), generator=Generator().manual_seed(0)) * 31.9
    assert torch.allclose(spread_points(paths), spread_points_in_order(paths), atol=1e-4)


class Old(Degradation):
    """Written for the CPU: its tensors name no device."""

    name = "old"
    severity = Severity(symbol="x", unit="", off=0, mild=1, strong=9, typical=4)
    kinds = ("plain",)
    order = 40

    def draw(self, shape, generator, *, severity=None, kind=None):
        strength = (
            9 * torch.rand(shape[0], generator=generator) if severity is None else torch.full((3,), severity)
        )
        return Realisation(strength, {"field": torch.randn(shape, generator=generator)})

    def apply(self, image, realisation):
        return image + realisation["field"].to(image)


class OldThatSaysSo(Old):
    draws_on_cpu = True


def test_a_degradation_that_says_that_it_draws_on_the_cpu_is_moved_to_the_device(monkeypatch):
    monkeypatch.setattr(composition, "seed_from", lambda generator: 7)  # whose value a fake device has not
    with fake_cuda() as generator:
        drawn = Compose.draw([OldThatSaysSo()], SHAPE, generator).steps[0].realisation
        assert {part.device for part in (drawn.severity, *drawn.parts.values())} == {CUDA}


def test_seeds_for_another_generator_repeat_with_the_seed_and_differ_from_draw_to_draw():
    first, again = (Generator().manual_seed(3) for _ in range(2))
    seeds = [composition.seed_from(first) for _ in range(3)]
    assert seeds == [composition.seed_from(again) for _ in range(3)]
    assert len(set(seeds)) == 3


def test_a_degradation_that_draws_on_the_cpu_without_saying_so_is_refused_with_the_remedy():
    with fake_cuda() as generator, pytest.raises(PluginError, match="set draws_on_cpu = True in Old"):
        Compose.draw([Old()], SHAPE, generator)


def test_the_word_of_torch_about_a_generator_on_another_device_becomes_the_remedy(monkeypatch):
    def refused(*args, **kwargs):
        raise RuntimeError("Expected a 'cpu' device type for generator but found 'cuda'")

    monkeypatch.setattr(Old, "draw", refused)
    with fake_cuda() as generator, pytest.raises(PluginError, match="set draws_on_cpu = True in Old"):
        Compose.draw([Old()], SHAPE, generator)


def test_pairs_are_made_on_the_device_while_the_choices_are_made_on_the_cpu():
    maker = PairMaker(tuple(ALL), (1.0,) * len(ALL))
    choices, sizes = Generator().manual_seed(5), set()  # by which groups of all sizes come early
    with fake_cuda() as generator:
        clean = torch.rand(SHAPE, device=CUDA)
        for _ in range(40):
            group = maker.group(clean, generator, selective=True, choices=choices)
            tensors = (group.degraded, group.target, group.weights, *group.present.values())
            assert {tensor.device for tensor in tensors} == {CUDA}
            sizes.add(len(group.present))
            if {0, 1, 2, 3} <= sizes:
                return
    raise AssertionError(f"only groups of {sizes}")


def test_choices_are_the_same_whatever_the_other_generator_draws():
    maker = PairMaker(tuple(ALL), (1.0,) * len(ALL))
    clean = torch.rand((1, 3, 32, 32), generator=Generator().manual_seed(0))
    for seed in range(10):
        one, other = (
            maker.group(clean, Generator().manual_seed(s), selective=True, choices=Generator().manual_seed(seed))
            for s in (100, 200)
        )
        assert set(one.present) == set(other.present)
        assert torch.equal(one.weights, other.weights)
