"""Residual blocks compiled, if that works and does not take too long; else they are run as they are."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from restorekit.backbone.flow_unet import Block
from restorekit.errors import RestorekitError

if TYPE_CHECKING:
    from restorekit.training.base import Training

__all__ = ["compile_blocks", "time_limit"]


def compile_blocks(training: Training) -> str:
    """Compile the blocks of a training's networks and try them on one step that changes nothing; how that went.

    What the compiler raises is no reason to stop: the blocks are then run as they are, and the sentence says why.
    """
    networks, limit = training.networks(), training.engine.compile_seconds
    if not networks:
        return "this training has no blocks to compile"
    started = time.monotonic()
    try:
        compiled = torch.compile(Block.forward, dynamic=False)
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


def use(compiled: Callable[..., Any], network: nn.Module) -> None:
    """Make the blocks of a network compute by a compiled function where gradients are wanted: validation has other
    shapes, for which compiling would not pay."""

    def forward(block: Block, x: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        function = compiled if torch.is_grad_enabled() else Block.forward
        result: torch.Tensor = function(block, x, embedding)
        return result

    for module in network.modules():
        if isinstance(module, Block):
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
