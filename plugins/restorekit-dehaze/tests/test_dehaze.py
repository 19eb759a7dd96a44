"""The laws of a plugin's package, for haze."""

import torch

from restorekit.plugin.testing import check_basis, check_degradation
from restorekit_dehaze import register_bases
from restorekit_dehaze.haze import Haze


def test_haze_keeps_the_laws_of_degradations():
    check_degradation(Haze()).require()


def test_its_basis_keeps_the_laws_of_bases():
    for basis in register_bases():
        check_basis(basis, degradation=Haze()).require()


def test_the_thickest_haze_leaves_little_but_light():
    haze, image = Haze(), torch.rand(1, 3, 32, 32)
    drawn = haze.draw(image.shape, torch.Generator().manual_seed(0), severity=haze.severity.strong, kind="even")
    hazy = haze.apply(image, drawn)
    assert float(hazy.std()) < 0.15 * float(image.std()) and float(hazy.mean()) > 0.8
