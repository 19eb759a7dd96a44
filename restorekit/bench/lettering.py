"""Pages of words in the typeface that Pillow carries: black on white, or white on a ground like a photograph's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from restorekit.image import from_pil

__all__ = ["GROUNDS", "Page", "drawn", "pages"]

GROUNDS = ("white", "photograph")
# Every letter and numeral. A dictionary helps to guess the words, but not the names and the numbers.
LINES = (
    "The quick brown fox jumps over",
    "a lazy dog; quartz vows 1847 jobs",
    "Kevin baked 36 mixed pies at 5:20",
    "while Zoe fixed my broken laptop",
    "Gate 9 was shut, flight BX 204 left",
    "Harriet Quimby flew on 16 April 1912",
    "Pack my box with 75 dozen jugs, Max",
    "Invoice No. 3068: due 27 November",
)
MARGIN = 1.0  # times the size of the letters, around them
LEADING = 1.5  # from line to line, times the size


@dataclass(frozen=True)
class Page:
    """Words and the picture of them. image: shape (1, 3, H, W), in [0, 1]. size: of the typeface, px."""

    words: str
    image: Tensor
    size: int
    ground: str


def pages(sizes: tuple[int, ...]) -> list[Page]:
    """One page of each size on each ground."""
    words = "\n".join(LINES)
    return [Page(words, drawn(words, size, ground), size, ground) for ground in GROUNDS for size in sizes]


def drawn(words: str, size: int, ground: str) -> Tensor:
    """A picture of words, (1, 3, H, W), 8 bits in [0, 1]; sides are multiples of 16 px.

    size: of the typeface, px.
    ground: "white", with black letters, or "photograph", with white ones.
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size)  # Aileron, which Pillow carries
    lines = words.splitlines()
    margin = round(MARGIN * size)
    width = max(round(font.getlength(line)) for line in lines) + 2 * margin
    height = round(LEADING * size * len(lines)) + 2 * margin
    mask = Image.new("L", (-(-width // 16) * 16, -(-height // 16) * 16), 0)
    pen = ImageDraw.Draw(mask)
    for i, line in enumerate(lines):
        pen.text((margin, margin + round(LEADING * size * i)), line, fill=255, font=font)
    letters = from_pil(mask.convert("RGB"))
    behind = torch.ones_like(letters) if ground == "white" else scenery(*letters.shape[2:])
    ink = 0.0 if ground == "white" else 1.0
    return ((behind + letters * (ink - behind)) * 255).round() / 255


def scenery(height: int, width: int) -> Tensor:
    """A ground like a dim photograph's, sky over land, clouds, a little texture; (1, 3, H, W), in [0, 0.5]."""
    down = torch.linspace(0, 1, height).view(1, 1, -1, 1)
    across = torch.linspace(0, 1, width).view(1, 1, 1, -1)
    top, bottom = (torch.tensor(c).view(1, 3, 1, 1) for c in ((0.15, 0.25, 0.42), (0.32, 0.22, 0.12)))
    ground = top + (bottom - top) * (0.8 * down + 0.2 * across)
    generator = Generator().manual_seed(0)
    for cell, strength in ((64, 0.08), (16, 0.04), (4, 0.02)):
        coarse = torch.rand(1, 1, height // cell + 2, width // cell + 2, generator=generator) - 0.5
        field = torch.nn.functional.interpolate(coarse, scale_factor=cell, mode="bicubic", align_corners=False)
        ground = ground + 2 * strength * field[..., :height, :width]
    return ground.clamp(0, 0.5)
