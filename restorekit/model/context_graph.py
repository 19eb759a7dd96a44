"""The description of a picture (`restorekit.model.context`) for pictures of any size in one fixed graph.

    cells = P_rows image P_columns^T,    P[i, j] = 1 / n_i for the n_i pixels j of cell i, else 0

`adaptive_avg_pool2d` and `quantile` decide by the size of a picture in Python, which a graph that is exported once
cannot; sums over cells and a sort can. The values are the same, to rounding.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.model.context import PERCENTILES, SIDE

__all__ = ["describe_any"]


def describe_any(image: Tensor) -> Tensor:
    """Context of whole pictures, (B, 3, H, W), floating, to (B, CONTEXT), as `model.context.describe` has it."""
    rows, columns = (cast(int, torch.sym_min(side, SIDE)) for side in image.shape[2:])  # unknown in a graph
    small = cells(image, rows, columns)
    darkest = small.amin(1, keepdim=True)
    dark = -F.max_pool2d(F.max_pool2d(-darkest, (7, 1), 1, (3, 0)), (1, 7), 1, (0, 3))
    values = torch.cat([small, dark], 1).flatten(2)  # (B, 4, N)
    percentiles = quantiles(values).permute(1, 2, 0).flatten(1)
    mean = small.mean((2, 3))
    grey = small.mean(1).flatten(1)  # (B, N)
    contrast = (grey - grey.mean(1, keepdim=True)).square().mean(1, keepdim=True).sqrt()
    return torch.cat([percentiles, mean, contrast, cells(small, 4, 4).flatten(1)], 1)


def cells(image: Tensor, rows: int, columns: int) -> Tensor:
    """Means over a grid of cells, as `adaptive_avg_pool2d` has them: (B, 3, H, W) to (B, 3, rows, columns)."""
    height, width = image.shape[2:]
    return shares(height, rows) @ image @ shares(width, columns).T


def shares(length: int, count: int) -> Tensor:
    """Share of each pixel in each cell, (count, length): cell i begins at floor(i length / count) and ends before
    ceil((i + 1) length / count)."""
    pixel, cell = torch.arange(length), torch.arange(count)[:, None]
    inside = (pixel >= cell * length // count) & (pixel < ((cell + 1) * length + count - 1) // count)
    return inside.float() / inside.sum(1, keepdim=True)


def quantiles(values: Tensor) -> Tensor:
    """The percentiles of the context, (P, B, 4), of (B, 4, N), between neighbours in order."""
    ordered = values.sort(2).values
    last = values.shape[2] - 1
    place = torch.tensor(PERCENTILES) * last
    below = place.floor().long()
    above = (below + 1).clamp(max=last)
    share = place - below
    return torch.lerp(ordered[..., below], ordered[..., above], share).permute(2, 0, 1)
