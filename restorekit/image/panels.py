"""Panels: pictures side by side, each under its title, and values laid over a picture as heat; and their bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from restorekit.image.pixels import from_pil, luma, to_pil
from restorekit.image.values import as_float

__all__ = ["HEAT", "encoded", "heat", "shrunk", "side_by_side", "titled"]

HEAT = ((0.02, 0.02, 0.10), (0.34, 0.06, 0.43), (0.75, 0.21, 0.33), (0.98, 0.55, 0.04), (0.99, 1.0, 0.64))
BAND, LETTERS, GAP = 24, 15, 8  # px: a title's band, its letters, and between panels
PAPER, INK = 1.0, (20, 20, 20)
DIM = 0.35  # of a picture beneath heat


def shrunk(image: Tensor, most: int) -> Tensor:
    """Reduce a picture until no side is above `most` px; (1, 3, H, W), of any type, to floating in [0, 1]."""
    height, width = image.shape[-2:]
    part = most / max(height, width)
    if part >= 1:
        return as_float(image)
    size = [max(1, round(n * part)) for n in (height, width)]
    if image.is_floating_point() or height * width <= 2**22:
        return F.interpolate(as_float(image), size, mode="area")
    bands = [image[..., i * height // size[0] : -(-(i + 1) * height // size[0]), :] for i in range(size[0])]
    return torch.cat([F.adaptive_avg_pool2d(as_float(band), (1, size[1])) for band in bands], 2)


def heat(values: Tensor, beneath: Tensor | None = None) -> Tensor:
    """Colours of values, (H, W), in [0, 1]: dark for 0, bright for 1; (1, 3, H, W).

    beneath: picture that shows through where values are low, (1, 3, H, W), in [0, 1].
    """
    place = values.clamp(0, 1) * (len(HEAT) - 1)
    low = place.floor().long().clamp(max=len(HEAT) - 2)
    stops = torch.tensor(HEAT)
    share = (place - low)[..., None]
    colours = (stops[low] * (1 - share) + stops[low + 1] * share).permute(2, 0, 1)[None]
    if beneath is None:
        return colours
    cover = (values.clamp(0, 1) * 1.6).clamp(max=0.8)
    return colours * cover + (DIM + (1 - DIM) * luma(beneath)) * (1 - cover)


def titled(panel: Tensor, title: str) -> Tensor:
    """A picture, (1, 3, H, W), with a title above it."""
    head = Image.new("RGB", (panel.shape[-1], BAND), (round(255 * PAPER),) * 3)
    font = ImageFont.load_default(LETTERS)
    ImageDraw.Draw(head).text((3, 3), title, fill=INK, font=font)
    return torch.cat([from_pil(head), panel.clamp(0, 1)], -2)


def side_by_side(panels: Sequence[tuple[str, Tensor]], columns: int | None = None) -> Tensor:
    """Titled panels in rows on white paper, (1, 3, H, W); columns: by default about as many as there are rows."""
    drawn = [titled(panel, title) for title, panel in panels]
    columns = columns or math.ceil(math.sqrt(len(drawn)))
    rows = [drawn[i : i + columns] for i in range(0, len(drawn), columns)]
    heights = [max(panel.shape[-2] for panel in row) + GAP for row in rows]
    width = max(panel.shape[-1] for panel in drawn) + GAP
    paper = torch.full((1, 3, sum(heights) + GAP, min(columns, len(drawn)) * width + GAP), PAPER)
    for down, row in enumerate(rows):
        top = GAP + sum(heights[:down])
        for right, panel in enumerate(row):
            left = GAP + right * width
            paper[..., top : top + panel.shape[-2], left : left + panel.shape[-1]] = panel
    return from_pil(to_pil(paper))


def encoded(image: Tensor, format: str = "PNG", *, quality: int = 90, profile: bytes | None = None) -> bytes:
    """A file's bytes of a picture, (1, 3, H, W), in [0, 1], in 8 bits.

    format: PNG, WEBP or JPEG.
    quality: 1 to 100, of those that lose something.
    profile: ICC profile of its colours; None for sRGB.
    """
    file = io.BytesIO()
    extra = {} if format == "PNG" else {"quality": quality}
    to_pil(image).save(file, format, icc_profile=profile, **extra)
    return file.getvalue()
