"""Pieces of pictures to be shown: cut, reduced, and written for a browser."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from restorekit.files import FORMATS

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.image import Picture

__all__ = ["bare", "box_around", "data_uri", "fitted", "reduced", "restored_name"]

ALL = slice(None)
BAND = 2**20  # pixels that are floating at a time
SEEN = 92  # quality of reduced pictures
TYPES = {".png": "image/png", ".jpg": "image/jpeg"}


def bare(picture: Picture, rows: slice = ALL, columns: slice = ALL) -> Picture:
    """Part of a picture with what its colours need, and nothing else of the file."""
    alpha = None if picture.alpha is None else picture.alpha[rows, columns]
    mode = "rgb" if picture.mode == "cmyk" else picture.mode
    values = picture.values[..., rows, columns]
    return replace(
        picture.stripped(), values=values, alpha=alpha, mode=mode, inks=None, ink_profile=None, jpeg=None, notes=()
    )


def reduced(picture: Picture, longest: int) -> Picture:
    """A picture whose longer side has at most that many pixels, each the mean of a square."""
    import torch
    import torch.nn.functional as F

    from restorekit.image import as_float, as_values

    values = picture.values
    height, width = values.shape[-2:]
    side = -(-max(height, width) // longest)
    if side == 1:
        return bare(picture)
    step = side * max(1, BAND // (width * side))
    bands = [
        as_values(F.avg_pool2d(as_float(values[..., top : top + step, :]), side, ceil_mode=True), values.dtype)
        for top in range(0, height, step)
    ]
    return replace(bare(picture), values=torch.cat(bands, -2))


def fitted(mask: Tensor, height: int, width: int) -> Tensor:
    """A mask over a whole picture, (h, w), uint8, brought to the picture's size; floating in [0, 1]."""
    import torch.nn.functional as F

    from restorekit.image import as_float

    values = as_float(mask)[None, None]  # (1, 1, h, w)
    if mask.shape != (height, width):
        values = F.interpolate(values, (height, width), mode="bilinear", align_corners=False)
    return values[0, 0]


def box_around(point: tuple[float, float], side: int, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a square around a point, moved so that it lies within the picture, smaller
    where the picture is. point: in shares of width and height."""
    wide, high = min(side, width), min(side, height)
    left = min(max(0, round(point[0] * width - wide / 2)), width - wide)
    top = min(max(0, round(point[1] * height - high / 2)), height - high)
    return left, top, left + wide, top + high


def data_uri(picture: Picture, *, exact: bool = False) -> str:
    """A picture as an address that holds it. exact: without loss, and four times as large."""
    from restorekit.image import encode

    ending = ".png" if exact or picture.alpha is not None else ".jpg"
    content = encode(Path(f"view{ending}"), picture.values, picture, quality=None if ending == ".png" else SEEN)
    assert isinstance(content.content, bytes)
    return f"data:{TYPES[ending]};base64,{base64.b64encode(content.content).decode()}"


def restored_name(name: str) -> str:
    """Name of a restored file, as `restorekit restore` gives it beside its source."""
    path = Path(name)
    ending = path.suffix if path.suffix.lower() in FORMATS else ".png"
    return f"{path.stem}.restored{ending}"
