"""A picture and its mirror images, restored one by one and averaged: the geometric self-ensemble.

What a network gets wrong in a picture it gets wrong a little differently in its mirror image. Without the quarter
turns of the original: rain falls, and its basis never saw it lie.

Timofte et al., "Seven ways to improve example-based single image super resolution", 2016,
https://arxiv.org/abs/1511.02228
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from restorekit.image import as_values
from restorekit.tiling import extend

Progress = Callable[[int, int], None]

MIRRORED = ((), (3,), (2,), (2, 3))  # dimensions along which the picture is turned over
GRID = 16  # px; JPEG's blocks, those of colour too, lie in the mirror image where they lay


def mirrored(
    restore: Callable[[Tensor, Progress | None], Tensor],
    image: Tensor,
    dtype: torch.dtype,
    progress: Progress | None = None,
) -> Tensor:
    """The mean of what `restore` makes of the mirror images, turned back.

    restore: a picture to its restoration, float32. image: (B, 3, H, W), floating in [0, 1], uint8 or uint16; the
    same shape, of dtype. Where all are restored alike the mean is that, bit for bit. progress: called as by
    `restore`, over all of them. Takes as many times as long as there are, and 24 bytes a pixel more than one.
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
