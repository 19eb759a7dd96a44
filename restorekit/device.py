"""Where, in which number format and in how large pieces to compute: by what there is and what is measured."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F

from restorekit.errors import DeviceError
from restorekit.machine import free_memory, multiplies_bf16

LARGEST_TILE = {"cpu": 1024, "cuda": 2048, "mps": 1024}  # px; more is no faster
TILE_BYTES = 600  # of activations of the embedded backbone for each pixel of a tile
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
WORTH = 1.2  # bf16 is taken where it is so many times as fast; its results are 56 dB from fp32's


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" is the best one there is."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"no device {name!r}; use auto, cpu, cuda or mps") from None
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (device.index or 0) >= there.get(device.type, 0):
        raise DeviceError(f"device {name!r} is not available here; use --device auto or cpu")
    return device


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The precision of that name; "auto" is bf16 on a GPU that multiplies it, and on a CPU where it pays."""
    if name == "auto":
        if device.type == "cuda":
            return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return torch.bfloat16 if device.type == "cpu" and bf16_pays() else torch.float32
    if name not in PRECISIONS:
        raise DeviceError(f"no precision {name!r}; use auto, {', '.join(PRECISIONS)}")
    return PRECISIONS[name]


def name_of_precision(dtype: torch.dtype) -> str:
    """As `--precision` has it."""
    return next(name for name, precision in PRECISIONS.items() if precision == dtype)


@cache
def bf16_pays() -> bool:
    """Whether this CPU convolves faster in bf16. Where it says it has instructions for it, they are timed, for
    a tenth of a second, once in a process: a CPU may have them and be no faster."""
    if not multiplies_bf16():
        return False
    full, half = convolution_seconds((torch.float32, torch.bfloat16))
    return half * WORTH < full


def autocast(device: str, dtype: torch.dtype) -> torch.autocast:
    """Around a network: it computes in that number format; fp32 is left as it is. device: its type, as "cpu"."""
    return torch.autocast(device, dtype, enabled=dtype != torch.float32)


@torch.inference_mode()
def convolution_seconds(dtypes: Sequence[torch.dtype]) -> list[float]:
    """The fastest of five convolutions such as the backbone is made of, in each type; taken in turns, so that
    other work on the machine slows all alike."""
    sizes = ((1, 64, 128, 128), (64, 64, 3, 3))
    pairs = [
        [torch.randn(size, dtype=dtype).contiguous(memory_format=torch.channels_last) for size in sizes]
        for dtype in dtypes
    ]
    seconds = [math.inf] * len(dtypes)
    for turn in range(6):  # the first prepares
        for i, (x, weight) in enumerate(pairs):
            started = time.perf_counter()
            F.conv2d(x, weight, padding=1)
            if turn:
                seconds[i] = min(seconds[i], time.perf_counter() - started)
    return seconds


def auto_tile(device: torch.device) -> int:
    """Side of the largest tile that is of use and takes a quarter of the free memory at most, px."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()
    largest = LARGEST_TILE.get(device.type, 1024)
    return largest if free is None else max(1, min(largest, int((free / 4 / TILE_BYTES) ** 0.5)))
