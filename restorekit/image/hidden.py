"""Colours under transparency: nobody sees them, so they decide nothing and bleed into nothing.

Files keep colours where alpha is 0: black, the background that was cut away, or noise. Before a picture is looked
at and restored they are replaced by what is visible around them; afterwards the file's own come back. Along the
rim the visible is mirrored: means have no noise, and beside what has none a restorer takes noise for texture.
Push-pull: Gortler et al., "The lumigraph", 1996, https://doi.org/10.1145/237170.237200
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.image.pixels import bands
from restorekit.image.values import as_float, as_values

__all__ = ["fill_hidden", "give_back_hidden"]

RIM = 16  # px that are mirrored
AROUND = [(down, right) for down in (0, -1, 1) for right in (0, -1, 1) if down or right]
REACH = 2  # px of the picture before it is enlarged; bicubic enlargement looks so far


def fill_hidden(image: Tensor, visible: Tensor) -> Tensor:
    """Replace hidden colours by the visible ones, mirrored, or, farther than RIM px, by the mean of those nearby,
    ever wider where none are near.

    image: (1, 3, H, W), floating in [0, 1], uint8 or uint16; the same type out.
    visible: (H, W), boolean; where nothing is visible, nothing is replaced.
    """
    if not bool(visible.any()):
        return image
    height, width = visible.shape
    rows, columns = -(-height // 2), -(-width // 2)
    sums = torch.zeros(1, 4, rows, columns)  # of colours and of visible pixels, over 2 x 2 of them
    for band in even_bands(height, width):
        shown = visible[band][None, None].float()
        part = torch.cat([as_float(image[..., band, :]) * shown, shown], 1)
        part = F.pad(part, (0, width % 2, 0, part.shape[2] % 2))
        sums[..., band.start // 2 : band.start // 2 + part.shape[2] // 2, :] = 4 * F.avg_pool2d(part, 2)
    coarse = pulled(sums)
    filled = image.clone()
    for band in even_bands(height, width):
        near = coarse[..., band.start // 2 : -(-band.stop // 2), :].repeat_interleave(2, 2).repeat_interleave(2, 3)
        near = near[..., : band.stop - band.start, :width]
        filled[..., band, :] = torch.where(
            visible[band].expand_as(near), as_widest(image[..., band, :]), as_widest(as_values(near, image.dtype))
        ).to(image.dtype)
    for band in even_bands(height, width):
        mirror_rim(filled, image, visible, band)
    return filled


def mirror_rim(filled: Tensor, image: Tensor, visible: Tensor, band: slice) -> None:
    """Mirror visible pixels of the image into hidden ones beside them, in a band of `filled`; shapes as above."""
    height, width = visible.shape
    first, last = max(0, band.start - RIM), min(height, band.stop + RIM)
    near = F.max_pool2d(visible[first:last][None, None].float(), 2 * RIM + 1, 1, RIM)[0, 0] > 0
    near = near[band.start - first : band.stop - first] & ~visible[band]
    rows, columns = near.nonzero(as_tuple=True)
    rows = rows + band.start
    for distance in range(1, RIM + 1):
        for down, right in AROUND:
            if not len(rows):
                return
            places = []  # of the first visible pixel on this way, and of the hidden one's mirror image there
            for steps in (distance, 2 * distance - 1):
                there = rows + steps * down, columns + steps * right
                inside = (there[0] >= 0) & (there[0] < height) & (there[1] >= 0) & (there[1] < width)
                clamped = there[0].clamp(0, height - 1), there[1].clamp(0, width - 1)
                places.append((inside & visible[clamped], *clamped))
            (hit, *edge), (mirrored, *image_there) = places
            sources = [torch.where(mirrored, far, at)[hit] for far, at in zip(image_there, edge, strict=True)]
            as_bits(filled)[..., rows[hit], columns[hit]] = as_bits(image)[..., sources[0], sources[1]]
            rows, columns = rows[~hit], columns[~hit]


def give_back_hidden(restored: Tensor, original: Tensor, visible: Tensor, scale: int = 1) -> Tensor:
    """Put the original's hidden colours where nothing visible is near.

    restored: (1, 3, scale H, scale W). original: (1, 3, H, W), or enlarged already; of any type that `as_float`
    takes. visible: (H, W), boolean. Returns `restored`, changed in place.
    """
    near = visible[None, None].float()
    if scale > 1:
        near = F.max_pool2d(near, 2 * REACH + 1, 1, REACH).repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    hidden = near[0, 0] == 0
    height, width = restored.shape[-2:]
    for band in bands(height, width):
        if not bool(hidden[band].any()):
            continue
        if scale > 1:
            first, last = band.start // scale, -(-band.stop // scale)
            own = original[..., first:last, :].repeat_interleave(scale, 2).repeat_interleave(scale, 3)
            own = own[..., band.start - first * scale : band.stop - first * scale, :]
        else:
            own = original[..., band, :]
        if own.dtype != restored.dtype:
            own = as_values(as_float(own), restored.dtype)
        part = restored[..., band, :]
        mixed = torch.where(hidden[band].expand_as(part), as_widest(own), as_widest(part))
        restored[..., band, :] = mixed.to(part)
    return restored


def pulled(sums: Tensor) -> Tensor:
    """Means of a pyramid's finest level that has any; sums: (1, 4, H, W), of colours and of their number."""
    colours, count = sums[:, :3], sums[:, 3:]
    means = colours / count.clamp_min(1e-9)
    if bool((count > 0).all()):  # at the latest where one cell is left
        return means
    height, width = sums.shape[-2:]
    # A cell counts as one however many of its pixels are visible, so that a cut-out's rim weighs as its middle.
    present = (count > 0).float()
    level = F.pad(torch.cat([means * present, present], 1), (0, width % 2, 0, height % 2))
    coarse = pulled(4 * F.avg_pool2d(level, 2))
    near = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)[..., :height, :width]
    return torch.where(count > 0, means, near)


def even_bands(height: int, width: int) -> list[slice]:
    """Rows, a few at a time, each band beginning at an even one."""
    step = max(2, (2**20 // max(1, width)) // 2 * 2)
    return [slice(top, min(height, top + step)) for top in range(0, height, step)]


def as_bits(values: Tensor) -> Tensor:
    """The same memory in a type that can be indexed: uint16 cannot."""
    return values.view(torch.int16) if values.dtype == torch.uint16 else values


def as_widest(values: Tensor) -> Tensor:
    """The values in a type for which `torch.where` is known: it knows no uint16."""
    return values.to(torch.int32) if values.dtype == torch.uint16 else values
