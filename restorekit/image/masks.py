"""Masks from files: how white a picture is, pixel by pixel; and their edges, softened.

soft = mask * window        window: raised cosine, (1 + cos(pi d / (R + 1))) / 2 within R px, by row and column
"""

import math
import os

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.image.picture import Picture
from restorekit.image.pixels import bands, luma
from restorekit.image.reading import read_image
from restorekit.image.values import as_float, as_values

__all__ = ["MOST_FEATHER", "feathered", "mask_of", "read_mask"]

MOST_FEATHER = 200  # px


def read_mask(path: str | os.PathLike[str], feather: int = 0) -> Tensor:
    """Read a mask from a picture file, upright: its luma times its alpha. Shape (H, W), of the file's own type, or
    float32 in [0, 1] with a feather. feather: as in `feathered`."""
    return feathered(mask_of(read_image(path)), feather)


def mask_of(picture: Picture) -> Tensor:
    """Take a picture for a mask; as `read_mask`."""
    values = picture.values
    mask = torch.empty(values.shape[2:], dtype=values.dtype)
    for band in bands(*mask.shape):
        share = luma(as_float(values[0, :, band]))[0]
        if picture.alpha is not None:
            share = share * as_float(picture.alpha[band])
        mask[band] = as_values(share, mask.dtype)
    return mask


def feathered(mask: Tensor, feather: int) -> Tensor:
    """Soften the edges of a mask: over `feather` pixels to both sides white fades into black.

    A pixel with nothing but white, or nothing but black, in the square that reaches `feather` pixels to each side
    stays exactly that. Beyond its border a mask goes on as it is there.

    mask: shape (H, W), floating in [0, 1], uint8 or uint16.
    feather: px, 0 to MOST_FEATHER; at 0 the mask itself is given back, else float32 in [0, 1].

    Raises ImageError for another feather.
    """
    if not 0 <= feather <= MOST_FEATHER:
        raise ImageError(f"a feather must be 0 to {MOST_FEATHER} pixels, got {feather}")
    if not feather:
        return mask
    places = torch.arange(-feather, feather + 1)
    window = 1 + torch.cos(math.pi * places / (feather + 1))
    window = (window / window.sum()).view(1, 1, 1, -1)
    share = as_float(mask)[None, None]  # (1, 1, H, W)

    def softened(values: Tensor) -> Tensor:
        rows = F.conv2d(F.pad(values, (feather, feather, 0, 0), mode="replicate"), window)
        return F.conv2d(F.pad(rows, (0, 0, feather, feather), mode="replicate"), window.transpose(2, 3))

    light = softened(share)
    # Counted from the nearer end: sums of zeros are exact, sums of ones are not.
    return torch.where(light < 0.5, light, 1 - softened(1 - share))[0, 0].clamp(0, 1)
