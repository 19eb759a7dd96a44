"""What is drawn where severity and kind are named stays, since the benchmark's rows rest on it."""

import pytest
import torch
from torch import Generator

from restorekit.plugin.catalog import build_catalog, load_plugins

CATALOG = build_catalog(load_plugins())
SHAPE = (2, 3, 40, 56)
# Name, kind, severity, and a sum over the degraded picture that depends on every value.
DRAWN = [
    ("blur", "gaussian", 0.4, -6.4112),
    ("blur", "gaussian", 1.6, -2.1558),
    ("blur", "anisotropic", 0.4, -6.5933),
    ("blur", "anisotropic", 1.6, -3.197),
    ("jpeg", "4:2:0", 95, -8.0033),
    ("jpeg", "4:2:0", 30, -12.4856),
    ("jpeg", "4:4:4", 95, -7.0946),
    ("jpeg", "4:4:4", 30, -10.1578),
    ("jpeg", "twice", 95, -5.147),
    ("jpeg", "twice", 30, -8.3985),
    ("lowres", "bicubic", 1.5, -5.9167),
    ("lowres", "bicubic", 2, -5.6303),
    ("lowres", "bilinear", 1.5, -5.102),
    ("lowres", "bilinear", 2, -4.5761),
    ("lowres", "area", 1.5, -4.9846),
    ("lowres", "area", 2, -6.6756),
    ("noise", "gaussian", 2, -6.4435),
    ("noise", "gaussian", 25, -4.4641),
    ("noise", "grey", 2, -6.1556),
    ("noise", "grey", 25, -0.8658),
    ("noise", "poisson", 2, -6.3975),
    ("noise", "poisson", 25, -3.8896),
    ("noise", "correlated", 2, -6.3793),
    ("noise", "correlated", 25, -3.6614),
    ("noise", "camera", 2, -6.2692),
    ("noise", "camera", 25, 3.5968),
    ("noise", "grain", 2, -6.6635),
    ("noise", "grain", 25, -7.8502),
    ("rain", "streaks", 4, -7.0335),
    ("rain", "streaks", 18, -5.0129),
    ("rain", "heavy", 4, -6.6452),
    ("rain", "heavy", 18, -0.5212),
    ("rain", "veil", 4, -5.7708),
    ("rain", "veil", 18, -3.7086),
]


def photo() -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(0, 1, 40), torch.linspace(0, 1, 56), indexing="ij")
    waves = torch.stack([(9 * x + 5 * y).sin(), (17 * x * y).cos(), ((x - 0.5) * 40).sign()])
    return (0.5 + 0.35 * waves).expand(SHAPE).clone()


@pytest.mark.parametrize(("name", "kind", "severity", "total"), DRAWN)
def test_the_same_seed_gives_the_same_picture_as_ever(name, kind, severity, total):
    degradation = CATALOG.degradation(name)
    drawn = degradation.draw(SHAPE, Generator().manual_seed(7), severity=severity, kind=kind)
    degraded = degradation.apply(photo(), drawn).double().flatten()
    found = float((degraded * (torch.arange(degraded.numel()) % 977).double().cos()).sum())
    assert found == pytest.approx(total, abs=2e-3)
