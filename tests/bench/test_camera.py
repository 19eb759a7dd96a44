"""Laws of the protocols that make their own clean pictures: photographed at a high ISO, or resized."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from restorekit.bench.camera import CURVES, bayer, demosaic, inverse, photograph
from restorekit.bench.datasets import data_roots, load_datasets, locate
from restorekit.bench.items import as_file, make_item
from restorekit.bench.protocol_files import CAMERA_CURVES, load_protocols
from restorekit.image import write_image
from restorekit.plugin.catalog import build_catalog, load_plugins


def scene(height: int = 48, width: int = 60) -> torch.Tensor:
    """A smooth picture with all tones."""
    rows, columns = torch.linspace(0, 3, height)[:, None], torch.linspace(0, 4, width)
    return torch.stack([(rows + k * columns).sin() / 2 + 0.5 for k in (0.7, 1.0, 1.3)])[None]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("curve", CURVES)
def test_a_tone_curve_rises_from_black_to_white_and_is_undone(curve):
    light = torch.linspace(0, 1, 1001, dtype=torch.float64)
    shown = CURVES[curve](light)
    assert float(shown[0].abs()) < 1e-9 and abs(float(shown[-1]) - 1) < 1e-9
    assert bool((shown.diff() > 0).all())
    assert torch.allclose(CURVES[curve](inverse(CURVES[curve], light)), light, atol=1e-5)


@pytest.mark.parametrize("curve", CURVES)
def test_no_tone_curve_is_one_that_training_draws(curve):
    """Training draws a power of 1.8 to 2.6 with a toe, then a sigmoid: none of them comes near."""
    light = torch.linspace(0, 1, 1001, dtype=torch.float64) ** 2
    shown = CURVES[curve](light)

    def drawn(gamma: float, toe: float, contrast: float, pivot: float) -> torch.Tensor:
        low, high = toe ** (1 / gamma), (1 + toe) ** (1 / gamma)
        bright = ((light + toe) ** (1 / gamma) - low) / (high - low)
        ends = torch.tensor([-contrast * pivot, contrast * (1 - pivot)]).sigmoid()
        return ((contrast * (bright - pivot)).sigmoid() - ends[0]) / (ends[1] - ends[0])

    settings = torch.rand(500, 4, generator=seeded()).tolist()
    nearest = min(
        float((drawn(1.8 + 0.8 * g, 10 ** (-3.5 + 1.5 * t), 0.5 + 6.5 * c, 0.3 + 0.25 * p) - shown).abs().max())
        for g, t, c, p in settings
    )
    assert nearest > 4 / 255


def test_demosaicking_keeps_flat_colours_and_slopes():
    rows, columns = torch.arange(12.0)[:, None], torch.arange(14.0)
    slope = torch.stack([0.1 + 0.01 * rows + 0 * columns, 0.02 * columns + 0 * rows, 0.01 * (rows + columns)])
    mask = bayer(12, 14)
    found = demosaic((slope.double() * mask).sum(1, keepdim=True), mask)
    assert torch.allclose(found[..., 2:-2, 2:-2], slope[None].double()[..., 2:-2, 2:-2], atol=1e-12)


def test_a_seed_repeats_the_shot_and_another_seed_does_not():
    clean, noisy = photograph(scene(), "filmic", seeded(1))
    again = photograph(scene(), "filmic", seeded(1))
    assert torch.equal(clean, again[0]) and torch.equal(noisy, again[1])
    assert not torch.equal(noisy, photograph(scene(), "filmic", seeded(2))[1])


@pytest.mark.parametrize("curve", CURVES)
def test_the_noise_is_nearly_without_bias_in_the_middle_tones_and_correlated(curve):
    clean, noisy = photograph(torch.full((1, 3, 128, 128), 0.5), curve, seeded())
    noise = noisy - clean
    assert float(noise.mean().abs()) < 2 / 255 < float(noise.std())
    beside = float((noise[..., 1:] * noise[..., :-1]).mean() / noise.square().mean())
    assert beside > 0.15  # what a demosaicking leaves; white noise has 0


def test_the_clean_shot_is_the_scene_as_the_camera_sees_it():
    clean, _ = photograph(scene(), "reinhard", seeded())
    assert float((clean - scene()).abs().mean()) < 2 / 255


def test_a_protocol_may_name_exactly_the_curves_that_there_are():
    assert set(CAMERA_CURVES) == set(CURVES)


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, ...]:
    """Three small smooth pictures, as LIVE1 and as CBSD68."""
    monkeypatch.delenv("RESTOREKIT_DATA", raising=False)
    for folder in ("LIVE1", "CBSD68"):
        (tmp_path / folder).mkdir()
        for i in range(3):
            write_image(tmp_path / folder / f"picture{i}.png", scene(96, 120 + 8 * i))
    return data_roots(tmp_path)


def made(name: str, roots: tuple[Path, ...], index: int = 0):
    protocol = load_protocols().select([name])[0]
    located = locate(load_datasets()[protocol.dataset], roots)
    assert located is not None
    return make_item(protocol, located, index, build_catalog(load_plugins()), roots)


def test_the_protocol_camera_has_noise_of_the_asked_size_and_repeats(sets):
    for index in range(3):
        item, again = made("camera", sets, index), made("camera", sets, index)
        assert item.degraded.shape == item.clean.shape == (1, 3, 48, 60 + 4 * index)
        assert torch.equal(item.degraded, again.degraded) and torch.equal(item.clean, again.clean)
        assert torch.equal(item.degraded, as_file(item.degraded)) and torch.equal(item.clean, as_file(item.clean))
        assert 24 < -10 * float((item.degraded - item.clean).square().mean().log10()) < 38


def test_the_protocol_soft_wants_the_enlarged_picture_back(sets):
    item = made("soft", sets)
    assert item.degraded.shape == (1, 3, 144, 180)
    assert torch.equal(item.degraded, item.clean)
    assert not item.protocol.present
