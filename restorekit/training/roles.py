"""Roles that a training plays for those that run it: each asks for the few things that it needs.

`restorekit.training.base.Training` plays all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Generator, Tensor, nn

from restorekit.training.average import Average
from restorekit.training.bank import Stateless
from restorekit.training.counters import Counters
from restorekit.training.engine import Engine
from restorekit.training.log import Log

__all__ = ["Compilable", "Learner", "Runnable", "Watched"]


class Learner(Protocol):
    """A training, for those that do its steps: parts to draw, their losses, and all that a step moves."""

    recipe: Any
    engine: Engine
    device: torch.device
    generator: Generator
    counters: Counters
    note: Callable[[str, str], None]
    optimisers: list[torch.optim.Optimizer]
    average: Average
    stacked: bool

    def trainable(self) -> dict[str, nn.Parameter]: ...

    def draw(self, generator: Generator, choices: Generator | None = None, count: int | None = None) -> Any: ...

    def loss(self, data: Any, generator: Generator) -> Tensor: ...

    def inputs(self, parts: Sequence[Any], generator: Generator) -> tuple[Tensor, ...]: ...

    def loss_of(self, *inputs: Tensor) -> Tensor: ...

    def rehearsal(self) -> Tensor | None: ...


class Compilable(Protocol):
    """A training, for the compiler: networks with blocks, and a step to try them on."""

    engine: Engine

    def networks(self) -> list[Stateless]: ...

    def rehearse(self) -> None: ...


class Watched(Protocol):
    """A training, for the watch over its losses: a state to keep, and rates to halve."""

    engine: Engine
    counters: Counters

    def tensors(self) -> dict[str, Tensor]: ...

    def watched(self) -> bool: ...


class Runnable(Compilable, Watched, Protocol):
    """A training, for the loop around its steps."""

    recipe: Any
    device: torch.device
    note: Callable[[str, str], None]

    def enter_stage(self, done: float, folder: Path, log: Log) -> None: ...

    def rate_factor(self, done: float) -> float: ...

    def step(self, factor: float) -> float | Tensor: ...

    def data_share(self) -> float: ...

    def finish_slice(self, path: Path, log: Log) -> None: ...
