"""Noise of cameras and film: as strong as it is said to be, correlated, coloured and of a strength by tone."""

import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit_denoise import camera as module
from restorekit_denoise.camera import SETTINGS, Camera, demosaic, inverse_matrix

NOISE = build_catalog(load_plugins()).degradation("noise")
MADE = ("camera", "grain")


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def scenes(count: int = 8, side: int = 64) -> torch.Tensor:
    """Coloured patches with soft edges, from dark to bright; (count, 3, side, side)."""
    coarse = torch.rand((count, 3, 6, 6), generator=seeded(1))
    return F.interpolate(coarse, (side, side), mode="bicubic", align_corners=False).clamp(0, 1)


def cameras(count: int, sigma: float = 0.1, side: int = 64) -> Camera:
    settings = torch.rand((count, SETTINGS), generator=seeded(2))
    return Camera.make(settings, torch.full((count, 1, 1, 1), sigma), side, side)


def deviation(kind: str, image: torch.Tensor, sigma: float, seed: int = 0) -> torch.Tensor:
    return NOISE.apply(image, NOISE.draw(image.shape, seeded(seed), severity=sigma, kind=kind)) - image


def beside(field: torch.Tensor) -> float:
    """Correlation of a field with itself one px to the right."""
    field = field - field.mean((2, 3), keepdim=True)
    return float((field[..., 1:] * field[..., :-1]).mean() / field.square().mean())


@pytest.mark.parametrize("sigma", [2, 10, 25, 60])
@pytest.mark.parametrize("kind", MADE)
def test_the_severity_is_the_root_mean_square_of_what_changed_in_each_picture(kind, sigma):
    changed = deviation(kind, scenes(), sigma).square().mean((1, 2, 3)).sqrt() * 255
    assert torch.allclose(changed, torch.full_like(changed, sigma), rtol=0.04)


@pytest.mark.parametrize("kind", MADE)
def test_neighbours_share_their_noise_as_white_noise_does_not(kind):
    assert beside(deviation(kind, scenes(), 15)) > 0.3
    assert abs(beside(deviation("gaussian", scenes(), 15))) < 0.02


def test_the_noise_of_cameras_is_coloured_and_their_colours_blotchier_than_their_brightness():
    changed = deviation("camera", scenes(24), 15)
    luma = changed.mean(1, keepdim=True)
    colour = changed - luma
    assert float(colour.square().mean()) > 0.2 * float(changed.square().mean())
    assert beside(colour) > beside(luma)


@pytest.mark.parametrize("kind", MADE)
def test_the_same_noise_is_weaker_in_white_than_in_mid_grey(kind):
    ramp = torch.linspace(0, 1, 96).expand(16, 3, 64, 96)
    by_tone = deviation(kind, ramp, 8).square().mean((0, 1, 2))
    assert float(by_tone[-4:].mean()) < 0.5 * float(by_tone[40:56].mean())


@pytest.mark.parametrize("kind", MADE)
def test_a_realisation_goes_on_another_picture_as_nearly_the_same_noise(kind):
    image = scenes()
    rainy = (image + 0.1 * (torch.rand((8, 1, 64, 64), generator=seeded(4)) < 0.1)).clamp(0, 1)
    drawn = NOISE.draw(image.shape, seeded(), severity=15, kind=kind)
    one, other = NOISE.apply(image, drawn) - image, NOISE.apply(rainy, drawn) - rainy
    both = torch.stack([one.flatten(), other.flatten()])
    assert float(torch.corrcoef(both)[0, 1]) > 0.8


@pytest.mark.parametrize("kind", NOISE.kinds[3:])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4), (17, 31)], ids=str)
@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_pictures_of_any_size_and_all_black_or_white_get_finite_noise_within_the_range(kind, size, grey):
    image = torch.full((4, 3, *size), grey)
    noisy = NOISE.apply(image, NOISE.draw(image.shape, seeded(), severity=40, kind=kind))
    assert noisy.shape == image.shape
    assert bool(noisy.isfinite().all())
    if kind in MADE:
        assert float(noisy.min()) >= 0 and float(noisy.max()) <= 1


