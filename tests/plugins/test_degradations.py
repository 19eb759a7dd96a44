"""Laws that every degradation keeps, and those of the first-party ones by themselves."""

import pytest
import torch
from torch import Generator

from restorekit.composition import Compose, Step, in_physical_order
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.plugin.testing import check_degradation
from restorekit.plugin.testing.pictures import waves

CATALOG = build_catalog(load_plugins())
ALL = [CATALOG.degradations[name] for name in sorted(CATALOG.degradations)]
SHAPE = (3, 3, 48, 56)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.fixture
def photo() -> torch.Tensor:
    return waves(*SHAPE[::2], SHAPE[3])


def identity(case):
    return getattr(case, "name", case)


@pytest.mark.parametrize("degradation", ALL, ids=identity)
def test_a_degradation_keeps_the_laws(degradation):
    check_degradation(degradation).require()


def test_noise_has_the_standard_deviation_it_is_named_by():
    noise = CATALOG.degradation("noise")
    grey = torch.full((2, 3, 96, 96), 0.5)
    for kind in noise.kinds:
        drawn = noise.draw(grey.shape, seeded(), severity=25, kind=kind)
        assert float((noise.apply(grey, drawn) - grey).std() * 255) == pytest.approx(25, rel=0.06)


def test_blur_kernels_have_the_deviation_they_are_named_by():
    blur = CATALOG.degradation("blur")
    axis = torch.arange(33.0) - 16
    for kind in blur.kinds:
        kernels = blur.draw((8, 3, 64, 64), seeded(), severity=2.0, kind=kind)["kernel"]
        rows, columns = kernels.sum(2), kernels.sum(1)
        variance = sum((p * axis**2).sum(1) - (p * axis).sum(1) ** 2 for p in (rows, columns)) / 2
        assert torch.allclose(kernels.sum((1, 2)), torch.ones(8), atol=1e-5)
        assert float(variance.sqrt().mean()) == pytest.approx(2.0, rel=0.12), kind


def test_rain_has_the_strength_it_is_named_by(photo):
    rain = CATALOG.degradation("rain")
    dark = torch.full((4, 3, 96, 96), 0.1)
    drawn = rain.draw(dark.shape, seeded(), severity=18)
    error = (rain.apply(dark, drawn) - dark).square().mean((1, 2, 3)).sqrt() * 255
    assert float(error.mean()) == pytest.approx(18, rel=0.15)


def test_one_degradation_is_taken_out_and_the_others_stay_the_same_realisation(photo):
    drawn = Compose.draw(ALL, SHAPE, seeded(3))
    names = [s.degradation.name for s in drawn.steps]
    without = drawn.without(["rain"])
    assert [s.degradation.name for s in without.steps] == [n for n in names if n != "rain"]
    kept = {s.degradation.name: s.realisation for s in drawn.steps}
    assert all(step.realisation is kept[step.degradation.name] for step in without.steps)


def test_each_taken_out_at_once_is_each_taken_out_by_itself(photo):
    drawn = Compose.draw(ALL, SHAPE, seeded(3))
    degraded, without = drawn.apply_without_each(photo)
    assert torch.equal(degraded, drawn.apply(photo))
    assert list(without) == [s.degradation.name for s in drawn.steps]
    for name, picture in without.items():
        assert torch.equal(picture, drawn.without([name]).apply(photo))


def test_degradations_happen_in_physical_order(photo):
    names = [d.name for d in in_physical_order(ALL)]
    assert names == ["rain", "blur", "lowres", "noise", "jpeg"]
    drawn = {d.name: Step(d, d.draw(SHAPE, seeded(4), severity=d.severity.typical)) for d in ALL}
    by_hand = photo
    for name in names:
        by_hand = drawn[name].degradation.apply(by_hand, drawn[name].realisation)
    assert torch.equal(Compose(tuple(drawn[n] for n in names)).apply(photo), by_hand)
