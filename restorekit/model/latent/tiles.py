"""Tiles that overlap and are blended: y = sum_i r_i f(x_i) / sum_i r_i, with ramps r_i that fall to the edges.

A network with attention has no receptive radius, so tiles cannot be exact; ramps hide their seams. One function
serves encoder, network and decoder: it maps a cell of `unit` x `unit` values to one of `out` x `out`.
MultiDiffusion: Bar-Tal et al., 2023, https://arxiv.org/abs/2302.08113
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["in_tiles", "ramp", "starts"]


def starts(length: int, tile: int, overlap: int) -> tuple[int, ...]:
    """First cells of the tiles along an axis of `length` cells, evenly spread."""
    if length <= tile:
        return (0,)
    count = -(-(length - overlap) // (tile - overlap))
    return tuple(round(i * (length - tile) / (count - 1)) for i in range(count))


def ramp(tile: int, overlap: int, *, first: bool, last: bool) -> Tensor:
    """Share of a tile along an axis, (tile,): 1 inside, falling over the overlap to inner edges.

    first, last: whether it begins, or ends, at the picture's edge.
    """
    rising = ((torch.arange(tile) + 0.5) / max(overlap, 1)).clamp(max=1)
    before = torch.ones(tile) if first else rising
    return before * (torch.ones(tile) if last else rising.flip(0))


def in_tiles(
    function: Callable[[Tensor], Tensor], x: Tensor, *, unit: int, out: int, tile: int, overlap: int
) -> Tensor:
    """Apply a function tile by tile; x that is one tile goes through it as it is.

    function: maps (B, C, h unit, w unit) to (B, D, h out, w out).
    x: (B, C, H unit, W unit).
    unit, out: side of a cell in values of x and of the result.
    tile, overlap: cells; at least one, and less than one tile.
    """
    height, width = x.shape[2] // unit, x.shape[3] // unit
    rows, columns = starts(height, tile, overlap), starts(width, tile, overlap)
    if len(rows) == len(columns) == 1:
        return function(x)
    high, wide = min(tile, height), min(tile, width)
    total = shares = torch.empty(0)
    for i, top in enumerate(rows):
        for j, left in enumerate(columns):
            part = function(x[:, :, top * unit : (top + high) * unit, left * unit : (left + wide) * unit])
            if not i and not j:
                total = part.new_zeros(*part.shape[:2], height * out, width * out, dtype=torch.float32)
                shares = torch.zeros_like(total[:1, :1])
            down = ramp(high * out, overlap * out, first=not i, last=i == len(rows) - 1)
            across = ramp(wide * out, overlap * out, first=not j, last=j == len(columns) - 1)
            share = torch.outer(down, across).to(total)
            place = (
                slice(None),
                slice(None),
                slice(top * out, (top + high) * out),
                slice(left * out, (left + wide) * out),
            )
            total[place] += share * part
            shares[place] += share
    return total / shares
