"""Masks from files: how white a picture is, pixel by pixel."""

import os

import torch
from torch import Tensor

from restorekit.image.picture import Picture
from restorekit.image.pixels import bands, luma
from restorekit.image.reading import read_image
from restorekit.image.values import as_float, as_values

__all__ = ["mask_of", "read_mask"]


def read_mask(path: str | os.PathLike[str]) -> Tensor:
    """Read a mask from a picture file, upright: its luma times its alpha. Shape (H, W), of the file's own type."""
    return mask_of(read_image(path))


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
