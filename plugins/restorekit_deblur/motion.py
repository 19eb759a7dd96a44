"""Kernels of a moving camera: the path of a hand during the exposure, seen through a lens that is not quite sharp.

    path(t) = sum of speed(s) direction(s),  s < t;   kernel = time spent at each place * point spread

The hand drifts and turns, jerks (at times back the way it came), hurries and rests: where it rests the kernel is
bright. Measured kernels of hands (Levin et al. 2009) hold a fifth to two fifths of their light in the brightest
tenth of their places, cross themselves and are 1 to 2 px thick; so are these.
Boracchi & Foi, "Modeling the performance of image restoration from motion blur", 2012,
https://doi.org/10.1109/TIP.2012.2192126
Levin et al., "Understanding and evaluating blind deconvolution algorithms", 2009,
https://doi.org/10.1109/CVPR.2009.5206815
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from restorekit_deblur.kernels import SIZE, normalised

if TYPE_CHECKING:
    from torch import Generator, Tensor

__all__ = ["motion_kernels", "spread_points", "spread_points_in_order"]

POINTS = 192  # along a path
TURN, KICK = 0.3, 2.0  # deviation of the turn from point to point at most, and that of a jerk, radians
JERKS = 0.04  # jerks a point at most
UNEVEN, REST = 2.0, 16  # deviation of the speed's logarithm at most; points over which it holds
SHARPEST, SOFTEST = 0.2, 1.0  # deviation of the lens's point spread, px
REACH = SIZE // 2 - 1  # of a path from its mean, px


def motion_kernels(sigma: Tensor, generator: Generator) -> Tensor:
    """Draw paths and scale them to the deviation sigma.

    sigma: px, (B,), on the generator's device.
    Returns (B, k, k).
    """
    import torch

    batch, device = len(sigma), generator.device

    def uniform(*size: int) -> Tensor:
        return torch.rand(size, generator=generator, device=device)

    def normal() -> Tensor:
        return torch.randn((batch, POINTS), generator=generator, device=device)

    heading = 2 * math.pi * uniform(batch, 1)
    wild, jerky, uneven, soft = uniform(batch, 4, 1).unbind(1)  # (B, 1) each
    turns = TURN * wild**2 * normal()
    turns = turns + KICK * (uniform(batch, POINTS) < JERKS * jerky) * normal()
    direction = heading + turns.cumsum(1)
    speed = (UNEVEN * uneven * slow(normal())).exp()
    path = torch.stack([direction.sin() * speed, direction.cos() * speed], 2).cumsum(1)  # (B, P, 2)
    path = path - path.mean(1, keepdim=True)
    width = torch.minimum(SHARPEST + (SOFTEST - SHARPEST) * soft[:, 0] ** 2, sigma / 2)
    # The lens and the spreading over whole pixels (1/6) bring their part of the variance.
    rest = torch.maximum(sigma.square() - width.square() - 1 / 6, sigma.square() / 4).sqrt()
    deviation = path.square().mean((1, 2), keepdim=True).sqrt()
    longest = path.abs().amax((1, 2), keepdim=True)
    path = path * torch.minimum(rest.view(-1, 1, 1) / deviation, REACH / longest) + SIZE // 2
    kernels = spread_points(path) if device.type == "cpu" else spread_points_in_order(path)
    return normalised(softened(kernels, width))


def slow(white: Tensor) -> Tensor:
    """Noise of unit deviation that changes over REST points; (B, P)."""
    import torch.nn.functional as F

    padded = F.pad(white[:, None], (0, REST - 1), mode="circular")
    return F.avg_pool1d(padded, REST, 1)[:, 0] * REST**0.5


def softened(kernels: Tensor, width: Tensor) -> Tensor:
    """Kernels under a Gaussian of `width` px, (B,); (B, k, k)."""
    import torch
    import torch.nn.functional as F

    place = torch.arange(-3, 4, dtype=kernels.dtype, device=kernels.device)
    line = torch.exp(-0.5 * (place / width.clamp_min(0.05)[:, None]) ** 2)
    line = line / line.sum(1, keepdim=True)
    count = len(kernels)
    kernels = F.conv2d(kernels[None], line.view(-1, 1, 1, 7), groups=count, padding=(0, 3))
    return F.conv2d(kernels, line.view(-1, 1, 7, 1), groups=count, padding=(3, 0))[0]


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
