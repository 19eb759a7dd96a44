"""The engine of a training: the device that computes, and the ways of making it fast there.

On a CPU the parts of a step are worked on by threads, side by side (`restorekit.training.parallel`). On any other
device a step is one piece on stacked groups, and nothing in it waits for a value (`restorekit.training.stepper`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator

from restorekit.errors import TrainingError
from restorekit.running.device import choose_device, choose_precision

__all__ = [
    "CPU",
    "Engine",
    "adamw",
    "choose_engine",
    "generator_on",
    "put_rates_on",
    "set_rate",
    "training_precision",
]

CPU = torch.device("cpu")
COMPILE = ("auto", "on", "off")
CHECKPOINTS = ("all", "weights")
FUSED = ("cpu", "cuda")  # devices on which AdamW is one operation


@dataclass(frozen=True)
class Engine:
    """Choices that change how a training runs and not what it learns.

    device: where the tensors live and are computed.
    compiled: whether the residual blocks are compiled; those that fail or take too long are run as they are.
    compile_seconds: time limit of compiling, in seconds.
    graph: whether a step on a CUDA device is recorded once and replayed.
    compact: whether checkpoints hold the averaged weights alone, in float16.
    eight_bit: whether AdamW keeps its state in 8 bits, by bitsandbytes.
    recompute: whether backbones that can keep only some activations for the backward pass, and compute the others
        again.
    judge_seconds, judge_steps: the losses are judged after so many seconds, and so many steps at least.
    """

    device: torch.device = CPU
    compiled: bool = False
    compile_seconds: float = 60.0
    graph: bool = True
    compact: bool = False
    eight_bit: bool = False
    recompute: bool = False
    judge_seconds: float = 60.0
    judge_steps: int = 50


def choose_engine(
    device: str,
    compile_blocks: str = "auto",
    checkpoint: str = "all",
    *,
    eight_bit: bool = False,
    recompute: bool = False,
) -> Engine:
    """Make the engine that the command line names.

    device: auto (a CUDA device if there is one, else the CPU), cpu, cuda, cuda:N or mps.
    compile_blocks: auto (on CUDA devices only), on or off.
    checkpoint: all, or weights for compact checkpoints.
    eight_bit, recompute: as in `Engine`; either leaves steps unrecorded.
    Raises DeviceError for a device that is not there, TrainingError for another word.
    """
    for option, word, known in (("--compile", compile_blocks, COMPILE), ("--checkpoint", checkpoint, CHECKPOINTS)):
        if word not in known:
            raise TrainingError(f"{option} must be {', '.join(known[:-1])} or {known[-1]}, got {word!r}")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    place = choose_device(device)
    if place.type == "cuda" and place.index is None:
        place = torch.device("cuda", torch.cuda.current_device())
    compiled = compile_blocks == "on" or (compile_blocks == "auto" and place.type == "cuda")
    return Engine(
        place,
        compiled,
        graph=not (eight_bit or recompute),
        compact=checkpoint == "weights",
        eight_bit=eight_bit,
        recompute=recompute,
    )


def training_precision(name: str, device: torch.device) -> torch.dtype:
    """Number format of the convolutions: "auto" is bf16 where that is fast, else fp32; fp16 is refused."""
    if name == "fp16":
        raise TrainingError("gradients are too small for fp16; use --precision bf16 or fp32")
    precision = choose_precision(name, device, gradients=True)
    return torch.float32 if precision == torch.float16 else precision


def generator_on(device: torch.device, seed: int) -> Generator:
    """Random numbers on a device."""
    return Generator(device).manual_seed(seed)


def adamw(
    groups: Iterable[Any],
    device: torch.device,
    learning_rate: float = 1e-3,
    *,
    eight_bit: bool = False,
    **others: Any,
) -> torch.optim.Optimizer:
    """AdamW whose step waits for nothing: off the CPU its rates are tensors and its counters live on the device.

    groups: parameters, or dictionaries of "params" and "lr".
    device: of the parameters.
    learning_rate: where a group has none.
    eight_bit: keep its state in 8 bits, by bitsandbytes; TrainingError where that is not installed.
    others: AdamW's own options.
    """
    if eight_bit:
        return eight_bit_adamw(groups, learning_rate, others)
    on_cuda = device.type == "cuda"
    fused = device.type in FUSED
    optimiser = torch.optim.AdamW(groups, learning_rate, fused=fused, capturable=on_cuda, **others)
    if on_cuda:
        put_rates_on(optimiser, device)
    return optimiser


def eight_bit_adamw(groups: Iterable[Any], learning_rate: float, others: dict[str, Any]) -> torch.optim.Optimizer:
    """AdamW with block-wise quantised state. Dettmers et al., 2021, https://arxiv.org/abs/2110.02861"""
    try:
        import bitsandbytes
    except ImportError as error:
        raise TrainingError(
            f"--eight-bit needs bitsandbytes ({error}): pip install bitsandbytes, or leave it out"
        ) from None
    optimiser: torch.optim.Optimizer = bitsandbytes.optim.AdamW8bit(groups, lr=learning_rate, **others)
    return optimiser


def put_rates_on(optimiser: torch.optim.Optimizer, device: torch.device) -> None:
    """Make the learning rates tensors on a device: they can then change in a recorded step."""
    for group in optimiser.param_groups:
        group["full_lr"] = group["lr"]
        group["lr"] = torch.tensor(group["lr"], device=device)


def set_rate(group: dict[str, Any], factor: float) -> None:
    """Set the learning rate of an optimiser's group to that share of the full one."""
    rate = group["full_lr"] * factor
    if isinstance(group["lr"], torch.Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate
