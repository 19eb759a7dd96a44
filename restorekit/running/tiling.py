"""Tiling: a large image through a network in pieces, with the result of one piece.

A convolutional network pads with zeros inside, so near the edge of a tile it sees what is not there. A pixel
at least `halo` from the edge (the receptive radius, or more) never notices:

    apply_tiled(f, image)[core] = f(image[window])[core],    core = window less halo at inner edges

The cores cover the image once. At the image's own border nothing is discarded: the whole image meets the
same zeros there. A network that down-samples by `multiple` works on a grid; tiles begin and end on it.

A network that can go down an image row by row (`restorekit.model.streaming`) needs no halo above and below: strips
as wide as the image follow each other, and only an image too wide for that is cut into columns that overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TypedDict

import torch
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.image import as_float, as_values, check_batch

__all__ = ["Beside", "Grid", "Tile", "apply_in_strips", "apply_tiled", "extend", "tile_boxes"]

Beside = Callable[
    [slice, slice], Tensor
]  # rows and columns of an image to (B, C, h, w), of further channels there


class Grid(TypedDict):
    """Sizes of tiles and strips in px, as in `tile_boxes`."""

    tile: int
    halo: int
    multiple: int


@dataclass(frozen=True)
class Tile:
    """Rows y0:y1 and columns x0:x1 are read; rows top:bottom and columns left:right of them are kept.

    All in pixels of the image.
    """

    y0: int
    y1: int
    x0: int
    x1: int
    top: int
    bottom: int
    left: int
    right: int


@dataclass(frozen=True)
class _Span:
    """One tile along one axis: start:stop is read, first:last is kept."""

    start: int
    stop: int
    first: int
    last: int


def tile_boxes(height: int, width: int, tile: int, halo: int, multiple: int) -> tuple[Tile, ...]:
    """Tiles of equal size, at most tile x tile, row by row, whose cores cover height x width once.

    height, width: multiples of `multiple`.
    tile: the greatest side of a read window.
    halo: the pixels discarded at an inner edge.

    Tiles are as small as their number allows, so that an image a little larger than a tile does not cost two full
    ones.
    """
    if min(height, width, multiple) < 1 or halo < 0 or height % multiple or width % multiple:
        raise ImageError(
            f"cannot tile {height}x{width} with halo {halo}: sides must be positive multiples of {multiple}; "
            "pad the image first"
        )
    overlap = _round_up(2 * halo, multiple)
    if tile < overlap + multiple:
        raise ImageError(
            f"a tile of {tile} pixels has no room for a halo of {halo} on both sides; "
            f"use at least {overlap + multiple}"
        )
    return tuple(
        Tile(y.start, y.stop, x.start, x.stop, y.first, y.last, x.first, x.last)
        for y in _spans(height, tile, overlap, multiple)
        for x in _spans(width, tile, overlap, multiple)
    )


def apply_tiled(
    function: Callable[[Tensor], Tensor],
    image: Tensor,
    *,
    tile: int,
    halo: int,
    multiple: int,
    dtype: torch.dtype | None = None,
    progress: Callable[[int, int], None] | None = None,
    beside: Beside | None = None,
) -> Tensor:
    """Run function over overlapping tiles of image. Equals function(image) where halo covers its radius.

    function: maps (B, 3, h, w) to (B, 3, h, w), for any h and w that are multiples of `multiple`.
    image: shape (B, 3, H, W), of any size, floating, uint8 or uint16; only a tile of it is made floating at a
        time. It is extended to the grid by reflection, and the result cropped to its shape.
    tile, halo, multiple: px, as in `tile_boxes`.
    dtype: type of the result; None is that of the function's.
    progress: called with (tiles done, tiles in all) after each.
    beside: gives further channels, which the function gets behind the image's own three.
    """
    check_batch(image)
    height, width = image.shape[2:]
    tiles = tile_boxes(_round_up(height, multiple), _round_up(width, multiple), tile, halo, multiple)
    result = image
    for done, box in enumerate(tiles, start=1):
        window = extend(part_of(image, slice(box.y0, box.y1), slice(box.x0, box.x1), beside), multiple)
        output = function(window)
        if output.shape != window[:, :3].shape:
            shapes = f"{tuple(output.shape)} of a tile {tuple(window.shape)}"
            raise ImageError(f"the function made {shapes}; give one that keeps the shape")
        if done == 1:  # only now: under autocast the output's type is not the input's
            result = output.new_empty(image.shape, dtype=dtype)
        rows, columns = slice(box.top, min(box.bottom, height)), slice(box.left, min(box.right, width))
        core = output[
            :, :, rows.start - box.y0 : rows.stop - box.y0, columns.start - box.x0 : columns.stop - box.x0
        ]
        result[:, :, rows, columns] = as_values(core, result.dtype)
        if progress is not None:
            progress(done, len(tiles))
    return result


def apply_in_strips(
    begin: Callable[[], Callable[[Tensor, bool], Tensor]],
    image: Tensor,
    *,
    tile: int,
    halo: int,
    multiple: int,
    dtype: torch.dtype | None = None,
    progress: Callable[[int, int], None] | None = None,
    beside: Beside | None = None,
) -> Tensor:
    """Run a network over image in strips of at most tile * tile pixels, each computed once.

    begin: starts at the top of a column and returns push(rows, last), which takes the next rows, (B, 3, h, w), and
        returns those of the result that are certain.

    A strip has halo rows at least. The other arguments as in `apply_tiled`.
    """
    check_batch(image)
    height, width = image.shape[2:]
    overlap = _round_up(2 * halo, multiple)
    columns = _spans(_round_up(width, multiple), max(tile**2 // halo, overlap + multiple), overlap, multiple)
    most = max(multiple, tile**2 // (columns[0].stop - columns[0].start) // multiple * multiple)
    rows = _round_up(-(-height // -(-height // most)), multiple)  # strips of one height, few as they can be
    strips = range(0, max(1, height - multiple + 1), rows)  # the last has what the reflection below it needs
    result = image
    for i, column in enumerate(columns):
        push, written = begin(), 0
        left, right = column.first, min(column.last, width)
        for j, top in enumerate(strips):
            last = j == len(strips) - 1
            below = slice(top, height if last else top + rows)
            part = part_of(image, below, slice(column.start, column.stop), beside)
            output = push(extend(part, multiple), last)[:, :, : height - written]
            if i == j == 0:
                result = output.new_empty(image.shape, dtype=dtype)
            core = output[..., left - column.start : right - column.start]
            result[:, :, written : written + core.shape[2], left:right] = as_values(core, result.dtype)
            written += core.shape[2]
            if progress is not None:
                progress(i * len(strips) + j + 1, len(columns) * len(strips))
    return result


def part_of(image: Tensor, rows: slice, columns: slice, beside: Beside | None) -> Tensor:
    """Part of an image, floating, with the channels beside it; rows and columns end within the image or beyond."""
    part = as_float(image[:, :, rows, columns])
    if beside is None:
        return part
    height, width = image.shape[2:]
    more = beside(slice(rows.start, min(rows.stop, height)), slice(columns.start, min(columns.stop, width)))
    return torch.cat([part, more.to(part)], 1)


def _spans(length: int, tile: int, overlap: int, multiple: int) -> tuple[_Span, ...]:
    """overlap: twice the halo, rounded up to the grid."""
    if length <= tile:
        return (_Span(0, length, 0, length),)
    most = tile // multiple * multiple - overlap  # the furthest one tile may begin after another
    number = -(-(length - overlap) // most)
    stride = _round_up(-(-(length - overlap) // number), multiple)  # <= most
    size = stride + overlap
    starts = [*range(0, length - size, stride), length - size]  # the last is moved back inside
    # Neighbours part in the middle of what both read: halo or more from the edge of either.
    cuts = [0, *((before + size + after) // 2 for before, after in pairwise(starts)), length]
    return tuple(_Span(start, start + size, cuts[i], cuts[i + 1]) for i, start in enumerate(starts))


def extend(image: Tensor, multiple: int) -> Tensor:
    """Extend an image, (B, 3, H, W), of any type, to the grid, on the right and at the bottom: by reflection, by
    repetition where there is too little to reflect."""
    for dim in (2, 3):
        size = image.shape[dim]
        lacking = -size % multiple
        if lacking:
            start, length = (size - 1 - lacking, lacking) if lacking < size else (size - 1, 1)
            more = image.narrow(dim, start, length).flip(dim)
            more = more if length == lacking else more.expand(*(lacking if d == dim else -1 for d in range(4)))
            image = torch.cat((image, more), dim)
    return image


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
