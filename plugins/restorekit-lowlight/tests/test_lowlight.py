"""The laws of a plugin's package, for low light."""

import torch

from restorekit.plugin.testing import check_basis, check_degradation
from restorekit_lowlight import register_bases
from restorekit_lowlight.lowlight import GAMMA, LowLight


def test_low_light_keeps_the_laws_of_degradations():
    check_degradation(LowLight()).require()


def test_its_basis_keeps_the_laws_of_bases():
    for basis in register_bases():
        check_basis(basis, degradation=LowLight()).require()


def test_each_stop_halves_the_light():
    dark, image = LowLight(), torch.rand(1, 3, 16, 16)
    for stops in (1.0, 3.0):
        drawn = dark.draw(image.shape, torch.Generator().manual_seed(0), severity=stops)
        assert torch.allclose(dark.apply(image, drawn) ** GAMMA, image**GAMMA / 2**stops, atol=1e-5)
