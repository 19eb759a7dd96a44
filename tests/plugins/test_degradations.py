"""Laws that every degradation keeps, first-party or not."""

import pytest
import torch
from torch import Generator

from restorekit.composition import Compose, Step, in_physical_order
from restorekit.errors import PluginError
from restorekit.plugin.catalog import build_catalog, load_plugins

CATALOG = build_catalog(load_plugins())
ALL = [CATALOG.degradations[name] for name in sorted(CATALOG.degradations)]
KINDS = [(d, kind) for d in ALL for kind in d.kinds]
SHAPE = (3, 3, 48, 56)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.fixture
def photo() -> torch.Tensor:
    """Smooth ground with edges, so that every degradation has something to spoil."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 48), torch.linspace(0, 1, 56), indexing="ij")
    waves = torch.stack([(9 * x + 5 * y).sin(), (17 * x * y).cos(), ((x - 0.5) * 40).sign()])
    return (0.5 + 0.35 * waves).expand(3, 3, 48, 56).clone()


def identity(case):
    return getattr(case, "name", case)


@pytest.mark.parametrize(("degradation", "kind"), KINDS, ids=identity)
def test_severity_off_leaves_the_image_alone(degradation, kind, photo):
    drawn = degradation.draw(SHAPE, seeded(), severity=degradation.severity.off, kind=kind)
    if kind == "veil":
        return  # a veil is its own measure: its streaks alone are off
    assert torch.equal(degradation.apply(photo, drawn), photo)


@pytest.mark.parametrize(("degradation", "kind"), KINDS, ids=identity)
def test_every_kind_changes_the_image_at_its_typical_severity(degradation, kind, photo):
    drawn = degradation.draw(SHAPE, seeded(), severity=degradation.severity.typical, kind=kind)
    degraded = degradation.apply(photo, drawn)
    assert degraded.shape == photo.shape
    assert (degraded - photo).abs().mean() > 1e-3


@pytest.mark.parametrize("degradation", ALL, ids=identity)
def test_the_same_seed_gives_the_same_realisation(degradation, photo):
    first, again = (degradation.draw(SHAPE, seeded(5)) for _ in range(2))
    assert torch.equal(degradation.apply(photo, first), degradation.apply(photo, again))
    assert torch.equal(degradation.apply(photo, first), degradation.apply(photo, first))


@pytest.mark.parametrize("degradation", ALL, ids=identity)
def test_images_of_a_batch_are_degraded_apart_from_each_other(degradation, photo):
    drawn = degradation.draw(SHAPE, seeded(1))
    whole = degradation.apply(photo, drawn)
    other = photo.clone()
    other[1:] = 0.2
    assert torch.allclose(degradation.apply(other, drawn)[0], whole[0], atol=1e-6)


@pytest.mark.parametrize("degradation", ALL, ids=identity)
def test_stronger_is_further_from_the_clean_image(degradation, photo):
    scale = degradation.severity
    errors = []
    for fraction in (0.15, 0.5, 0.95):
        drawn = degradation.draw(SHAPE, seeded(2), severity=scale.value(fraction))
        errors.append(float((degradation.apply(photo, drawn) - photo).square().mean()))
    assert errors[0] < errors[1] < errors[2]


@pytest.mark.parametrize("degradation", ALL, ids=identity)
def test_the_severity_scale_inverts(degradation):
    scale = degradation.severity
    for value in (scale.mild, scale.typical, scale.strong):
        assert scale.value(scale.fraction(value)) == pytest.approx(value)
    assert scale.fraction(scale.off) == 0
    assert scale.fraction(scale.strong) == pytest.approx(1)


@pytest.mark.parametrize("degradation", ALL, ids=identity)
def test_an_unknown_kind_is_refused_with_the_kinds_there_are(degradation):
    with pytest.raises(PluginError, match=degradation.kinds[0]):
        degradation.draw(SHAPE, seeded(), kind="no such kind")


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
