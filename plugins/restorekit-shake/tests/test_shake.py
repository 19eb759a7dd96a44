"""The laws of a plugin's package, for the shake of a hand, and of what undoes it."""

import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from restorekit.plugin.testing import check_basis, check_degradation
from restorekit_deblur.motion import motion_kernels
from restorekit_shake import register_bases, undo
from restorekit_shake.kernel import KERNEL, estimated, fast_size, spectrum_of, wrapped
from restorekit_shake.shake import Shake


def quiet(done: int, total: int) -> None:
    pass


def scene(height: int = 260, width: int = 300, seed: int = 0) -> torch.Tensor:
    """Flat boxes before one another, (1, 3, H, W)."""
    generator = Generator().manual_seed(seed)
    picture = torch.full((1, 3, height, width), 0.5)
    for _ in range(60):
        top, left = (int(torch.randint(-20, n, (1,), generator=generator)) for n in (height, width))
        high, wide = torch.randint(12, 90, (2,), generator=generator).tolist()
        colour = 0.1 + 0.8 * torch.rand(1, 3, 1, 1, generator=generator)
        picture[..., max(0, top) : top + high, max(0, left) : left + wide] = colour
    return picture


def shaken(clean: torch.Tensor, sigma: float, seed: int = 1) -> torch.Tensor:
    """Under a shake and a little noise, as a file."""
    generator = Generator().manual_seed(seed)
    picture = Shake().apply(clean, Shake().draw(clean.shape, generator, severity=sigma))
    picture = picture + torch.randn(clean.shape, generator=generator) / 255
    return (picture.clamp(0, 1) * 255).round() / 255


def decibels(clean: torch.Tensor, picture: torch.Tensor) -> float:
    """PSNR of the middles at the best shift."""
    reach, (height, width) = 24, clean.shape[2:]
    core = picture[..., reach:-reach, reach:-reach]
    errors = [
        (clean[..., reach + y : height - reach + y, reach + x : width - reach + x] - core).square().mean()
        for y in range(-4, 5)
        for x in range(-4, 5)
    ]
    return float(-10 * torch.stack(errors).min().log10())


def test_shake_keeps_the_laws_of_degradations():
    check_degradation(Shake()).require()


def test_its_basis_keeps_the_laws_of_bases():
    for basis in register_bases():
        check_basis(basis, degradation=Shake()).require()


@pytest.mark.parametrize("sigma", [2.0, 4.0])
def test_a_shake_is_undone_as_far_as_its_path_is_found(sigma):
    clean = scene()
    picture = shaken(clean, sigma)
    result = undo.undo(picture, quiet)
    assert result is not None
    assert result.shape == picture.shape and float(result.min()) >= 0 and float(result.max()) <= 1
    assert decibels(clean, result) > decibels(clean, picture) + 3


def test_with_the_path_known_nearly_all_comes_back_borders_included():
    clean, sigma = scene(), torch.tensor([3.0])
    kernel = motion_kernels(sigma, Generator().manual_seed(1))[0]
    middle = kernel.shape[0] // 2
    kernel = kernel[middle - 15 : middle + 16, middle - 15 : middle + 16]
    kernel = kernel / kernel.sum()
    around = F.pad(clean, (15,) * 4, mode="replicate")
    picture = F.conv2d(around.transpose(0, 1), kernel.flip(0, 1)[None, None]).transpose(0, 1)
    result = undo.deconvolved(picture[0], kernel)[None]
    before, after = ((x - clean).square().mean() for x in (picture, result))
    assert float(after) < float(before) / 10
    edge = (..., slice(0, 16), slice(None))
    assert float((result - clean)[edge].square().mean()) < float((picture - clean)[edge].square().mean())


