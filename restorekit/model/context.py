"""A fixed, training-free description of a whole picture: what a tile or a crop of it cannot know.

Percentiles per channel and of the dark channel, mean, contrast, and a 4x4 thumbnail, of the picture reduced to
at most 128 px a side. Backbones feed it to their context inlet; the encoder appends it to its query, so that
the key of a later basis finds the evidence of haze or darkness there.
Dark channel: He et al., 2009, https://doi.org/10.1109/CVPR.2009.5206515
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.image import as_float

__all__ = ["CONTEXT", "PERCENTILES", "SIDE", "SMALL", "describe", "describe_reduced", "reduced"]

SIDE = 128  # px
SMALL = 2**20  # px; pictures up to here are reduced in one piece
PERCENTILES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
CONTEXT = 4 * len(PERCENTILES) + 3 + 1 + 3 * 4 * 4


def describe(degraded: Tensor) -> Tensor:
    """Context of whole images: (B, 3, H, W), floating in [0, 1], uint8 or uint16, to (B, CONTEXT), float32."""
    return describe_reduced(reduced(degraded))


def describe_reduced(small: Tensor) -> Tensor:
    """Context, (B, CONTEXT), of pictures that `reduced` has reduced, (B, 3, h, w)."""
    darkest = torch.minimum(torch.minimum(small[:, :1], small[:, 1:2]), small[:, 2:])
    dark = -F.max_pool2d(F.max_pool2d(-darkest, (7, 1), 1, (3, 0)), (1, 7), 1, (0, 3))
    levels = torch.tensor(PERCENTILES, device=small.device)
    stack = torch.cat([small, dark], 1).flatten(2)  # (B, 4, N)
    percentiles = torch.quantile(stack, levels, dim=2).permute(1, 2, 0).flatten(1)
    mean = small.mean((2, 3))
    contrast = small.mean(1).flatten(1).std(1, correction=0, keepdim=True)
    thumbnail = F.adaptive_avg_pool2d(small, 4).flatten(1)
    return torch.cat([percentiles, mean, contrast, thumbnail], 1)


def reduced(image: Tensor) -> Tensor:
    """Means over a grid of at most SIDE x SIDE cells, as `adaptive_avg_pool2d` has them; a large picture a row of
    cells at a time, so that it is never floating as a whole. image: (B, 3, H, W); float32."""
    height, width = image.shape[-2:]
    if max(height, width) <= SIDE:
        return as_float(image)
    rows, columns = min(height, SIDE), min(width, SIDE)
    if height * width <= SMALL:
        return F.adaptive_avg_pool2d(as_float(image), (rows, columns))
    bands = (image[..., i * height // rows : -(-(i + 1) * height // rows), :] for i in range(rows))
    return torch.cat([F.adaptive_avg_pool2d(as_float(band), (1, columns)) for band in bands], 2)
