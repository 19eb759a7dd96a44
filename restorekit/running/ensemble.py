"""A picture and its mirror images, restored one by one and averaged: the geometric self-ensemble.

A network is wrong a little differently in the mirror image. The quarter turns of the original are left out: rain
falls, and its basis never saw it lie.

Timofte et al., "Seven ways to improve example-based single image super resolution", 2016,
https://arxiv.org/abs/1511.02228
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from restorekit.image import as_values
from restorekit.running.tiling import extend

__all__ = ["GRID", "MIRRORED", "Progress", "mirrored"]

Progress = Callable[[int, int], None]

MIRRORED = ((), (3,), (2,), (2, 3))  # dimensions along which the picture is turned over
GRID = 16  # px; JPEG's blocks, those of colour too, lie in the mirror image where they lay


def mirrored(
    restore: Callable[[Tensor, Progress | None], Tensor],
    image: Tensor,
    dtype: torch.dtype,
    progress: Progress | None = None,
) -> Tensor:
    """The mean of the restored mirror images, turned back, in the shape of the image.

    restore: maps a picture to its restoration, float32.
    image: (B, 3, H, W), floating in [0, 1], uint8 or uint16.
    dtype: type of the result.
    progress: called as by `restore`, over all of them.

    Where all are restored alike the mean is that, bit for bit. Takes four times as long, and 24 bytes a pixel more
    than one.
    """
    height, width = image.shape[2:]
    extended = extend(image, GRID)
    mean = torch.empty(0)
    for number, dims in enumerate(MIRRORED):
        part = restore(extended.flip(dims), after(progress, number)).flip(dims)
        mean = mean.lerp_(part, 1 / (number + 1)) if number else part
    return as_values(mean[:, :, :height, :width], dtype)


def after(progress: Progress | None, number: int) -> Progress | None:
    """Progress of the `number`-th of all mirror images."""
    if progress is None:
        return None
    return lambda done, total: progress(number * total + done, len(MIRRORED) * total)