def test_a_kernel_has_no_negative_place_a_sum_of_one_and_its_light_in_the_middle():
    kernel = estimated(shaken(scene(), 3.0).mean(1)[0])
    assert kernel.shape == (KERNEL, KERNEL) and float(kernel.min()) >= 0
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-5)
    place = torch.arange(KERNEL, dtype=torch.float32)
    for axis in (0, 1):
        assert abs(float((kernel.sum(axis) * place).sum()) - KERNEL // 2) <= 0.51
    assert torch.equal(kernel, estimated(shaken(scene(), 3.0).mean(1)[0]))  # the same each time


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_in_a_picture_without_edges_there_is_nothing_to_do(value):
    assert undo.undo(torch.full((1, 3, 120, 90), value), quiet) is None


@pytest.mark.parametrize("seed", range(4))
def test_in_a_sharp_picture_there_is_nothing_to_do(seed):
    assert undo.undo(scene(seed=seed), quiet) is None


@pytest.mark.parametrize("size", [(1, 1), (30, 400), (2 * KERNEL - 1, 200)])
def test_in_a_picture_too_small_to_tell_there_is_nothing_to_do(size):
    assert undo.undo(torch.rand(1, 3, *size), quiet) is None


@pytest.mark.parametrize(("sigma", "weight"), [(0.0, 0.0), (3.0, 1.0), (5.0, 1.0)])
def test_it_sees_a_shake_by_itself_in_what_is_left_of_noise(sigma, weight):
    clean = scene()
    picture = shaken(clean, sigma) if sigma else clean
    noisy = (picture + 0.1 * torch.randn(picture.shape, generator=Generator().manual_seed(0))).clamp(0, 1)
    assert undo.seen(picture, lambda part: part) == weight
    assert undo.seen(noisy, lambda part: picture) == weight
    assert undo.seen(picture[..., :40, :], lambda part: part) == 0


@pytest.mark.parametrize("sigma", [1.6, 3.0])
def test_the_blur_of_a_lens_is_left_to_others(sigma):
    from restorekit_deblur.blur import Blur

    clean = scene()
    for kind in ("gaussian", "defocus"):
        drawn = Blur().draw(clean.shape, Generator().manual_seed(1), severity=sigma, kind=kind)
        assert undo.seen(Blur().apply(clean, drawn), lambda part: part) == 0, kind


def test_gaussians_are_like_themselves_and_paths_are_not():
    place = torch.arange(KERNEL) - KERNEL // 2
    round_one = torch.exp(-(place[:, None] ** 2 + place**2) / (2 * 2.5**2))
    turned = torch.exp(-((place[:, None] + place) ** 2 / 60 + (place[:, None] - place) ** 2 / 8))
    hook = torch.zeros(KERNEL, KERNEL)
    hook[5:20, 8], hook[19, 8:20] = 1.0, 1.0
    assert all(undo.likeness(kernel / kernel.sum()) > 0.98 for kernel in (round_one, turned))
    assert undo.likeness(hook / hook.sum()) < 0.7


def test_tiles_give_what_one_piece_gives_and_progress_counts_them(monkeypatch):
    picture = shaken(scene(200, 420), 2.0)
    whole = undo.undo(picture, quiet)
    monkeypatch.setattr(undo, "TILE", 160)
    told: list[tuple[int, int]] = []
    tiles = undo.undo(picture, lambda done, total: told.append((done, total)))
    assert tiles is not None and whole is not None
    assert float((tiles - whole).abs().mean()) < 0.5 / 255
    assert told == [(i, 6) for i in range(7)]


def test_the_kernel_is_looked_for_where_there_is_most_to_see():
    grey = torch.zeros(1200, 900)
    grey[700:1100, 300:700] = torch.rand(400, 400, generator=Generator().manual_seed(0))
    part = undo.most_detailed(grey)
    assert part.shape == (512, 512) and float(part.mean()) > 0.9 * float(grey.sum() / 512**2)
    assert undo.most_detailed(grey[:100, :80]).shape == (100, 80)


def test_pictures_go_on_so_that_their_ends_meet_and_spectra_are_those_of_convolutions():
    picture = torch.rand(37, 50)
    whole = wrapped(picture, 12)
    assert torch.equal(whole[:37, :50], picture) and all(n == fast_size(n) for n in whole.shape)
    smooth = torch.linspace(0, 1, 60).repeat(40, 1)
    row = wrapped(smooth, 20)[0]
    assert float((row.roll(-1) - row).abs().max()) < 0.15  # 1 without
    kernel = torch.rand(5, 5, generator=Generator().manual_seed(2))
    size = (32, 48)
    image = torch.rand(size)
    found = torch.fft.irfft2(torch.fft.rfft2(image) * spectrum_of(kernel, size), s=size)
    padded = F.pad(image[None, None], (2, 2, 2, 2), mode="circular")
    assert torch.allclose(found, F.conv2d(padded, kernel.flip(0, 1)[None, None])[0, 0], atol=1e-4)
