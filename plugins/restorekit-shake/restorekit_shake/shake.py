"""Shake.  shaken = k * image: k is the path of the hand that held the camera, the same in the whole picture.

The severity is the kernel's standard deviation in pixels, about a quarter of the path's extent. The paths are
those of the kind `motion` of restorekit's blur (`restorekit_deblur.motion`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from restorekit.plugin import Degradation, Draw, Realisation, Severity

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Shake"]

LARGEST = 6.0  # px; of longer paths the ends are drawn in


class Shake(Degradation):
    """The shake of a hand; the severity is the kernel's standard deviation in pixels."""

    name = "shake"
    severity = Severity(symbol="sigma", unit="px", off=0, mild=1.2, strong=LARGEST, typical=3)
    kinds = ("path",)
    same = ("blur:motion",)
    order = 20
    same = ("blur:motion",)
    summary = "the shake of the hand that held the camera, the same in the whole picture"

    def check_severity(self, severity: float) -> None:
        if severity > LARGEST:
            raise ValueError(f"shake sigma {severity:.1f} px is above the largest, {LARGEST:.1f} px")

    def make(self, draw: Draw) -> Realisation:
        from restorekit_deblur.motion import motion_kernels

        return Realisation(draw.severity, {"kernel": motion_kernels(draw.severity, draw.generator)})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        from restorekit_deblur.blur import filter_images

        return filter_images(image, realisation["kernel"].to(image))
