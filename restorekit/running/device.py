"""Device, number format and size of a tile: by what there is, and by what was measured once on this machine.

Formats and tiles change the last bits of a result. So that the same command makes the same bytes, the measurement
is kept, and the tile goes by all the memory there is, not by what is free at the moment.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import cache

import torch

from restorekit.errors import DeviceError
from restorekit.machine import all_memory, fast_bf16, free_memory, multiplies_bf16, multiplies_fp16, processor
from restorekit.model.backbone.blocks import Block
from restorekit.model.winograd import available, memory_order, winograd
from restorekit.running.remembered import once

__all__ = [
    "LARGEST_TILE",
    "PRECISIONS",
    "TILE_BYTES",
    "WORTH",
    "auto_tile",
    "autocast",
    "bf16_pays",
    "block_seconds",
    "choose_device",
    "choose_precision",
    "goes_by_winograd",
    "name_of_precision",
    "slower_than_fp32",
    "winograd_pays",
]

LARGEST_TILE = {"cpu": 1024, "cuda": 2048, "mps": 1024}  # px; more is no faster
TILE_BYTES = 600  # of activations of the embedded backbone for each pixel of a tile
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
WORTH = 1.1  # times as fast as fp32 that bf16 has to be; its results are 56 dB from fp32's


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" is the best one there is."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise DeviceError(f"no device {name!r}; use auto, cpu, cuda or mps") from None
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (device.index or 0) >= there.get(device.type, 0):
        raise DeviceError(f"device {name!r} is not available here; use --device auto or cpu")
    return device


def choose_precision(name: str, device: torch.device, *, gradients: bool = False) -> torch.dtype:
    """The precision of that name; "auto" is bf16 on a GPU that multiplies it, and on a CPU where it pays.

    gradients: whether it is for training, which has no Winograd's way (`restorekit.model.winograd`).
    """
    if name == "auto":
        if device.type == "cuda":
            return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return torch.bfloat16 if device.type == "cpu" and bf16_pays(gradients) else torch.float32
    if not isinstance(name, str) or name not in PRECISIONS:
        raise DeviceError(f"no precision {name!r}; use auto, {', '.join(PRECISIONS)}")
    return PRECISIONS[name]


def name_of_precision(dtype: torch.dtype) -> str:
    """The name that `--precision` has for it."""
    return next(name for name, precision in PRECISIONS.items() if precision == dtype)


@cache
def bf16_pays(gradients: bool = False) -> bool:
    """Tell whether this CPU convolves faster in bf16 than in fp32, by the plain way or Winograd's.

    gradients: whether they are wanted, which Winograd's way does not have.

    A CPU may have instructions for it and be no faster: so they are timed, for a tenth of a second, once on a
    machine, and the answer is kept. Where nothing can be kept, it is the one known of the processor's kind.
    """
    if not multiplies_bf16():
        return False

    beside = ("winograd",) if not gradients and available() else ()

    def measured() -> bool:
        half, *full = block_seconds(("bf16", "fp32", *beside))
        return half * WORTH < min(full)

    question = f"bf16 pays {'beside Winograd ' if beside else ''}on {processor()} with torch {torch.__version__}"
    kept = once(question, measured)
    return fast_bf16() if kept is None else kept


@cache
def winograd_pays() -> bool:
    """Tell whether this CPU convolves faster by Winograd's way, in fp32; measured once, as above."""
    if not available():
        return False

    def measured() -> bool:
        plain, by_winograd = block_seconds(("fp32", "winograd"))
        return by_winograd < plain

    kept = once(f"Winograd pays on {processor()} with torch {torch.__version__}", measured)
    return kept is not False


def goes_by_winograd(device: torch.device, dtype: torch.dtype) -> bool:
    """Tell whether convolutions in this format go by Winograd's way, where the user named no precision."""
    return device.type == "cpu" and dtype == torch.float32 and winograd_pays()


def slower_than_fp32(dtype: torch.dtype, device: torch.device) -> bool:
    """Tell whether a half precision is computed without instructions for it, about ten times slower than fp32."""
    if device.type != "cpu" or dtype == torch.float32:
        return False
    return not (multiplies_bf16() if dtype == torch.bfloat16 else multiplies_fp16())


def autocast(device: str, dtype: torch.dtype) -> torch.autocast:
    """Let a network compute in a number format, fp32 as it is. device: the device's type, as "cpu"."""
    return torch.autocast(device, dtype, enabled=dtype != torch.float32)


@torch.inference_mode()
def block_seconds(ways: Sequence[str]) -> list[float]:
    """The fastest of five blocks such as the backbone is made of, by each way; taken in turns, so that other work
    on the machine slows all alike. ways: names of PRECISIONS, or "winograd"."""
    with torch.random.fork_rng(devices=[]):  # nobody else's draws change
        block = Block(64, 1).eval()
    picture, embedding = torch.ones(1, 64, 128, 128), torch.ones(1, 1)
    seconds = [math.inf] * len(ways)
    for turn in range(6):  # the first prepares
        for i, way in enumerate(ways):
            with autocast("cpu", PRECISIONS.get(way, torch.float32)), winograd(way == "winograd"):
                order = memory_order()
                block.to(memory_format=order)  # type: ignore[call-overload]
                x = picture.to(PRECISIONS.get(way, torch.float32), memory_format=order)
                started = time.perf_counter()
                block(x, embedding)
                if turn:
                    seconds[i] = min(seconds[i], time.perf_counter() - started)
    return seconds


def auto_tile(device: torch.device) -> int:
    """Side of a tile, px: the largest that is of use and takes a quarter of the memory there is, halved until it
    fits into what is free of it. A power of two, the same each time unless memory is very short."""
    free, whole = torch.cuda.mem_get_info(device) if device.type == "cuda" else (free_memory(), all_memory())
    side = LARGEST_TILE.get(device.type, 1024)
    for room in (None if whole is None else whole / 4, free):
        while room is not None and side > 1 and side**2 * TILE_BYTES > room:
            side //= 2
    return side
