"""Laws of maps: where in a picture each degradation was found."""

import pytest
import torch
from torch import Generator

from restorekit.running.restorer import Restorer
from restorekit.weighing.places import Places, between


@pytest.fixture(scope="module")
def restorer(weights_folder):
    """One for all laws of this file: nothing here changes it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RESTOREKIT_WEIGHTS", str(weights_folder))
        return Restorer.from_pretrained(device="cpu", precision="fp32")


def test_noise_on_one_side_is_found_on_that_side():
    shipped = Restorer.from_pretrained(device="cpu", precision="fp32")
    down, right = torch.meshgrid(torch.arange(96), torch.arange(288), indexing="ij")
    hills = 0.5 + 0.2 * torch.sin(down / 9 + (right / 31).sin()) * torch.cos(right / 13)
    picture = hills.expand(1, 3, -1, -1).clone()
    picture[..., :144] += 25 / 255 * torch.randn((1, 3, 96, 144), generator=Generator().manual_seed(0))
    picture = (255 * picture.clamp(0, 1)).round() / 255
    noise = shipped.places(picture, shipped.inspect(picture)[0]).over(32, 64)["noise"]
    assert noise[:, :14].mean() > noise[:, 50:].mean() + 0.5


def test_where_there_is_nothing_but_one_colour_nothing_is_found(restorer):
    picture = torch.rand(1, 3, 32, 160, generator=Generator().manual_seed(0))
    picture[..., 64:] = 0.5
    places = restorer.places(picture, restorer.inspect(picture)[0])
    assert any(float(grid[:, 0].max()) > 0 for grid in places.weights.values())
    assert all(float(grid[:, -1].max()) == 0 for grid in places.weights.values())


@pytest.mark.parametrize("size", [(5, 7), (64, 96), (40, 300)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8], ids=str)
def test_every_keyed_basis_has_a_weight_at_every_place_of_any_picture(restorer, size, dtype):
    picture = (torch.rand(1, 3, *size, generator=Generator().manual_seed(0)) * 255).to(torch.uint8)
    picture = picture / 255 if dtype.is_floating_point else picture
    spread = restorer.places(picture, restorer.inspect(picture)[0]).over(*size)
    assert sorted(spread) == sorted(restorer.keys)
    for weights in spread.values():
        assert weights.shape == size and 0 <= float(weights.min()) <= float(weights.max()) <= 1


def test_transparent_places_are_not_looked_at(restorer):
    picture = torch.rand(1, 3, 32, 160, generator=Generator().manual_seed(0))
    visible = torch.ones(1, 32, 160, dtype=torch.bool)
    visible[..., 64:] = False
    places = restorer.places(picture, restorer.inspect(picture, visible)[0], visible)
    assert all(float(grid[:, -1].max()) == 0 for grid in places.weights.values())


@pytest.mark.parametrize(("length", "full", "count"), [(10, 10, 1), (50, 400, 7), (96, 96, 1), (400, 130, 2)])
def test_between_the_crops_a_weight_is_a_mean_of_its_neighbours(length, full, count):
    weights = between(length, full, 96, count)
    assert torch.allclose(weights.sum(1), torch.ones(length)) and int((weights > 0).sum(1).max()) <= 2


def test_areas_count_the_places_where_half_of_the_weight_is_reached():
    grid = torch.tensor([[1.0, 0.6], [0.4, 0.0]])
    assert Places({"noise": grid}, (100, 100), 32).areas() == {"noise": 0.5}
