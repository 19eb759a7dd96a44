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
    import torch
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

        batch, device = shape[0], generator.device
        kind = self.check_kind(kind, severity)
        if severity is None:
            low, high = self.severity.mild, self.severity.strong
            sigma = low + (high - low) * torch.rand(batch, generator=generator, device=device) ** 1.5
        else:
            # A severity beyond what the kernel's square holds is refused rather than quietly cut.
            if severity > SIZE / 6:
                raise ValueError(f"blur sigma {severity:.1f} px is above the largest, {SIZE / 6:.1f} px")
            sigma = torch.full((batch,), float(severity), device=device)
        if kind is None:
            shares = torch.tensor(SHARES, device=device)
            kinds = torch.multinomial(shares, batch, replacement=True, generator=generator)
        else:
            kinds = torch.full((batch,), self.kinds.index(kind), device=device)
        isotropic = gaussian_kernels(sigma, torch.ones_like(sigma), torch.zeros_like(sigma))
        stretch = 1 + 3 * torch.rand(batch, generator=generator, device=device)
        angle = math.pi * torch.rand(batch, generator=generator, device=device)
        choices = torch.stack(
            [
                isotropic,
                gaussian_kernels(sigma, stretch, angle),
                motion_kernels(sigma, generator),
                defocus_kernels(sigma),
            ]
        )  # (4, B, k, k)
        kernels = choices[kinds, torch.arange(batch, device=device)]
        return Realisation(sigma, {"kernel": kernels})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        return filter_images(image, realisation["kernel"].to(image))


def grid(device: torch.device) -> tuple[Tensor, Tensor]:
    import torch

    axis = torch.arange(SIZE, dtype=torch.float32, device=device) - SIZE // 2
    return axis.view(1, -1, 1), axis.view(1, 1, -1)


def normalised(kernels: Tensor) -> Tensor:
    return kernels / kernels.sum((1, 2), keepdim=True)


def gaussian_kernels(sigma: Tensor, stretch: Tensor, angle: Tensor) -> Tensor:
    """Gaussians of per-axis deviation sigma, stretched by `stretch` along `angle`; (B,) each, to (B, k, k)."""
    import torch

    y, x = grid(sigma.device)
    long = sigma * torch.sqrt(2 * stretch**2 / (1 + stretch**2))
    short = (long / stretch).clamp_min(0.05).view(-1, 1, 1)
    long = long.clamp_min(0.05).view(-1, 1, 1)
    cos, sin = torch.cos(angle).view(-1, 1, 1), torch.sin(angle).view(-1, 1, 1)
    along, across = cos * x + sin * y, cos * y - sin * x
    return normalised(torch.exp(-0.5 * ((along / long) ** 2 + (across / short) ** 2)))


def defocus_kernels(sigma: Tensor) -> Tensor:
    """Disks with soft edges whose per-axis deviation is sigma: radius 2 sigma; (B,) to (B, k, k)."""
    y, x = grid(sigma.device)
    radius = (2 * sigma).view(-1, 1, 1)
    return normalised((radius + 0.5 - (x**2 + y**2).sqrt()).clamp(0, 1) + 1e-12)


def motion_kernels(sigma: Tensor, generator: Generator) -> Tensor:
    """Paths of a hand that drifts, turns and jerks, drawn with unit deviation and scaled to sigma."""
    import torch

    batch, device = len(sigma), generator.device

    def uniform(*size: int) -> Tensor:
        return torch.rand(size, generator=generator, device=device)

    def normal(*size: int) -> Tensor:
        return torch.randn(size, generator=generator, device=device)

    heading = 2 * math.pi * uniform(batch, 1)
    wildness = 0.35 * uniform(batch, 1) ** 2
    turns = normal(batch, POINTS) * wildness
    jerks = (uniform(batch, POINTS) < 0.01) * 2.0
    turns = turns + jerks * normal(batch, POINTS)
    direction = heading + turns.cumsum(1)
    speed = (0.5 + uniform(batch, POINTS)).cumsum(1).div(POINTS).add(0.5)
    path = torch.stack([direction.sin() * speed, direction.cos() * speed], 2).cumsum(1)  # (B, P, 2)
    path = path - path.mean(1, keepdim=True)
    deviation = path.square().mean((1, 2), keepdim=True).sqrt()
    path = path / deviation * sigma.view(-1, 1, 1)
    half = SIZE // 2
    path = (path + half).clamp(0, SIZE - 1.001)
    return normalised(spread_points(path) if device.type == "cpu" else spread_points_in_order(path))


def spread_points(path: Tensor) -> Tensor:
    """Kernels of paths: each point spreads over its four neighbours. (B, P, 2), px, to (B, k, k)."""
    import torch

    corner = path.floor().long()
    weight = path - corner
    kernels = torch.zeros(len(path), SIZE * SIZE, device=path.device)
    for dy in (0, 1):
        for dx in (0, 1):
            share_y = weight[..., 0] if dy else 1 - weight[..., 0]
            share_x = weight[..., 1] if dx else 1 - weight[..., 1]
            index = (corner[..., 0] + dy) * SIZE + corner[..., 1] + dx
            kernels.scatter_add_(1, index, share_y * share_x)
    return kernels.view(-1, SIZE, SIZE)


def spread_points_in_order(path: Tensor) -> Tensor:
    """Kernels of paths as one matrix product: elsewhere than on a CPU scattered sums come in any order, and the
    same seed would not give the same kernel."""
    import torch

    axis = torch.arange(SIZE, dtype=path.dtype, device=path.device)
    shares = (1 - (path[..., None] - axis).abs()).clamp_min(0)  # (B, P, 2, k)
    return shares[:, :, 0].mT @ shares[:, :, 1]


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
