"""Residual blocks compiled, if that works and does not take too long; else they are run as they are."""

from __future__ import annotations

import copy
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from restorekit.errors import RestorekitError
from restorekit.model.backbone.blocks import Block
from restorekit.training.roles import Compilable

__all__ = ["compile_blocks", "time_limit"]


def compile_blocks(training: Compilable) -> str:
    """Compile the blocks of a training's networks and try them on one step that changes nothing; how that went.

    What the compiler raises is no reason to stop: the blocks are then run as they are, and the sentence says why.
    """
    networks, limit = training.networks(), training.engine.compile_seconds
    if not networks:
        return "this training has no blocks to compile"
    started = time.monotonic()
    try:
        compiled = torch.compile(called, dynamic=False)
        for network in networks:
            network.finish_with(partial(use, compiled))
        with time_limit(limit):
            training.rehearse()
    except (RestorekitError, MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:
        for network in networks:
            network.finish_with(None)
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return f"the blocks are run uncompiled: {first}"
    return f"the blocks were compiled in {time.monotonic() - started:.0f} s"


def called(block: Block, tensors: dict[str, Tensor], x: Tensor, embedding: Tensor) -> Tensor:
    """Run a block with other tensors.

    block: to be run; its own tensors are not looked at.
    tensors: by name, for its own.
    x, embedding: its inputs.
    """
    result: Tensor = functional_call(block, tensors, (x, embedding))
    return result


def use(compiled: Callable[..., Any], network: nn.Module) -> None:
    """Make the blocks of a network compute by a compiled function where gradients are wanted: validation has other
    shapes, for which compiling would not pay.

    The blocks of one size share one compiled form: it is given a block of that size and all tensors, none of them
    a parameter, whether it is merged or the backbone's own.
    """
    sizes: dict[int, Block] = {}

    def forward(block: Block, x: Tensor, embedding: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return Block.forward(block, x, embedding)
        tensors = {name: tensor.view_as(tensor) for name, tensor in block.named_parameters()}
        result: Tensor = compiled(sizes[block.conv1.in_channels], tensors, x, embedding)
        return result

    for module in network.modules():
        if isinstance(module, Block):
            sizes.setdefault(module.conv1.in_channels, copy.deepcopy(module))
            module.forward = partial(forward, module)  # type: ignore[method-assign]


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what runs longer; without effect outside the main thread and where there are no alarms
    (Windows)."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it took longer than {seconds:g} s")

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
