"""Laws of the ensemble of mirror images."""

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional

from restorekit.running.ensemble import GRID, MIRRORED, mirrored
from restorekit.running.tiling import extend

CHOSEN = {"noise": 1.0, "rain": 0.6}


def random_image(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=Generator().manual_seed(1))


def test_an_ensemble_is_the_mean_over_the_mirror_images(restorer):
    image = random_image(1, 3, 2 * GRID, 3 * GRID)
    parts = [restorer.restore(image.flip(dims), weights=CHOSEN, blind=False).image.flip(dims) for dims in MIRRORED]
    together = restorer.restore(image, weights=CHOSEN, blind=False, ensemble=True).image
    assert torch.allclose(together, torch.stack(parts).mean(0), atol=1e-6)
    assert not torch.allclose(together, parts[0], atol=1e-4)


@pytest.mark.parametrize("dims", MIRRORED)
def test_the_mirror_image_of_an_ensemble_is_that_of_the_mirror_image(restorer, dims):
    image = random_image(1, 3, 2 * GRID, GRID)
    one, other = (
        restorer.restore(picture, weights=CHOSEN, blind=False, ensemble=True).image
        for picture in (image, image.flip(dims))
    )
    assert torch.allclose(one.flip(dims), other, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (17, 30), (5, 200)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.uint16])
def test_with_zero_weights_an_ensemble_is_the_input_bit_for_bit(restorer, size, dtype):
    image = random_image(1, 3, *size)
    image = image if dtype.is_floating_point else (image * 255).to(torch.int32).to(dtype)
    restored = restorer.restore(image, blind=False, ensemble=True).image
    assert restored.dtype == dtype and torch.equal(restored, image)


def test_an_ensemble_in_tiles_and_strips_is_that_of_one_piece(restorer):
    image = (random_image(1, 3, 150, 130) * 255).to(torch.uint8)
    whole, pieces = (
        restorer.restore(image, weights=CHOSEN, blind=False, tile=tile, ensemble=True).image for tile in (512, 96)
    )
    assert (whole.float() - pieces.float()).abs().max() <= 1


def test_jpeg_blocks_stay_where_they_lay():
    """In the mirror image of a picture of any size, a block begins where the network knows it to."""
    image = torch.arange(37)[None, None, None].expand(1, 3, 20, 37).float()
    seen = []
    mirrored(lambda one, _: seen.append(one) or one, image, torch.float32)
    for one, dims in zip(seen, MIRRORED, strict=True):
        row = one[0, 0, 0].tolist()
        between = sorted((row.index(GRID - 1), row.index(GRID)))  # the first two blocks of the picture
        assert between[1] % GRID == 0, dims


def test_progress_runs_once_over_all_mirror_images():
    told = []

    def restore(one, progress):
        for done in (1, 2):
            progress(done, 2)
        return one

    mirrored(restore, random_image(1, 3, 16, 16), torch.float32, lambda *at: told.append(at))
    assert told == [(i, 8) for i in range(1, 9)]


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (16, 9)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.uint16])
def test_a_picture_is_extended_as_torch_would(size, dtype):
    image = (random_image(1, 3, *size) * 255).to(torch.int32)
    wanted = image.float()
    for dim, pad in ((2, lambda n: (0, 0, 0, n)), (3, lambda n: (0, n, 0, 0))):
        n = -wanted.shape[dim] % 16
        if n:
            mode = "reflect" if n < wanted.shape[dim] else "replicate"
            wanted = functional.pad(wanted, pad(n), mode=mode)
    extended = extend(image.to(dtype), 16)
    assert extended.dtype == dtype and torch.equal(extended.float(), wanted)
