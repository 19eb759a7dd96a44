"""Blur.  blurred = kernel * image, with a kernel that is non-negative and sums to 1.

kinds: `gaussian` (isotropic), `anisotropic` (Gaussian, turned), `motion` (the path of a shaking hand), `defocus`
(a disk). The severity is one number for all of them: the kernel's standard deviation in pixels, per axis.
Camera shake as a random path: Boracchi & Foi, "Modeling the performance of image restoration from motion
blur", 2012, https://doi.org/10.1109/TIP.2012.2192126
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from restorekit.plugin import Degradation, Realisation, Severity

if TYPE_CHECKING:
    from torch import Generator, Tensor

SHARES = (0.52, 0.15, 0.21, 0.12)
SIZE = 33  # of the kernel's square, px; an isotropic Gaussian of sigma 5 still fits
POINTS = 128  # along a motion path


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

        batch = shape[0]
        kind = self.check_kind(kind, severity)
        if severity is None:
            low, high = self.severity.mild, self.severity.strong
            sigma = low + (high - low) * torch.rand(batch, generator=generator) ** 1.5
        else:
            sigma = torch.full((batch,), float(severity))
        if kind is None:
            kinds = torch.multinomial(torch.tensor(SHARES), batch, replacement=True, generator=generator)
        else:
            kinds = torch.full((batch,), self.kinds.index(kind))
        # A severity beyond what the kernel's square holds is refused rather than quietly cut.
        if float(sigma.max()) > SIZE / 6:
            raise ValueError(f"blur sigma {float(sigma.max()):.1f} px is above the largest, {SIZE / 6:.1f} px")
        isotropic = gaussian_kernels(sigma, torch.ones(batch), torch.zeros(batch))
        stretch = 1 + 3 * torch.rand(batch, generator=generator)
        angle = math.pi * torch.rand(batch, generator=generator)
        choices = torch.stack(
            [
                isotropic,
                gaussian_kernels(sigma, stretch, angle),
                motion_kernels(sigma, generator),
                defocus_kernels(sigma),
            ]
        )  # (4, B, k, k)
        kernels = choices[kinds, torch.arange(batch)]
        return Realisation(sigma, {"kernel": kernels})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        return filter_images(image, realisation["kernel"].to(image))


def grid() -> tuple[Tensor, Tensor]:
    import torch

    axis = torch.arange(SIZE, dtype=torch.float32) - SIZE // 2
    return axis.view(1, -1, 1), axis.view(1, 1, -1)


def normalised(kernels: Tensor) -> Tensor:
    return kernels / kernels.sum((1, 2), keepdim=True)


def gaussian_kernels(sigma: Tensor, stretch: Tensor, angle: Tensor) -> Tensor:
    """Gaussians of per-axis deviation sigma, stretched by `stretch` along `angle`; (B,) each, to (B, k, k)."""
    import torch

    y, x = grid()
    long = sigma * torch.sqrt(2 * stretch**2 / (1 + stretch**2))
    short = (long / stretch).clamp_min(0.05).view(-1, 1, 1)
    long = long.clamp_min(0.05).view(-1, 1, 1)
    cos, sin = torch.cos(angle).view(-1, 1, 1), torch.sin(angle).view(-1, 1, 1)
    along, across = cos * x + sin * y, cos * y - sin * x
    return normalised(torch.exp(-0.5 * ((along / long) ** 2 + (across / short) ** 2)))


def defocus_kernels(sigma: Tensor) -> Tensor:
    """Disks with soft edges whose per-axis deviation is sigma: radius 2 sigma; (B,) to (B, k, k)."""
    y, x = grid()
    radius = (2 * sigma).view(-1, 1, 1)
    return normalised((radius + 0.5 - (x**2 + y**2).sqrt()).clamp(0, 1) + 1e-12)


def motion_kernels(sigma: Tensor, generator: Generator) -> Tensor:
    """Paths of a hand that drifts, turns and jerks, drawn with unit deviation and scaled to sigma."""
    import torch

    batch = len(sigma)
    heading = 2 * math.pi * torch.rand(batch, 1, generator=generator)
    wildness = 0.35 * torch.rand(batch, 1, generator=generator) ** 2
    turns = torch.randn(batch, POINTS, generator=generator) * wildness
    jerks = (torch.rand(batch, POINTS, generator=generator) < 0.01) * 2.0
    turns = turns + jerks * torch.randn(batch, POINTS, generator=generator)
    direction = heading + turns.cumsum(1)
    speed = (0.5 + torch.rand(batch, POINTS, generator=generator)).cumsum(1).div(POINTS).add(0.5)
    path = torch.stack([direction.sin() * speed, direction.cos() * speed], 2).cumsum(1)  # (B, P, 2)
    path = path - path.mean(1, keepdim=True)
    deviation = path.square().mean((1, 2), keepdim=True).sqrt()
    path = path / deviation * sigma.view(-1, 1, 1)
    half = SIZE // 2
    path = (path + half).clamp(0, SIZE - 1.001)
    corner = path.floor().long()  # each point spreads over its four neighbours
    weight = path - corner
    kernels = torch.zeros(batch, SIZE * SIZE)
    for dy in (0, 1):
        for dx in (0, 1):
            share_y = weight[..., 0] if dy else 1 - weight[..., 0]
            share_x = weight[..., 1] if dx else 1 - weight[..., 1]
            index = (corner[..., 0] + dy) * SIZE + corner[..., 1] + dx
            kernels.scatter_add_(1, index, share_y * share_x)
    return normalised(kernels.view(batch, SIZE, SIZE))


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
