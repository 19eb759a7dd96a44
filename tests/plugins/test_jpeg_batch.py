"""JPEG in batch gives what libjpeg gives, in every value."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Generator

from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit_dejpeg.batch import recode_batch
from restorekit_dejpeg.jpeg import recode_one_by_one
from restorekit_dejpeg.tables import quality_tables

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
    coded = JPEG.code(pixels, drawn, recode_batch)
    assert torch.equal(coded, JPEG.code(pixels, drawn, recode_one_by_one))
    if min(size) > 8:
        assert float((coded - pixels).abs().mean()) > 1  # it has done something


@pytest.mark.parametrize("seed", range(3))
def test_every_value_is_libjpegs_for_whatever_training_draws(seed):
    pixels = pictures(60, 40, 40, seed)
    drawn = JPEG.draw(pixels.shape, Generator().manual_seed(seed))
    coded = JPEG.code(pixels, drawn, recode_batch)
    assert torch.equal(coded, JPEG.code(pixels, drawn, recode_one_by_one))


@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [1, 20, 50, 76, 100])
def test_libjpegs_own_tables_at_a_quality_are_ours(quality, sampling):
    pixels = pictures(3, 24, 37, 5)
    count = torch.ones(3)
    tables = quality_tables(quality * count, count)
    coded = recode_batch(pixels.double(), tables, sampling * count, torch.zeros(3, 2, dtype=torch.long))
    for ours, picture in zip(coded, pixels, strict=True):
        buffer = BytesIO()
        array = picture.permute(1, 2, 0).to(torch.uint8).contiguous().numpy()
        Image.fromarray(array).save(buffer, "JPEG", quality=quality, subsampling=sampling)
        theirs = torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1)
        assert torch.equal(ours, theirs.double())
