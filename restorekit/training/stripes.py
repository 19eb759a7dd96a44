"""Lines that belong to a picture: fences, blinds, tiled walls, wires, reeds; drawn, for few photographs have them.

Bright, thin and side by side, they are what rain is taken for. Rain falls in one direction, each streak for
itself, and ends; these follow one another at a distance, bend together, cross, or go on to the edge.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

__all__ = ["lined"]

PERIOD = (6.0, 48.0)  # px from a line to the next
THICK = (0.8, 4.0)  # px, at most a third of the period
UPRIGHT, LEAN = 0.5, 0.35  # share of those that stand about as rain falls, and by how much they lean, radians
CROSSED, WHOLE, BRIGHT = 0.4, 0.5, 0.7  # shares: grids, those all over the picture, those lighter than it
BEND = 0.6  # of the period, at most
UNEVEN = 0.35  # of the period, by which a line may stand beside its place
KNOTS = 3  # of a wave, along a side
COVER = (0.15, 0.9)  # how much of what is behind a line it hides


def lined(image: Tensor, generator: Generator) -> Tensor:
    """Draw lines over a picture; what lies between them stays.

    image: (1, 3, H, W), in [0, 1]; same out.
    generator: draws how many, which way, how wide, how strong and where.
    """
    dice = torch.rand(7, generator=generator).tolist()
    height, width = image.shape[-2:]
    angle = (2 * dice[0] - 1) * LEAN if dice[1] < UPRIGHT else dice[0] * math.pi
    period = PERIOD[0] * (PERIOD[1] / PERIOD[0]) ** dice[2]
    thick = min(THICK[0] * (THICK[1] / THICK[0]) ** dice[3], period / 3)
    cover = lines((height, width), angle, period, thick, generator)
    if dice[4] < CROSSED:
        other = lines((height, width), angle + math.pi / 2, period * (0.7 + 0.6 * dice[3]), thick, generator)
        cover = torch.maximum(cover, other)
    if dice[5] >= WHOLE:
        cover = cover * (4 * waves((height, width), generator)).sigmoid()
    strength, tint = torch.rand(1, generator=generator), torch.rand(1, 3, 1, 1, generator=generator)
    colour = 0.7 + 0.3 * tint if dice[6] < BRIGHT else 0.3 * tint
    cover = cover * (COVER[0] + (COVER[1] - COVER[0]) * strength)
    return image + cover * (colour - image)


def lines(size: tuple[int, int], angle: float, period: float, thick: float, generator: Generator) -> Tensor:
    """Lay lines side by side; the share of each pixel that they cover, (H, W).

    angle: radians by which they lean from upright.
    period: px from one to the next.
    thick: px.
    """
    rows, columns = (torch.arange(n) - n / 2 for n in size)
    across = columns[None] * math.cos(angle) + rows[:, None] * math.sin(angle)
    bend = BEND * period * float(torch.rand(1, generator=generator))
    across = across + bend * waves(size, generator)
    number = (across / period).floor()
    first = int(number.min())
    count = int(number.max()) - first + 1
    aside, weight = torch.rand(2, count, generator=generator)[:, (number - first).long()]
    even = float(torch.rand(1, generator=generator))
    away = (across / period - number - 0.5 + UNEVEN * even * (2 * aside - 1)) * period
    return (thick / 2 + 0.5 - away.abs()).clamp(0, min(1.0, thick)) * (1 - 0.5 * weight * even)


def waves(size: tuple[int, int], generator: Generator) -> Tensor:
    """Smooth values of about -2 to 2, (H, W)."""
    few = torch.randn(1, 1, KNOTS, KNOTS, generator=generator)
    return F.interpolate(few, size, mode="bicubic", align_corners=True)[0, 0]
