"""Blur.  blurred = kernel * image, with a kernel that is non-negative and sums to 1.

kinds: `gaussian` (isotropic), `anisotropic` (Gaussian, turned), `motion` (the path of a shaking hand, see
`motion`), `defocus` (the aperture of a lens out of focus, see `kernels`). The severity is one number for all of
them: the kernel's standard deviation in pixels, per axis. That of a disk is a quarter of its diameter, that of a
path about a quarter of its extent: training draws both from 3 px across to what the kernel's square holds, about
25.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from restorekit.plugin import Degradation, Realisation, Severity
from restorekit_deblur.kernels import APERTURES, SIZE, defocus_kernels, gaussian_kernels
from restorekit_deblur.motion import motion_kernels

if TYPE_CHECKING:
    from torch import Generator, Tensor

__all__ = ["Blur", "filter_images"]

SHARES = (0.42, 0.12, 0.3, 0.16)
LARGEST = SIZE / 6  # deviation that the kernel's square holds, px
MILD, STRONG = 0.75, LARGEST  # motion and defocus in training, px


class Blur(Degradation):
    """Blur; the severity is the kernel's standard deviation in pixels."""

    name = "blur"
    severity = Severity(symbol="sigma", unit="px", off=0, mild=0.4, strong=4, typical=1.6)
    kinds = ("gaussian", "anisotropic", "motion", "defocus")
    order = 20
    summary = "blur: isotropic and anisotropic Gaussian, camera motion, defocus"

    def draw(
        self,
        shape: Sequence[int],
        generator: Generator,
        *,
        severity: float | None = None,
        kind: str | None = None,
    ) -> Realisation:
        import torch

        batch, device = shape[0], generator.device
        kind = self.check_kind(kind, severity)
        if severity is not None and severity > LARGEST:
            # A severity beyond what the kernel's square holds is refused rather than quietly cut.
            raise ValueError(f"blur sigma {severity:.1f} px is above the largest, {LARGEST:.1f} px")
        spread = torch.rand(batch, generator=generator, device=device) ** 1.5 if severity is None else None
        if kind is None:
            shares = torch.tensor(SHARES, device=device)
            kinds = torch.multinomial(shares, batch, replacement=True, generator=generator)
        else:
            kinds = torch.full((batch,), self.kinds.index(kind), device=device)
        if spread is None:
            sigma = torch.full((batch,), float(severity or 0), device=device)
        else:
            wide = kinds >= self.kinds.index("motion")
            low = torch.where(wide, MILD, self.severity.mild)
            sigma = low + (torch.where(wide, STRONG, self.severity.strong) - low) * spread
        isotropic = gaussian_kernels(sigma, torch.ones_like(sigma), torch.zeros_like(sigma))
        stretch = 1 + 3 * torch.rand(batch, generator=generator, device=device)
        angle = math.pi * torch.rand(batch, generator=generator, device=device)
        motion = motion_kernels(sigma, generator)
        aperture = torch.rand((batch, APERTURES), generator=generator, device=device)
        choices = [
            isotropic,
            gaussian_kernels(sigma, stretch, angle),
            motion,
            defocus_kernels(sigma, aperture),
        ]
        kernels = torch.stack(choices)[kinds, torch.arange(batch, device=device)]  # of (4, B, k, k)
        return Realisation(sigma, {"kernel": kernels})

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
