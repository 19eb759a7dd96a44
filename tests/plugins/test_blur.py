"""Laws of blur as lenses and hands make it."""

import pytest
import torch
from torch import Generator

from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit_deblur.kernels import deviation

BLUR = build_catalog(load_plugins()).degradation("blur")
# Least and largest among eight measured kernels (Levin et al. 2009): places that hold as much as their light would
# if it were even, in units of the deviation, and the light in the brightest tenth of the places that hold 95 %.
SPREAD, BRIGHTEST = (4.8, 15.3), (0.185, 0.395)


def kernels(kind: str, severity: float | None = None, count: int = 300) -> torch.Tensor:
    drawn = BLUR.draw((count, 3, 8, 8), Generator().manual_seed(0), severity=severity, kind=kind)
    return drawn["kernel"]


def test_motion_is_as_uneven_and_as_thin_as_measured_kernels_are():
    drawn = kernels("motion", 3.0)
    spread = 1 / drawn.square().sum((1, 2)) / 3
    shares = drawn.flatten(1).sort(descending=True)[0]
    places = (shares.cumsum(1) < 0.95).sum(1) + 1
    tenth = (0.1 * places).long().clamp_min(1)
    brightest = torch.stack([row[:n].sum() for row, n in zip(shares, tenth, strict=True)])
    for values, (least, largest) in ((spread, SPREAD), (brightest, BRIGHTEST)):
        assert 0.05 < float((values < least).float().mean()) < 0.4
        assert 0.002 < float((values > largest).float().mean()) < 0.3


@pytest.mark.parametrize("kind", ["motion", "defocus"])
def test_training_draws_motion_and_defocus_from_3_px_across_to_more_than_20(kind):
    drawn = kernels(kind)
    bright = drawn > 0.05 * drawn.amax((1, 2), keepdim=True)
    across = torch.stack([bright.any(axis).sum(1) for axis in (1, 2)]).amax(0)
    assert int(across.min()) <= 4
    assert int(across.max()) >= 20
    assert float((across > 12).float().mean()) > 0.2


@pytest.mark.parametrize("kind", BLUR.kinds)
@pytest.mark.parametrize("severity", [0.8, 2.0, 4.0])
def test_every_kernel_has_the_deviation_it_is_named_by(kind, severity):
    drawn = kernels(kind, severity, 100)
    # Pixels are too coarse for the sharpest; of paths that rest long and then leave, the square cuts a few off.
    off = (deviation(drawn) / severity - 1).abs() > (0.16 if severity < 1 else 0.03)
    assert float(off.float().mean()) < 0.05


@pytest.mark.parametrize("kind", BLUR.kinds)
def test_no_kernel_moves_the_picture(kind):
    drawn = kernels(kind, 3.0)
    axis = torch.arange(33.0) - 16
    for axes in (1, 2):
        assert (drawn.sum(axes) * axis).sum(1).abs().max() < 0.3


def test_an_aperture_has_corners():
    drawn = kernels("defocus", 5.0, 50)
    y, x = torch.meshgrid(*[torch.arange(33.0) - 16] * 2, indexing="ij")
    distance = (x**2 + y**2).sqrt()
    inside = drawn > 0.2 * drawn.amax((1, 2), keepdim=True)
    farthest = torch.where(inside, distance, 0.0).amax((1, 2))
    nearest = torch.where(inside, 99.0, distance).amin((1, 2))  # of what is outside
    uneven = farthest - nearest
    assert float((uneven > 0.9).float().mean()) > 0.25  # a disk has none
