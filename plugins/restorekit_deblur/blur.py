"""Blur.  blurred = kernel * image, with a kernel that is non-negative and sums to 1.

kinds: `gaussian` (isotropic), `anisotropic` (Gaussian, turned), `motion` (the path of a shaking hand, see
`motion`), `defocus` (the aperture of a lens out of focus, see `kernels`). The severity is one number for all of
them: the kernel's standard deviation in pixels, per axis. That of a disk is a quarter of its diameter, that of a
path about a quarter of its extent: training draws both from 3 px across to what the kernel's square holds, about
25.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from restorekit.plugin import Degradation, Draw, Realisation, Severity
from restorekit_deblur.kernels import APERTURES, SIZE, defocus_kernels, gaussian_kernels
from restorekit_deblur.motion import motion_kernels

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Blur", "filter_images"]

LARGEST = SIZE / 6  # deviation that the kernel's square holds, px
MILD, STRONG = 0.75, LARGEST  # motion and defocus in training, px


class Blur(Degradation):
    """Blur; the severity is the kernel's standard deviation in pixels."""

    name = "blur"
    severity = Severity(symbol="sigma", unit="px", off=0, mild=0.4, strong=4, typical=1.6)
    kinds = ("gaussian", "anisotropic", "motion", "defocus")
    shares = (0.42, 0.12, 0.3, 0.16)
    order = 20
    summary = "blur: isotropic and anisotropic Gaussian, camera motion, defocus"

    def spread(self, u: Tensor, kinds: Tensor) -> Tensor:
        import torch

        wide = kinds >= self.kinds.index("motion")
        low = torch.where(wide, MILD, self.severity.mild)
        return low + (torch.where(wide, STRONG, self.severity.strong) - low) * u**1.5

    def check_severity(self, severity: float) -> None:
        if severity > LARGEST:
            raise ValueError(f"blur sigma {severity:.1f} px is above the largest, {LARGEST:.1f} px")

    def make(self, draw: Draw) -> Realisation:
        import torch

        turned = draw.are("anisotropic")
        stretch = torch.where(turned, 1 + 3 * draw.uniform(), 1.0)
        angle = torch.where(turned, math.pi * draw.uniform(), 0.0)
        kernels = gaussian_kernels(draw.severity, stretch, angle)
        if draw.holds("motion"):
            moved = motion_kernels(draw.severity, draw.generator)
            kernels = torch.where(draw.are("motion").view(-1, 1, 1), moved, kernels)
        if draw.holds("defocus"):
            disks = defocus_kernels(draw.severity, draw.uniform(APERTURES))
            kernels = torch.where(draw.are("defocus").view(-1, 1, 1), disks, kernels)
        return Realisation(draw.severity, {"kernel": kernels})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        return filter_images(image, realisation["kernel"].to(image))


def filter_images(image: Tensor, kernels: Tensor) -> Tensor:
    """Convolve each image with its kernel by FFT, mirrored at the borders.

    image: (B, 3, H, W). kernels: (B, k, k), k odd.
    """
    import torch
    import torch.nn.functional as F

    height, width = image.shape[-2:]
    pad = kernels.shape[-1] // 2
    mode = "reflect" if min(height, width) > pad else "replicate"
    padded = F.pad(image, (pad, pad, pad, pad), mode=mode)
    size = padded.shape[-2:]
    spectrum = torch.fft.rfft2(padded) * torch.fft.rfft2(kernels[:, None], s=size)
    full = torch.fft.irfft2(spectrum, s=size)
    blurred = full[..., 2 * pad : 2 * pad + height, 2 * pad : 2 * pad + width]
    # A kernel that is one point at the centre must leave the image bit for bit as it was.
    untouched = (kernels[:, pad, pad] >= 1 - 1e-7).view(-1, 1, 1, 1)
    return torch.where(untouched, image, blurred)
