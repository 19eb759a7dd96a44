"""Matrices as pictures: a cell's colour is its value, blue below 0 and red above, with the number in it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from restorekit.image.pixels import from_pil

__all__ = ["matrix"]

CELL, LETTERS, PAD = (64, 30), 13, 6  # px
COLD, NEUTRAL, WARM = (33, 102, 172), (247, 247, 247), (178, 24, 43)  # ColorBrewer's RdBu, by Brewer
DARK, LIGHT = (20, 20, 20), (255, 255, 255)


def matrix(
    values: Tensor, rows: Sequence[str], columns: Sequence[str], full: float, marked: Tensor | None = None
) -> Tensor:
    """Draw a matrix; (1, 3, H, W), in [0, 1].

    values: (R, C); cells of NaN stay empty.
    rows, columns: their names, R and C of them.
    full: absolute value of the strongest colour.
    marked: (R, C), boolean: cells that get a frame; None for none.
    """
    font = ImageFont.load_default(LETTERS)
    wide, high = CELL
    aside = int(max(font.getlength(name) for name in rows)) + 2 * PAD
    image = Image.new("RGB", (aside + wide * len(columns) + PAD, high * (len(rows) + 1) + PAD), LIGHT)
    pen = ImageDraw.Draw(image)
    for right, name in enumerate(columns):
        pen.text((aside + wide * (right + 0.5), high / 2), name, DARK, font, anchor="mm")
    for down, name in enumerate(rows):
        top = high * (down + 1)
        pen.text((aside - PAD, top + high / 2), name, DARK, font, anchor="rm")
        for right in range(len(columns)):
            value = float(values[down, right])
            if value != value:
                continue
            left, share = aside + wide * right, max(-1.0, min(1.0, value / full))
            end = WARM if share > 0 else COLD
            colour = tuple(round(a + (b - a) * abs(share)) for a, b in zip(NEUTRAL, end, strict=True))
            frame = DARK if marked is not None and bool(marked[down, right]) else None
            pen.rectangle((left + 1, top + 1, left + wide - 2, top + high - 2), colour, frame, 2)
            ink = LIGHT if abs(share) > 0.6 else DARK
            pen.text((left + wide / 2, top + high / 2), f"{value:.2f}", ink, font, anchor="mm")
    return torch.as_tensor(from_pil(image))
