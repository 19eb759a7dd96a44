"""Crops of what was photographed, at native resolution, for the encoder to look at.

Half of them are the most detailed cells of a grid, half its flattest: detail shows blur and low resolution, flat
ground shows noise and rain. The grid lies over the live part of the picture. Margins (black bars, a scanner's
white bed, transparent ground) and constant cells are flat without having seen a lens or a sensor, and say "no
noise" of a noisy picture. Lossless graphics (text, screenshots, pixel art, halftones) were never photographed:
there is nothing to restore in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.image import as_float

__all__ = [
    "GRID",
    "Look",
    "choose_places",
    "coarse_noise",
    "constant",
    "cut",
    "graphic",
    "live_box",
    "look_at",
    "mirror_up_to",
]

GRID = 8  # crops begin at multiples of a JPEG block
CELLS = 5  # of the grid, along a side at most
NEAR = 4 / 255  # from the middle value: a scanner's bed has noise of sigma 1
DRIFT = 8 / 255  # of a margin's colour, from its first line to its last
MARGIN = 0.97  # of a line's pixels have its colour, where the line is margin; the others are dust
CONSTANT = 0.75  # of a cell's pixels have one colour, where the cell tells nothing
HIDDEN = 0.5  # of a cell's pixels are transparent, where the cell tells nothing
FLOOR = 3.0  # of 255, of coarse noise in the calm blocks
EVEN = 1.5  # at most, between the calm blocks and the calmest
FINE = 0.62  # at most, of the floor's energy between neighbours; white noise has 1
FEW, BAND = 4, 64  # lines that are tried together for being margin, at first and then
SAMPLES = 512  # pixels of a line
STEP = 8.5 / 255  # the largest difference between neighbours that noise, a gradient or an echo of JPEG makes
CONTRAST = 64 / 255  # of graphics, between their darkest and their lightest value
COLOURS = 16  # at most, of a cell that is drawn in a palette
FEW_PIXELS = 64  # of a cell, of which most photographs show more colours
EQUAL = 0.4  # of the neighbours at least are equal in what is drawn, but for halftones
SMALL = 0.2  # at most, of the differences between the others are small ones
GRAPHIC = 0.5  # of the cells are graphics, where the picture is


@dataclass(frozen=True)
class Look:
    """Crops and live part of one picture.

    crops: (N, 3, s, s), floating.
    live: (1, 3, h, w), the picture within its margins.
    blank: whether nothing in the picture was photographed, so that there is nothing to restore.
    places: top left corners of the crops.
    """

    crops: Tensor
    live: Tensor
    blank: bool
    places: tuple[tuple[int, int], ...]


def look_at(image: Tensor, size: int, count: int, visible: Tensor | None = None) -> Look:
    """Choose native-resolution crops of a picture, and see whether anything in it was photographed.

    image: (1, 3, H, W), floating in [0, 1], uint8 or uint16; mirrored up to the size of a crop if it is smaller.
    size: side of a crop in px.
    count: number of crops at most.
    visible: (H, W), boolean, False where the picture is transparent; None for an opaque one.
    """
    live = image
    if min(image.shape[-2:]) < size:
        image = mirror_up_to(as_float(image), size)
        visible = None if visible is None else mirror_up_to(visible[None, None], size)[0, 0]
        box = live_box(image, size, visible)
    else:
        box = live_box(image, size, visible)
        live = image[..., box[0] : box[1], box[2] : box[3]]
    places = grid(box, size)
    crops = as_float(cut(image, places, size))
    telling = ~constant(crops)
    if visible is not None:
        telling &= cut(visible[None, None], places, size).float().mean((1, 2, 3)) > HIDDEN
    some = telling.nonzero()[:, 0].tolist()
    if 0 < len(some) < len(crops):
        crops, places = crops[some], [places[i] for i in some]
    blank = not some or float(graphic(crops).float().mean()) >= GRAPHIC
    chosen = ranked(crops, count)
    return Look(crops[chosen], live, blank, tuple(places[i] for i in chosen))


def choose_places(image: Tensor, size: int, count: int) -> list[tuple[int, int]]:
    """Top left corners of crops: half of them the most detailed of a grid over the picture, half its flattest.

    image: (1, 3, H, W), no side below `size`.
    """
    places = grid(live_box(image, size), size)
    return [places[i] for i in ranked(as_float(cut(image, places, size)), count)]


def cut(image: Tensor, places: Sequence[tuple[int, int]], size: int) -> Tensor:
    """The squares of `size` px whose top left corners are at `places`, of (1, C, H, W)."""
    return torch.cat([image[..., top : top + size, left : left + size] for top, left in places])


def ranked(crops: Tensor, count: int) -> list[int]:
    """Numbers of the most detailed and the flattest crops, `count` in all, in the order given. (N, 3, s, s)."""
    if len(crops) <= count:
        return list(range(len(crops)))
    # The energy of differences between neighbours, blind to single pixels of noise: on 4x4 means.
    coarse = F.avg_pool2d(crops.mean(1, keepdim=True), 4)
    steps = coarse.diff(dim=2).abs().mean((1, 2, 3)) + coarse.diff(dim=3).abs().mean((1, 2, 3))
    energies = steps.tolist()
    order = sorted(range(len(crops)), key=lambda i: -energies[i])
    flat = count // 2
    return sorted([*order[: count - flat], *order[len(order) - flat :]])


def grid(box: tuple[int, int, int, int], size: int) -> list[tuple[int, int]]:
    """Top left corners of cells over a box, (top, bottom, left, right), no side below `size`."""
    top, bottom, left, right = box
    rows, columns = crop_origins(bottom - top, size), crop_origins(right - left, size)
    return [(top + row, left + column) for row in rows for column in columns]


def crop_origins(length: int, size: int, most: int = CELLS) -> list[int]:
    """Evenly spread starts of crops along one side, multiples of GRID."""
    free = length - size
    number = min(most, 1 + free // (size // 2)) if free >= GRID else 1
    return sorted({round(free * (i + 0.5) / number) // GRID * GRID for i in range(number)})


def live_box(image: Tensor, size: int, visible: Tensor | None = None) -> tuple[int, int, int, int]:
    """Find what lies within margins of one colour: (top, bottom, left, right), no side below `size`.

    image: (1, 3, H, W), no side below `size`. visible: (H, W), boolean. Corners are multiples of GRID but at the
    picture's own edges. A picture that is margin throughout is live as a whole.
    """
    height, width = image.shape[-2:]
    rows, columns = (0, height), (0, width)
    if visible is not None and bool(visible.any()):
        rows, columns = (extent(visible.any(dim)) for dim in (1, 0))
    pixels = image[0, :, slice(*rows), slice(*columns)]
    above, below = margin(pixels), margin(pixels.flip(1))
    if above + below >= pixels.shape[1]:
        return 0, height, 0, width
    rows = rows[0] + above, rows[1] - below
    across = pixels[:, above : pixels.shape[1] - below].transpose(1, 2)
    before, behind = margin(across), margin(across.flip(1))
    if before + behind >= across.shape[1]:
        return 0, height, 0, width
    columns = columns[0] + before, columns[1] - behind
    return *on_grid(rows, height, size), *on_grid(columns, width, size)


def on_grid(span: tuple[int, int], length: int, size: int) -> tuple[int, int]:
    """The span shrunk to multiples of GRID, where it is not the whole length, and grown to at least `size`."""
    start = -(-span[0] // GRID) * GRID
    end = span[1] if span[1] == length else span[1] // GRID * GRID
    if end - start < size:
        start = min(max(0, (span[0] + span[1] - size) // 2 // GRID * GRID), length - size)
        end = start + size
    return start, end


def extent(present: Tensor) -> tuple[int, int]:
    """First place and one past the last of what is True. present: (N,), boolean, True somewhere."""
    places = present.nonzero().flatten()
    return int(places[0]), int(places[-1]) + 1


def margin(pixels: Tensor) -> int:
    """Count the lines at the top that have one colour, the same for all. pixels: (3, H, W), as in a file."""
    sampled = pixels[..., :: max(1, pixels.shape[2] // SAMPLES)]
    first: Tensor | None = None
    start = 0
    while start < pixels.shape[1]:
        band = as_float(sampled[:, start : start + (BAND if start else FEW)])
        middle = band.median(2).values  # (3, lines)
        first = middle[:, :1] if first is None else first
        near = ((band - middle[..., None]).abs() <= NEAR).all(0).float().mean(1) >= MARGIN
        same = near & ((middle - first).abs() <= DRIFT).all(0)
        if not bool(same.all()):
            return start + int(same.long().argmin())
        start += len(same)
    return pixels.shape[1]


def constant(crops: Tensor) -> Tensor:
    """Tell whether most of a crop has one colour but for noise of sigma 1. crops: (N, 3, s, s), floating."""
    some = crops[..., ::3, ::3].flatten(2)
    middle = some.median(2, keepdim=True).values
    return ((some - middle).abs() <= NEAR).all(1).float().mean(1) >= CONSTANT


def graphic(crops: Tensor) -> Tensor:
    """Tell whether a crop was drawn and not photographed. crops: (N, 3, s, s), floating in [0, 1]; (N,), boolean.

    Drawn things have neighbours that are equal or differ clearly, or a few colours only, as in a halftone; a lens,
    a sensor, JPEG and resizing all leave small differences.
    """
    contrast = crops.amax((1, 2, 3)) - crops.amin((1, 2, 3)) >= CONTRAST
    # Differences along every second line tell as much as all of them.
    down, across = crops[..., ::2].diff(dim=2), crops[..., ::2, :].diff(dim=3)
    step = torch.cat([part.abs_().amax(1).flatten(1) for part in (down, across)], 1)  # (N, differences)
    equal = (step == 0).float().mean(1)
    small = (step <= STEP).float().mean(1) - equal
    drawn = contrast & (small <= SMALL * (1 - equal))
    unsure = drawn & (equal < EQUAL)
    if bool(unsure.any()):
        drawn[unsure] = ~many_coloured(crops[unsure])
    return drawn


def many_coloured(crops: Tensor) -> Tensor:
    """Tell whether a crop has more than COLOURS colours among every fourth pixel, of 8 bits a channel.

    crops: (N, 3, s, s), in [0, 1]; (N,), boolean.
    """
    levels = torch.tensor([1.0, 256.0, 65536.0], device=crops.device).view(1, 3, 1)
    codes = ((255 * crops[..., ::2, ::2]).round().flatten(2) * levels).sum(1)
    many = distinct(codes[:, :: max(1, codes.shape[1] // FEW_PIXELS)]) > COLOURS  # as nearly all photographs
    if not bool(many.all()):
        many[~many] = distinct(codes[~many]) > COLOURS
    return many


def distinct(codes: Tensor) -> Tensor:
    """Number of different values in each row of (N, M); (N,)."""
    return (codes.sort(1).values.diff(dim=1) != 0).sum(1) + 1


def coarse_noise(crops: Tensor) -> bool:
    """Tell whether crops of one picture may hold noise whose grain is wider than a pixel, (N, 3, s, s), in [0, 1].

    Such noise has less energy between neighbours than between pairs of pixels (Haar wavelets of the first and the
    second level), and the same in every flat place: the calm blocks of 16 px have one floor, which is not low. In
    a blurred photograph the calm blocks differ, and the calmest are empty.
    """
    luma = 255 * crops.mean(1, keepdim=True)
    floors = []
    for side in (8, 4):
        luma, detail = haar(luma)
        # A slope has the same detail throughout a block, and is not noise: hence the variance.
        energy = F.avg_pool2d(detail.square(), side) - F.avg_pool2d(detail, side).square()
        blocks = energy.mean(1).clamp_min(0).sqrt().flatten()
        floors.append(blocks.quantile(torch.tensor([0.02, 0.1, 0.25], device=blocks.device)))
    fine, (calmest, floor, calm) = floors[0][1], floors[1]
    return bool((floor >= FLOOR) & (calm <= EVEN * calmest) & (fine <= FINE * floor))


def haar(image: Tensor) -> tuple[Tensor, Tensor]:
    """Orthonormal Haar wavelets: (N, 1, H, W) to means, (N, 1, H/2, W/2), and details, (N, 3, H/2, W/2)."""
    a, b, c, d = (image[..., row::2, column::2] for row in (0, 1) for column in (0, 1))
    return (a + b + c + d) / 2, torch.cat([a - b + c - d, a + b - c - d, a - b - c + d], 1) / 2


def mirror_up_to(image: Tensor, size: int) -> Tensor:
    """Repeat a small picture mirrored until both sides reach `size`. image: (B, C, H, W)."""
    for dim in (2, 3):
        while image.shape[dim] < size:
            missing = size - image.shape[dim]
            image = torch.cat([image, image.flip(dim).narrow(dim, 0, min(missing, image.shape[dim]))], dim)
    return image
