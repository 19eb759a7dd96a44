"""Our degradations against the same ones in kornia."""

import math

import pytest
import torch
from torch import Generator

from restorekit.plugin.catalog import build_catalog, load_plugins

CATALOG = build_catalog(load_plugins())


@pytest.fixture
def photo():
    y, x = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 64), indexing="ij")
    return torch.stack([(30 * x * y).sin(), (20 * x - 9 * y).cos(), ((x + y - 1) * 99).tanh()])[None] * 0.4 + 0.5


@pytest.mark.parametrize("sigma", [0.8, 1.6, 3.0])
def test_gaussian_blur_agrees_with_kornias(photo, sigma):
    filters = pytest.importorskip("kornia.filters")
    blur = CATALOG.degradation("blur")
    ours = blur.apply(photo, blur.draw(photo.shape, Generator().manual_seed(0), severity=sigma))
    theirs = filters.gaussian_blur2d(photo, (33, 33), (sigma, sigma), border_type="reflect")
    assert torch.allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("quality", [10, 30, 70])
def test_jpeg_loses_what_kornias_model_of_it_loses(photo, quality):
    enhance = pytest.importorskip("kornia.enhance")
    jpeg = CATALOG.degradation("jpeg")
    ours = jpeg.apply(photo, jpeg.draw(photo.shape, Generator().manual_seed(0), severity=quality))
    theirs = enhance.jpeg_codec_differentiable(photo, torch.tensor([float(quality)]))

    def psnr(a, b):
        return -10 * math.log10(float((a - b).square().mean()))

    assert psnr(ours, photo) == pytest.approx(psnr(theirs, photo), abs=1.5)
    assert psnr(ours, theirs) > psnr(ours, photo) - 1
