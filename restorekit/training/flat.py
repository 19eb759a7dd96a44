"""All photographs in one flat buffer on a device: any number of patches is one gather.

place of colour c, row y, column x of photograph p:   offset_p + (c height_p + y) width_p + x
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["FlatPhotos"]


@dataclass(frozen=True)
class FlatPhotos:
    """Photographs, each (3, H, W), one after the other.

    pixels: (N,), uint8, all of them.
    offsets, heights, widths: (P,), whole numbers, of each photograph.
    sizes: (height, width) of each photograph, known without asking the device.
    """

    pixels: Tensor
    offsets: Tensor
    heights: Tensor
    widths: Tensor
    sizes: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, photos: Sequence[Tensor], device: torch.device) -> FlatPhotos:
        """Copy photographs, uint8, (3, H, W) each, to a device."""
        sizes = tuple((p.shape[1], p.shape[2]) for p in photos)
        pixels = torch.empty(sum(p.numel() for p in photos), dtype=torch.uint8, device=device)
        offsets, place = [], 0
        for photo in photos:
            pixels[place : place + photo.numel()] = photo.flatten().to(device)
            offsets.append(place)
            place += photo.numel()
        heights, widths = zip(*sizes, strict=True)
        starts, downs, rights = (torch.tensor(n, device=device) for n in (offsets, heights, widths))
        return cls(pixels, starts, downs, rights, sizes)

    def crops(self, chosen: Tensor, places: Tensor, turns: Tensor, size: int) -> Tensor:
        """Cut patches, turned and mirrored; (B, 3, size, size), uint8.

        chosen: (B,), numbers of photographs.
        places: (B, 2), in [0, 1), how far down and right.
        turns: (B,), 0 to 7: quarter turns, and from 4 on mirrored after them.
        size: side in px.
        """
        heights, widths = self.heights[chosen], self.widths[chosen]
        room = torch.stack([heights, widths], 1) - size + 1  # (B, 2)
        exact = torch.float32 if places.device.type == "mps" else torch.float64
        corners = (places.to(exact) * room).long().minimum(room - 1)
        along = torch.arange(size, device=places.device)
        row, column = along.view(1, -1, 1), along.view(1, 1, -1)
        turn = turns.view(-1, 1, 1)
        column = torch.where(turn >= 4, size - 1 - column, column)  # (B, 1, size)
        quarter = turn % 4
        back_row, back_column = size - 1 - row, size - 1 - column
        down = torch.where(quarter == 0, row, torch.where(quarter == 1, column, back_row))
        down = torch.where(quarter == 3, back_column, down)  # (B, size, size)
        right = torch.where(quarter == 0, column, torch.where(quarter == 1, back_row, back_column))
        right = torch.where(quarter == 3, row, right)
        top, left = (corner.view(-1, 1, 1) for corner in corners.unbind(1))
        inside = (top + down) * widths.view(-1, 1, 1) + left + right
        planes = (heights * widths).view(-1, 1, 1, 1) * torch.arange(3, device=places.device).view(1, 3, 1, 1)
        return self.pixels[self.offsets[chosen].view(-1, 1, 1, 1) + planes + inside[:, None]]
