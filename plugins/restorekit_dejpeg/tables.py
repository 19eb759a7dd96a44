"""Quantisation tables: libjpeg's for a quality, and those of other software.

    table = pivot (annex K / pivot)^steepness, scaled as libjpeg scales for the quality

A steepness of 1 is annex K's table; phones and photo editors write flatter ones (steepness towards 0: all steps
alike), some encoders steeper ones. The pivot is where most of the error comes from: about it a table may turn and
loses as much. ITU-T T.81, annex K, 1992, https://www.w3.org/Graphics/JPEG/itu-t81.pdf
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["quality_tables"]

LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
PIVOTS = (24, 24)


def quality_tables(quality: Tensor, steepness: Tensor) -> Tensor:
    """Make the tables of luma and of colours.

    quality: libjpeg's, 1 to 100, whole numbers, (B,).
    steepness: 1 for libjpeg's own tables, (B,).
    Returns (B, 2, 8, 8), whole numbers 1 to 255, float64.
    """
    import torch

    quality, steepness = (number.double().view(-1, 1, 1, 1) for number in (quality, steepness))
    scale = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    plain = torch.tensor((LUMA, CHROMA), dtype=torch.float64, device=quality.device)
    pivots = torch.tensor(PIVOTS, dtype=torch.float64, device=quality.device).view(2, 1, 1)
    turned = torch.where(steepness == 1, plain, pivots * (plain / pivots) ** steepness)
    return ((turned * scale + 50) / 100).floor().clamp(1, 255)
