"""Frames, captions and collages: parts of a picture that nothing was done to.

A photograph is noisy right up to where a scan's border, a letterbox or a caption begins, and these have no noise.
What has only seen noise without end leaves a rim of it there. The parts are the same with the degradation and
without, so what is wanted is that they stay, and that their neighbours are restored as if they went on.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

__all__ = ["framed"]

CUT = 0.35  # chance of each side of a photograph to be cut
DEEP = 0.6  # of a patch: the most that is cut off one side
CAPTIONS = 0.3  # share of the patches where it is the other way round: a box in the photograph
BLACK, WHITE, GREY = 0.3, 0.6, 0.8  # bounds of the shares of colours; the rest are any colour
COLLAGES = 0.25  # share whose other part is a photograph as well


def framed(
    degraded: Tensor, target: Tensor, clean: Tensor, share: float, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Lay frames, captions or other pictures over some patches, alike over what is seen and what is wanted.

    degraded, target, clean: (B, 3, H, W), in [0, 1]; those of another patch of `clean` fill collages.
    share: of the patches.
    generator: draws which and how, on their device.
    """
    count, _, height, width = clean.shape
    dice = torch.rand(count, 16, 1, 1, generator=generator, device=clean.device)
    rows = (torch.arange(height, device=clean.device) / height).view(1, -1, 1)
    columns = (torch.arange(width, device=clean.device) / width).view(1, 1, -1)
    top, bottom, left, right = (
        torch.where(dice[:, i] < CUT, DEEP * dice[:, 4 + i], torch.zeros_like(dice[:, i])) for i in range(4)
    )
    inside = (rows >= top) & (rows < 1 - bottom) & (columns >= left) & (columns < 1 - right)
    boxes = (dice[:, 8] < CAPTIONS) & ~inside.flatten(1).all(1).view(-1, 1, 1)
    other = torch.where(boxes, inside, ~inside) & (dice[:, 9] < share)
    shade = dice[:, 10:11]
    plain = torch.where(dice[:, 11:12] < WHITE, torch.ones_like(shade), shade)
    plain = torch.where(dice[:, 11:12] < BLACK, torch.zeros_like(shade), plain)
    colour = torch.where(dice[:, 11:12] < GREY, plain, dice[:, 12:15])
    filling = torch.where(dice[:, 15:16] < COLLAGES, clean.roll(1, 0), colour)
    marks = other[:, None]
    return torch.where(marks, filling, degraded), torch.where(marks, filling, target)
