"""A network in one pass down the image: rows go in, and those rows come out that no later row can change.

A 3x3 convolution knows row y when it has seen row y + 1. It keeps the last two rows that it saw and goes on from
them when the next ones come; a skip connection waits for the longer way round. So the whole image goes through in
strips, nothing is computed twice, and the result is that of one call. At the image's top and bottom the zeros are
put in that `padding=1` would.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from restorekit.model import winograd
from restorekit.model.flow import time_steps

__all__ = [
    "SampledRows",
    "Stream",
    "StreamedConvolution",
    "StreamedHalving",
    "Waiting",
    "WalkedRows",
    "convolve",
]


class Stream(Protocol):
    """A backbone at one time t, on its way down an image."""

    def push(self, x_t: Tensor, degraded: Tensor, last: bool) -> Tensor:
        """Take the next rows, return the estimate of the clean image in the next rows that are certain.

        x_t, degraded: (B, 3, h, W); (B, 3, h', W) comes back, without rows perhaps.
        last: there are no more rows; all that is left comes back.
        """
        ...


class Waiting:
    """Rows that wait for another branch, first in, first out."""

    def __init__(self) -> None:
        self.parts: deque[Tensor] = deque()

    def add(self, rows: Tensor) -> None:
        if rows.shape[2]:
            self.parts.append(rows)

    def take(self, count: int) -> Iterator[Tensor]:
        """Take the next `count` rows, in pieces."""
        while count:
            part = self.parts.popleft()
            if part.shape[2] > count:
                self.parts.appendleft(part[:, :, count:])
                part = part[:, :, :count]
            count -= part.shape[2]
            yield part

    def add_to(self, rows: Tensor) -> Tensor:
        """Add as many waiting rows as there are, in place."""
        top = 0
        for part in self.take(rows.shape[2]):
            rows[:, :, top : top + part.shape[2]] += part
            top += part.shape[2]
        return rows


def convolve(layer: nn.Conv2d, rows: Tensor, padding: tuple[int, int] = (0, 0)) -> Tensor:
    """Apply a layer with other margins than its own; too few rows give none."""
    if rows.shape[2] < layer.kernel_size[0]:
        columns = (rows.shape[3] + 2 * padding[1] - layer.kernel_size[1]) // layer.stride[1] + 1
        return rows.new_empty(len(rows), layer.out_channels, 0, columns)
    return winograd.convolve(rows, layer.weight, layer.bias, layer.stride, padding)


class StreamedConvolution:
    """A 3x3 convolution with a margin of zeros."""

    def __init__(self, layer: nn.Conv2d) -> None:
        self.layer = layer
        self.input: Tensor | None = None  # of the kernel; between pushes what it has not passed yet

    def push(self, rows: Tensor, last: bool) -> Tensor:
        """Take the next rows, return those that are certain."""
        self.room(rows, last).copy_(rows)
        return self.convolve()

    def room(self, rows: Tensor, last: bool) -> Tensor:
        """Make room for the next input, to be written in place. rows: of its shape and type."""
        before = 1 if self.input is None else self.input.shape[2]
        batch, channels, height, width = rows.shape
        shape = (batch, channels, before + height + last, width)
        whole = torch.empty(shape, dtype=rows.dtype, device=rows.device, memory_format=winograd.memory_order())
        whole[:, :, :before] = 0 if self.input is None else self.input
        whole[:, :, before + height :] = 0
        self.input = whole
        return whole[:, :, before : before + height]

    def convolve(self) -> Tensor:
        """Compute the rows that the input so far makes certain."""
        assert self.input is not None
        output = convolve(self.layer, self.input, (0, 1))
        self.input = self.input[:, :, -2:].clone()
        return output


class StreamedHalving:
    """A 2x2 convolution of stride 2."""

    def __init__(self, layer: nn.Conv2d) -> None:
        self.layer = layer
        self.kept: Tensor | None = None

    def push(self, rows: Tensor) -> Tensor:
        if self.kept is not None:
            rows = torch.cat([self.kept, rows], 2)
        even = rows.shape[2] // 2 * 2
        self.kept = rows[:, :, even:].clone() if even < rows.shape[2] else None
        return convolve(self.layer, rows[:, :, :even])


class SampledRows:
    """`restorekit.model.flow.sample`, rows at a time: each step is a stream of its own, fed by the one before."""

    def __init__(self, begin: Callable[[float], Stream], steps: int) -> None:
        self.steps = [EulerStep(begin(t), t_next / t) for t, t_next in itertools.pairwise(time_steps(steps))]

    def push(self, degraded: Tensor, last: bool) -> Tensor:
        """Take the next rows of the degraded image, return the next restored ones."""
        x_t = degraded
        for step in self.steps:
            x_t, degraded = step.push(x_t, degraded, last)
        return x_t


class EulerStep:
    """One Euler step, x̂ + (t' / t) (x_t - x̂)."""

    def __init__(self, stream: Stream, kept: float) -> None:
        self.stream, self.kept = stream, kept
        self.x_t, self.degraded = Waiting(), Waiting()

    def push(self, x_t: Tensor, degraded: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        predicted = self.stream.push(x_t, degraded, last)
        if not self.kept:  # the last step: nobody asks for its x_t or degraded rows
            return predicted, predicted
        self.x_t.add(x_t)
        self.degraded.add(degraded)
        rows = predicted.shape[2]
        before, beside = (torch.cat([predicted[:, :, :0], *w.take(rows)], 2) for w in (self.x_t, self.degraded))
        return predicted + self.kept * (before - predicted), beside


class WalkedRows:
    """`restorekit.model.flow.walk` from a restored picture to a look, rows at a time, as in `SampledRows`."""

    def __init__(self, begin: Callable[[float], Stream], steps: int) -> None:
        self.steps = [LookStep(begin(t), steps) for t in time_steps(steps)[:-1]]

    def push(self, z: Tensor, restored: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        """Take the next rows of z_0 and of the restored picture, return the next of z_1 and of the picture."""
        for step in self.steps:
            z, restored = step.push(z, restored, last)
        return z, restored


class LookStep:
    """One Euler step of a look's flow, z + (predicted - restored) / steps."""

    def __init__(self, stream: Stream, steps: int) -> None:
        self.stream, self.steps = stream, steps
        self.z, self.restored = Waiting(), Waiting()

    def push(self, z: Tensor, restored: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        predicted = self.stream.push(z, restored, last)
        self.z.add(z)
        self.restored.add(restored)
        rows = predicted.shape[2]
        before, beside = (torch.cat([predicted[:, :, :0], *w.take(rows)], 2) for w in (self.z, self.restored))
        return before + (predicted - beside) / self.steps, beside
