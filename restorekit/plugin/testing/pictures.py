"""Pictures to measure on, drawn by the code, so that no photograph is needed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

__all__ = ["leaves", "psnr", "waves"]

FLOOR = 1e-10  # of a mean square: two equal pictures are 100 dB apart


def waves(count: int, height: int, width: int) -> Tensor:
    """Smooth ground with edges, in every picture of the batch alike; (count, 3, height, width), in [0, 1]."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    planes = torch.stack([(9 * x + 5 * y).sin(), (17 * x * y).cos(), ((x - 0.5) * 40).sign()])
    return (0.5 + 0.35 * planes).expand(count, 3, height, width).clone()


def leaves(seed: int, height: int = 160, width: int = 224) -> Tensor:
    """A picture of discs that hide each other, (1, 3, height, width): things of all sizes, as in photographs.

    Dead leaves: Lee et al., 2001, https://doi.org/10.1023/A:1011109015675
    """
    generator = Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(2 * height) / 2, torch.arange(2 * width) / 2, indexing="ij")
    light, contrast = torch.rand(2, generator=generator).tolist()
    picture = torch.full((3, 2 * height, 2 * width), light)
    for down, right, size, slope, *colour in torch.rand(120, 7, generator=generator).tolist():
        radius = 3 / (0.03 + size)
        rows, columns = around(down * height, radius), around(right * width, radius)  # most discs are small
        dy, dx = y[rows, columns] - down * height, x[rows, columns] - right * width
        shade = (0.2 + 0.8 * contrast) * torch.tensor(colour).view(3, 1, 1) + 0.2 * light
        part = picture[:, rows, columns]
        part[:] = torch.where(dy**2 + dx**2 < radius**2, shade + 0.2 * (slope - 0.5) * dx / radius, part)
    return F.avg_pool2d(picture.clamp(0, 1)[None], 2)


def around(middle: float, radius: float) -> slice:
    """Places that a disc may reach on a grid of half pixels."""
    return slice(max(0, int(2 * (middle - radius))), max(0, int(2 * (middle + radius)) + 2))


def psnr(one: Tensor, other: Tensor) -> float:
    """Peak signal-to-noise ratio between two pictures in [0, 1], dB."""
    error = (one.double() - other.double()).square().mean().clamp_min(FLOOR)
    return float(-10 * error.log10())
