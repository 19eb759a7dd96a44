"""Resampling as matrices: small = D_y image D_x^T, so that a batch may have any factor in each of its pictures.

Row i of a matrix holds the weights that output place i gives to the input places, k((j + 1/2 - c_i) / s) with
c_i = s (i + 1/2), as `torch.nn.functional.interpolate` has them with antialiasing: s is the ratio of the sizes,
the filter k is widened by it only where the picture gets smaller. Cubic is Keys' with a = -1/2. Numbers are
rounded where torch rounds them, since c_i in float32 is off by more than the weights' last digit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["enlarging", "reducing"]


def reducing(size: int, small: Tensor, kinds: Tensor) -> Tensor:
    """Matrices from `size` places to `small`, (B,); (B, size, size), rows from `small` on are 0.

    kinds: 0 bicubic, 1 bilinear, 2 area, (B,).
    """
    import torch

    place = torch.arange(size, device=small.device)
    out = place.view(1, -1, 1)
    count = small.view(-1, 1, 1)
    start, end = out * size // count, ((out + 1) * size + count - 1) // count
    area = ((place >= start) & (place < end)).float()
    cubic, linear = (filter_rows(size, small, kernel) for kernel in (keys, triangle))
    kinds = kinds.view(-1, 1, 1)
    weights = torch.where(kinds == 0, cubic, torch.where(kinds == 1, linear, area))
    return normalised(torch.where(out < count, weights, 0.0))


def enlarging(size: int, small: Tensor) -> Tensor:
    """Bicubic matrices from `small` places, (B,), to `size`; (B, size, size), columns from `small` on are 0."""
    import torch

    place = torch.arange(size, device=small.device, dtype=torch.float32)
    scale = (small.float() / size).view(-1, 1, 1)
    weights = keys(place + 0.5 - scale * (place.view(1, -1, 1) + 0.5))
    return normalised(torch.where(place < small.view(-1, 1, 1), weights, 0.0))


def filter_rows(size: int, small: Tensor, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """Weights of a filter that is widened to the ratio of the sizes, not yet of sum 1; (B, size, size)."""
    import torch

    place = torch.arange(size, device=small.device, dtype=torch.float32)
    # `size / small` would multiply by the rounded inverse of `small`.
    scale = (torch.full_like(small, size).float() / small).view(-1, 1, 1)
    return kernel((place + 0.5 - scale * (place.view(1, -1, 1) + 0.5)) * (1 / scale))


def normalised(weights: Tensor) -> Tensor:
    """Rows of the sum 1."""
    return weights / weights.sum(2, keepdim=True).clamp_min(1e-6)


def triangle(x: Tensor) -> Tensor:
    """Linear filter, 0 from 1 on."""
    return (1 - x.abs()).clamp_min(0)


def keys(x: Tensor) -> Tensor:
    """Keys' cubic filter, a = -1/2, 0 from 2 on."""
    import torch

    x = x.abs().clamp_max(2)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((2.5 - 0.5 * x) * x - 4) * x + 2
    return torch.where(x < 1, near, far)