def test_the_tone_curve_and_its_inverse_undo_each_other():
    camera, values = cameras(32), torch.linspace(0, 1, 101).view(1, 1, 1, -1)
    assert torch.allclose(camera.tone(camera.inverse_tone(values)), values.expand(32, 1, 1, -1), atol=1e-4)
    assert bool((camera.tone(values).diff(dim=-1) > 0).all())


def test_undeveloped_and_developed_again_a_flat_picture_is_itself():
    grey = torch.rand((16, 1, 1, 1), generator=seeded(7)) * 0.7 + torch.zeros(16, 3, 32, 32)
    camera = cameras(16, side=32)
    assert torch.allclose(camera.develop(camera.undevelop(grey)), grey, atol=2e-3)


def test_the_matrix_is_inverted_and_keeps_white_white():
    matrix = cameras(16).matrix
    assert torch.allclose(inverse_matrix(matrix) @ matrix, torch.eye(3).expand(16, 3, 3), atol=1e-5)
    assert torch.allclose(matrix.sum(2), torch.ones(16, 3), atol=1e-5)


def test_raw_noise_has_the_variance_of_photons_and_of_reading_and_is_cut_where_the_sensor_saturates():
    camera = cameras(1, side=256)
    field = torch.randn((1, 1, 256, 256), generator=seeded(8))
    for brightness in (0.0, 0.1, 0.4):
        raw = torch.full((1, 1, 256, 256), brightness)
        found = float((camera.expose(raw, torch.tensor(0.05), field) - raw).var())
        assert found == pytest.approx(0.05**2 * (brightness + float(camera.floor)), rel=0.05)
    assert float(camera.expose(torch.ones(1, 1, 256, 256), torch.tensor(0.5), field).max()) == 1


def test_demosaicking_gives_flat_colours_exactly_and_edges_better_along_them():
    camera, side = cameras(4), 64
    flat = torch.rand((4, 3, 1, 1), generator=seeded(9)).expand(4, 3, side, side)
    edge = torch.where(torch.arange(side) < side // 2, 0.2, 0.8).expand(4, 3, side, side)
    errors = []
    for directed in (False, True):
        way = torch.full((4, 1, 1, 1), directed)
        for picture in (flat, edge):
            found = demosaic((picture * camera.mask).sum(1, keepdim=True), camera.mask, way)
            errors.append(float((found - picture)[..., 4:-4, 4:-4].abs().mean()))
    assert errors[0] < 1e-6 and errors[2] < 1e-6
    assert errors[3] < 0.2 * errors[1]


def test_a_mosaic_has_twice_as_much_green_and_every_pixel_one_colour():
    mask = cameras(16).mask
    assert torch.equal(mask.sum(1), torch.ones(16, 64, 64))
    assert torch.equal(mask.mean((0, 2, 3)), torch.tensor([0.25, 0.5, 0.25]))
    assert len({tuple(m[:, :2, :2].flatten().tolist()) for m in mask}) == 4  # all four places of the grid


def test_a_camera_uses_each_of_its_settings():
    settings = torch.rand((1, SETTINGS), generator=seeded(10))
    image, sigma = scenes(1), torch.full((1, 1, 1, 1), 0.06)
    field = torch.randn((1, 3, 64, 64), generator=seeded(11))
    settings[:, [13, 15, 17, 19, 21]] = 0.1  # what comes in a share of the cameras is there
    plain = module.camera_noise(image, sigma, field, settings)
    for i in range(SETTINGS):
        other = settings.clone()
        other[:, i] = (other[:, i] + 0.5) % 1
        assert not torch.equal(module.camera_noise(image, sigma, field, other), plain), i
