"""JPEG in batch gives what libjpeg gives, in every value."""

import pytest
import torch
from torch import Generator

from restorekit.plugin.catalog import build_catalog, load_plugins

JPEG = build_catalog(load_plugins()).degradation("jpeg")
SIZES = [(64, 64), (48, 56), (33, 47), (16, 17), (9, 4), (4, 5), (2, 3), (1, 1)]


def pictures(count: int, height: int, width: int, seed: int) -> torch.Tensor:
    """Smooth ground, noise and saturated colours, by turns; whole numbers 0 to 255, float32."""
    generator = Generator().manual_seed(seed)
    coarse = torch.rand((count, 3, height // 8 + 2, width // 8 + 2), generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic") * 300 - 20
    noise = torch.randn((count, 3, height, width), generator=generator)
    smooth = smooth + 6 * noise
    smooth[1::3] = 128 + 80 * noise[1::3]
    smooth[2::3] = 255.0 * (noise[2::3] > 0)
    return smooth.clamp(0, 255).round()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", JPEG.kinds)
def test_every_value_is_libjpegs_at_every_quality_with_the_grid_where_it_may_be(kind, size):
    qualities = torch.tensor([5.0, 10, 24, 49, 50, 51, 75, 90, 99])
    pixels = pictures(3 * len(qualities), *size, seed=1)
    drawn = JPEG.draw(pixels.shape, Generator().manual_seed(2), kind=kind)
    drawn.severity.copy_(qualities.repeat(3))
    drawn["shift"][: len(qualities)] = 0
    drawn["shift"][len(qualities) :].random_(0, 8, generator=Generator().manual_seed(3))
    coded = JPEG.code_batch(pixels, drawn)
    assert torch.equal(coded, JPEG.code(pixels, drawn).double())
    if min(size) > 8:
        assert float((coded - pixels).abs().mean()) > 1  # it has done something


@pytest.mark.parametrize("seed", range(3))
def test_every_value_is_libjpegs_for_whatever_training_draws(seed):
    pixels = pictures(60, 40, 40, seed)
    drawn = JPEG.draw(pixels.shape, Generator().manual_seed(seed))
    assert torch.equal(JPEG.code_batch(pixels, drawn), JPEG.code(pixels, drawn).double())


def test_quality_100_is_libjpegs_too():
    pixels = pictures(6, 24, 32, 5)
    from restorekit_dejpeg.batch import recode_batch
    from restorekit_dejpeg.jpeg import recode

    quality, halved = torch.full((6,), 100.0), torch.arange(6) % 2 == 0
    coded = recode_batch(pixels.double(), quality, halved, torch.zeros(6, 2, dtype=torch.long))
    for i, picture in enumerate(pixels):
        array = picture.permute(1, 2, 0).to(torch.uint8).contiguous().numpy()
        theirs = torch.tensor(recode(array, 100, 2 if bool(halved[i]) else 0, (0, 0)))
        assert torch.equal(coded[i], theirs.permute(2, 0, 1).double())
