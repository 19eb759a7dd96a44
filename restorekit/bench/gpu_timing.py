"""Timing on a CUDA device: medians after two runs that do not count, read when the device has finished."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Timed", "picture", "timed"]


@dataclass(frozen=True)
class Timed:
    """One thing timed.

    seconds: median.
    megapixels: in one run; 0 where no picture is made.
    memory: bytes that torch took at most, weights included.
    """

    what: str
    precision: str
    seconds: float
    megapixels: float
    memory: int


def timed(
    what: str, precision: str, run: Callable[[], object], *, megapixels: float = 0.0, rounds: int = 9
) -> Timed:
    """Time something on the present CUDA device.

    what, precision, megapixels: as in `Timed`.
    run: done twice before the clock counts.
    rounds: that count.
    """
    import torch

    torch.cuda.reset_peak_memory_stats()
    seconds = []
    for turn in range(rounds + 2):
        torch.cuda.synchronize()
        started = time.perf_counter()
        run()
        torch.cuda.synchronize()
        if turn >= 2:
            seconds.append(time.perf_counter() - started)
    return Timed(what, precision, statistics.median(seconds), megapixels, torch.cuda.max_memory_allocated())


def picture(height: int, width: int) -> Tensor:
    """A smooth picture with noise of sigma 25 as a file has it, (1, 3, H, W), uint8."""
    import torch

    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, height // 16, width // 16, generator=generator)
    clean = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    noisy = 255 * clean + 25 * torch.randn(clean.shape, generator=generator)
    return noisy.round().clamp(0, 255).byte()
