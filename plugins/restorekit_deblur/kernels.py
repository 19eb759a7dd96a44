"""Kernels of lenses: Gaussians, and the disk of a lens out of focus.  disk(x) = [|x| <= R edge(angle)] rim(|x|)

The aperture is a polygon of 5 to 9 blades, rounder or less, a little oval where the lens's mount cuts it off, with
a rim that is brighter or darker than its middle. Every kernel is non-negative, sums to 1 and has the wanted
deviation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["APERTURES", "SIZE", "defocus_kernels", "deviation", "gaussian_kernels", "normalised"]

SIZE = 33  # of the kernel's square, px; an isotropic Gaussian of sigma 5 still fits
APERTURES = 5  # uniform numbers that make an aperture
OVAL, RIM = 0.08, 0.6  # at most: stretch of the disk, and the rim's brightness less the middle's


def grid(device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows, (1, k, 1), and columns, (1, 1, k), from the kernel's middle, px."""
    import torch

    axis = torch.arange(SIZE, dtype=torch.float32, device=device) - SIZE // 2
    return axis.view(1, -1, 1), axis.view(1, 1, -1)


def normalised(kernels: Tensor) -> Tensor:
    """Kernels with the sum 1; (B, k, k)."""
    return kernels / kernels.sum((1, 2), keepdim=True)


def deviation(kernels: Tensor) -> Tensor:
    """Standard deviation per axis about the kernel's own mean, px; (B, k, k), each of sum 1, to (B,)."""
    y, x = grid(kernels.device)
    squares = (kernels * (y**2 + x**2)).sum((1, 2))
    means = (kernels * y).sum((1, 2)).square() + (kernels * x).sum((1, 2)).square()
    return ((squares - means).clamp_min(0) / 2).sqrt()


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


def defocus_kernels(sigma: Tensor, aperture: Tensor) -> Tensor:
    """Images of a point out of focus, of per-axis deviation sigma.

    sigma: px, (B,). aperture: uniform numbers, (B, APERTURES).
    Returns (B, k, k).
    """
    import torch

    y, x = grid(sigma.device)
    count, turn, round_off, oval, rim = aperture.view(*aperture.shape, 1, 1).unbind(1)
    sector = 2 * math.pi / (5 + (5 * count).floor())
    angle = torch.atan2(y, x) + 2 * math.pi * turn
    blade = torch.cos(sector / 2) / torch.cos(torch.remainder(angle, sector) - sector / 2)  # 1 at the corners
    edge = 1 + (1 - round_off) * (blade - 1) + OVAL * oval * torch.cos(2 * (angle + 7 * oval))
    distance = (x**2 + y**2).sqrt()
    wanted = sigma.view(-1, 1, 1)
    radius = 2 * wanted
    for _ in range(3):
        disk = (radius * edge + 0.5 - distance).clamp(0, 1)
        brightness = 1 + RIM * (rim - 0.5) * (distance / radius.clamp_min(0.5)).square().clamp_max(1.5)
        kernels = normalised(disk * brightness + 1e-12)
        radius = radius * (wanted / deviation(kernels).clamp_min(1e-3).view(-1, 1, 1)).clamp(0.5, 1.5)
    return kernels
