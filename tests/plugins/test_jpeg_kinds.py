"""Laws of what other software and chat programs make of a JPEG."""

import pytest
import torch
from torch import Generator

from restorekit.plugin.catalog import build_catalog, load_plugins

JPEG = build_catalog(load_plugins()).degradation("jpeg")
SHAPE = (6, 3, 104, 104)


@pytest.fixture
def photo() -> torch.Tensor:
    """Noise whose spectrum falls as a photograph's does."""
    white = torch.randn(SHAPE, generator=Generator().manual_seed(0))
    y, x = torch.meshgrid(torch.fft.fftfreq(104), torch.fft.rfftfreq(104), indexing="ij")
    falling = torch.fft.irfft2(torch.fft.rfft2(white) / (y**2 + x**2).sqrt().clamp_min(0.01) ** 1.3, s=(104, 104))
    grey = falling.mean(1, keepdim=True) + 0.2 * falling
    return (0.5 + 0.2 * grey / grey.std()).clamp(0, 1)


def error(photo: torch.Tensor, quality: float, kind: str, **parts: float) -> torch.Tensor:
    drawn = JPEG.draw(SHAPE, Generator().manual_seed(1), severity=quality, kind=kind)
    for name, value in parts.items():
        drawn[name].fill_(value)
    return JPEG.apply(photo, drawn) - photo


@pytest.mark.parametrize("kind", ["4:2:2", "tables", "resized", "chat"])
@pytest.mark.parametrize(("quality", "worse", "better"), [(20, 12, 34), (40, 22, 70), (70, 45, 86)])
def test_the_quality_is_about_that_of_an_ordinary_file_with_the_same_error(photo, kind, quality, worse, better):
    found = float(error(photo, quality, kind).square().mean())
    lower, upper = (float(error(photo, q, "4:2:0").square().mean()) for q in (better, worse))
    assert lower < found < upper


@pytest.mark.parametrize("block", [6.5, 11.0, 13.0])
def test_blocks_of_a_resized_picture_are_as_wide_as_drawn(photo, block):
    seams = error(photo, 5, "resized", block=block, phase=0).diff(dim=3).abs().mean((0, 1, 2))
    place = torch.arange(1, 104.0)

    def comb(period: float) -> float:
        angle = 2 * torch.pi * place / period
        return float((seams * angle.cos()).sum().hypot((seams * angle.sin()).sum()))

    assert max((8.0, 6.5, 11.0, 13.0), key=comb) == block


def test_resizing_alone_takes_no_sharpness_from_the_picture():
    noise = torch.rand(SHAPE, generator=Generator().manual_seed(2)).mean(1, keepdim=True).expand(SHAPE)
    for block in (5.0, 13.0):
        assert error(noise, 99, "resized", block=block, first=99).abs().mean() < 3 / 255


def test_what_was_sent_on_was_compressed_on_two_grids(photo):
    once = error(photo, 40, "4:2:0")
    sent = error(photo, 40, "chat", block=9.0)
    drawn = JPEG.draw(SHAPE, Generator().manual_seed(1), severity=40, kind="chat")
    assert float((sent - once).abs().mean()) > 1 / 255
    assert bool((drawn["first"] >= drawn["last"]).all())
