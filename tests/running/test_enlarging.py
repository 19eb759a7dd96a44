"""Laws of `scale`: a picture is looked at and cleaned at its own size, then enlarged and sharpened."""

import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from restorekit.image import as_float, as_values, pixels
from restorekit.running.holding import held
from restorekit.running.passing import enlarge
from restorekit.running.restorer import Restorer
from restorekit.weighing.blind import Blind


@pytest.fixture
def restorer(tiny):
    return Restorer.from_pretrained(device="cpu", precision="fp32")


@pytest.fixture
def small():
    return 0.2 + 0.6 * torch.rand(1, 3, 60, 72, generator=Generator().manual_seed(0))


def test_what_the_sensor_did_is_removed_before_the_picture_is_enlarged_and_the_rest_after(restorer, small):
    chosen = {"noise": 1.0, "rain": 0.5, "lowres": 1.0, "blur": 0.25}
    at_once = restorer.restore(small, weights=chosen, blind=False, scale=2).image
    cleaned = restorer.restore(small, weights={"noise": 1.0, "rain": 0.5}, blind=False).image
    twice = restorer.restore(enlarge(cleaned, 2), weights={"lowres": 1.0, "blur": 0.25}, blind=False).image
    torch.testing.assert_close(at_once, held(twice, cleaned, 0.75, torch.float32))


def test_what_happened_early_and_late_is_read_at_the_pictures_own_size(restorer, small):
    at_own_size = restorer.inspect(small)[0].weights
    enlarged = restorer.restore(small, scale=2).weights[0]
    names = [n for n in restorer.bases if not restorer.enlarging.is_of_scale(n)]
    assert {"noise", "jpeg", "rain"} == set(names)
    assert all(enlarged[n] == at_own_size[n] for n in ("noise", "jpeg"))
    cleaned = restorer.restore(small, weights={n: enlarged[n] for n in names}, blind=False).image
    again = restorer.inspect(enlarge(cleaned, 2))[0].weights
    assert all(enlarged[n] == pytest.approx(again[n], abs=1e-4) for n in ("blur", "lowres"))


def test_nothing_chosen_is_a_bicubic_enlargement(restorer, small):
    assert torch.equal(restorer.restore(small, blind=False, scale=3).image, enlarge(small, 3))


@pytest.mark.parametrize(("side", "trusted"), [(60, False), (64, True)])
def test_sparse_things_in_a_small_picture_are_removed_only_as_far_as_its_enlargement_shows_them(
    restorer, monkeypatch, side, trusted
):
    assert restorer.encoder.config.crop == 32
    weigh = Blind.weigh

    def rainy_when_small(blind, image, visible=None, *, enlarged=False):
        found = weigh(blind, image, visible, enlarged=enlarged)
        return found.override({"rain": 0.25 if enlarged else 0.75})

    monkeypatch.setattr(Blind, "weigh", rainy_when_small)
    image = 0.2 + 0.6 * torch.rand(1, 3, side, 80, generator=Generator().manual_seed(0))
    assert restorer.restore(image, scale=2).weights[0]["rain"] == (0.75 if trusted else 0.25)
    assert restorer.restore(image, scale=2, weights={"rain": 1.0}).weights[0]["rain"] == 1.0


def difference(large, small):
    """Mean difference between a picture's reduction and the small one."""
    reduced = F.interpolate(large, small.shape[2:], mode="bicubic", antialias=True, align_corners=False)
    return float((reduced - small).abs().mean())


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_an_enlarged_picture_that_is_reduced_again_is_nearer_to_the_small_one_for_being_held_to_it(small, scale):
    large = enlarge(small, scale)
    large = (large + 0.05 * torch.randn(large.shape, generator=Generator().manual_seed(1))).clamp(0, 1)
    closer = held(large, small, 1.0, torch.float32)
    assert difference(closer, small) < 0.6 * difference(large, small)
    assert torch.equal(held(large, small, 0.0, torch.float32), large)


def test_a_flat_picture_that_is_held_stays_flat_up_to_its_edges():
    flat = torch.full((1, 3, 24, 36), 0.5)
    torch.testing.assert_close(held(flat, flat[..., :8, :12], 1.0, torch.float32), flat)


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.uint16])
def test_bands_of_a_picture_that_is_held_do_not_show(small, dtype, monkeypatch):
    large = as_values(enlarge(small, 2) ** 1.1, dtype)
    at_once = held(large, small, 1.0, dtype)
    monkeypatch.setattr(pixels, "_BAND", 5 * small.shape[3] * 4)
    assert len(list(pixels.bands(60, small.shape[3] * 4))) == 12
    torch.testing.assert_close(as_float(held(large, small, 1.0, dtype)), as_float(at_once), rtol=0, atol=1e-6)


def test_only_what_sampling_lost_is_held_to_the_small_picture(restorer):
    def share(**weights):
        return restorer.enlarging.holding(restorer.none.override(weights))

    assert share() == share(blur=1.0) == share(noise=1.0) == share(blur=1.0, lowres=1.0) == 0
    assert share(lowres=0.5) == 0.5
    assert share(lowres=1.0, noise=1.0, jpeg=0.5, rain=1.0) == share(lowres=1.5) == 1  # they were removed before
    assert share(lowres=1.0, blur=0.25) == 0.75


def test_a_picture_that_is_restored_by_half_only_is_not_held(restorer, small):
    chosen = {"lowres": 1.0}
    halfway = restorer.restore(small, weights=chosen, blind=False, scale=2, guidance=0.5).image
    plain = restorer.restore(enlarge(small, 2), weights=chosen, blind=False, guidance=0.5).image
    torch.testing.assert_close(halfway, plain)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_what_is_held_is_rounded_once(restorer, small, dtype):
    exact = restorer.restore(small, weights={"lowres": 1.0}, blind=False, scale=2).image
    stored = restorer.restore(small, weights={"lowres": 1.0}, blind=False, scale=2, dtype=dtype).image
    step = 1 / torch.iinfo(dtype).max
    assert float((as_float(stored) - exact).abs().max()) <= 0.52 * step + 1e-5
