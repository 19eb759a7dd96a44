"""Laws of `scale`: a picture is looked at and cleaned at its own size, then enlarged and sharpened."""

import pytest
import torch
from torch import Generator

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
    torch.testing.assert_close(at_once, twice)


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
