"""3x3 convolutions by Winograd's minimal filtering, on CPUs that do them faster so.

F(6x6, 3x3) multiplies 64 times where the plain way does 324 times. PyTorch's own convolutions on a CPU go the
plain way; those of NNPACK, which travels inside it on Linux, do not. They want float32 in plain memory order, one
channel after another, and keep no gradient: so a network is told to go this way, `with winograd():`, and goes the
plain one everywhere else.

Lavin & Gray, "Fast algorithms for convolutional neural networks", 2016, https://arxiv.org/abs/1509.09308
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Convolution", "available", "convolve", "memory_order", "winograd"]

SMALL = 4096  # values of a channel: filters of smaller pictures take as long to prepare as to apply


class _Way(threading.local):
    on = False


_WAY = _Way()


@cache
def available() -> bool:
    """Tell whether this PyTorch carries NNPACK, and this CPU has the instructions that it needs."""
    # Asking is also what prepares it: unprepared, it fails.
    return hasattr(torch, "_nnpack_spatial_convolution") and bool(torch.backends.nnpack.is_available())


@contextmanager
def winograd(on: bool = True) -> Iterator[None]:
    """Let this thread's convolutions go that way, where they can."""
    before, _WAY.on = _WAY.on, on and available()
    try:
        yield
    finally:
        _WAY.on = before


def memory_order() -> torch.memory_format:
    """The order in which pictures should lie in memory for the way that convolutions go now."""
    return torch.contiguous_format if _WAY.on else torch.channels_last


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...] = (1, 1),
    padding: tuple[int, ...] = (0, 0),
) -> Tensor:
    """`torch.nn.functional.conv2d`, by Winograd's way where this thread goes it and the layer can.

    x: (B, C, H, W).
    weight: (O, C, h, w).
    bias: (O,).
    stride, padding: rows and columns.
    """
    if torch.is_grad_enabled() or not _WAY.on or x.dtype != torch.float32 or x.device.type != "cpu":
        return F.conv2d(x, weight, bias, stride, padding)
    if weight.shape[2:] != (3, 3) or stride != (1, 1):
        return F.conv2d(x, weight, bias, stride, padding)
    # One picture at a time: several it takes another way.
    if len(x) > 1 and padding == (1, 1) and x.shape[2] * x.shape[3] <= SMALL:
        return stacked(x, weight, bias)
    done = [torch._nnpack_spatial_convolution(one, weight, bias, padding, stride) for one in x.split(1)]
    return done[0] if len(done) == 1 else torch.cat(done)


def stacked(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve several small pictures as one, each below the other with a row of zeros between them, which is the
    padding of both: the filters are prepared once and not for each. (B, C, H, W) to (B, O, H, W)."""
    batch, channels, height, width = x.shape
    column = x.new_empty(channels, batch, height + 1, width)
    column[:, :, height] = 0
    column[:, :, :height] = x.transpose(0, 1)
    done = torch._nnpack_spatial_convolution(column.view(1, channels, -1, width), weight, bias, (1, 1), (1, 1))
    return done.view(-1, batch, height + 1, width)[:, :, :height].transpose(0, 1).contiguous()


class Convolution(nn.Conv2d):
    """`torch.nn.Conv2d` by `convolve`."""

    def forward(self, input: Tensor) -> Tensor:
        return convolve(input, self.weight, self.bias, self.stride, self.padding)  # type: ignore[arg-type]
