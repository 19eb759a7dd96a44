"""MATLAB's imresize, bicubic: what the super-resolution tables are made with.

    out(i) = sum_j k((i + 1/2) / s - 1/2 - j) in(j),      s < 1 widens the kernel by 1 / s

with k the cubic of a = -1/2 and the picture mirrored beyond its edges (where PIL and torch cut the kernel off).
Keys, "Cubic convolution interpolation for digital image processing", 1981,
https://doi.org/10.1109/TASSP.1981.1163711
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["resize"]


def resize(image: Tensor, height: int, width: int) -> Tensor:
    """image: shape (B, C, H, W); to (B, C, height, width). Not clipped."""
    rows = weights(image.shape[-2], height)
    columns = weights(image.shape[-1], width)
    return (rows @ image.double() @ columns.T).to(image.dtype)


def weights(old: int, new: int) -> Tensor:
    """The matrix (new, old) that resizes one axis, in float64."""
    scale = new / old
    reach = 2 / min(scale, 1)
    places = (torch.arange(new, dtype=torch.float64) + 0.5) / scale - 0.5
    first = torch.floor(places - reach).long()
    offsets = torch.arange(math.ceil(2 * reach) + 2)
    sources = first[:, None] + offsets  # (new, taps)
    taps = cubic((places[:, None] - sources) * min(scale, 1))
    taps = taps / taps.sum(1, keepdim=True)
    mirrored = sources.remainder(2 * old)
    mirrored = torch.where(mirrored >= old, 2 * old - 1 - mirrored, mirrored)
    return torch.zeros(new, old, dtype=torch.float64).scatter_add_(1, mirrored, taps)


def cubic(x: Tensor) -> Tensor:
    """The cubic kernel of a = -1/2."""
    x = x.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
