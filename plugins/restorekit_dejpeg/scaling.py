"""A picture at another size and back, as matrices: canvas = D_y picture D_x^T.

Row i of D holds k((j - c_i) / s), normalised, with c_i = f (i + 1/2) - 1/2, Keys' cubic k (a = -1/2) and s the
ratio where places get fewer, else 1. The canvas is as large as the largest needs; beyond the picture it repeats
the border.
Keys, "Cubic convolution interpolation for digital image processing", 1981,
https://doi.org/10.1109/TASSP.1981.1163711
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["from_canvas", "to_canvas"]


def to_canvas(images: Tensor, factor: Tensor, least: float) -> Tensor:
    """Show pictures at 1 / `factor` of their size, in the corner of a canvas.

    images: (B, C, H, W). factor: (B,), float64. least: the smallest factor that comes.
    Returns (B, C, H / least, W / least), rounded up.
    """
    down, right = (rows(-int(-n // least), n, factor) for n in images.shape[-2:])
    return down[:, None] @ images @ right[:, None].mT


def from_canvas(canvas: Tensor, factor: Tensor, height: int, width: int) -> Tensor:
    """Bring canvases back to the pictures' size; (B, C, H, W)."""
    down, right = (rows(n, here, 1 / factor) for n, here in zip((height, width), canvas.shape[-2:], strict=True))
    return down[:, None] @ canvas @ right[:, None].mT


def rows(count: int, size: int, factor: Tensor) -> Tensor:
    """Weights of `size` places for each of `count`, which are `factor` places apart; (B, count, size)."""
    import torch

    factor = factor.view(-1, 1, 1)
    place = torch.arange(size, dtype=factor.dtype, device=factor.device)
    out = torch.arange(count, dtype=factor.dtype, device=factor.device).view(-1, 1)
    centre = (factor * (out + 0.5) - 0.5).clamp(0, size - 1)
    weights = keys((place - centre) / factor.clamp_min(1))
    return weights / weights.sum(2, keepdim=True)


def keys(x: Tensor) -> Tensor:
    """Keys' cubic filter, a = -1/2, 0 from 2 on."""
    import torch

    x = x.abs().clamp_max(2)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((2.5 - 0.5 * x) * x - 4) * x + 2
    return torch.where(x < 1, near, far)
