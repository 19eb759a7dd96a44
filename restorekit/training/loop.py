"""What every training shares: budget, learning rate, averaged weights, checkpoints, logs.

Averaged weights (EMA) are what is validated and saved; the decay grows with the iteration n as
min(decay, (1 + n) / (10 + n)), so that the first average is not the random start.
Polyak & Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from restorekit.errors import TrainingError

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Budget:
    """How long to train.

    minutes: of training time in all, earlier slices included.
    iterations: in all, earlier slices included.
    deadline: minutes by the clock on the wall since `started`: reading, validation and saving count too, earlier
        slices do not.
    started: `time.monotonic()` at the start of the process or of the command.
    """

    minutes: float | None = None
    iterations: int | None = None
    deadline: float | None = None
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.minutes, self.iterations, self.deadline)) != 1:
            raise TrainingError("give either --minutes, --iterations or --deadline")

    def progress(self, seconds: float, iterations: int) -> float:
        """Share of the budget that is used, 0 to 1. seconds: of training. iterations: done."""
        if self.deadline is not None:
            used = (time.monotonic() - self.started) / 60 / self.deadline if self.deadline else 1.0
        elif self.minutes:
            used = seconds / 60 / self.minutes
        else:
            used = iterations / (self.iterations or 1)
        return min(1.0, used)


def learning_rate_factor(iteration: int, progress: float, decay: float, ramp: int = 200) -> float:
    """Rises over `ramp` iterations, stays, and falls linearly to 2 % over the last `decay` of the budget."""
    rise = min(1.0, (iteration + 1) / ramp)
    fall = min(1.0, max(0.02, (1 - progress) / decay)) if decay > 0 else 1.0
    return rise * fall


class Average:
    """Exponential moving average of a list of parameters."""

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float = 0.999) -> None:
        self.parameters = list(parameters)
        self.decay = decay
        self.values = [p.detach().clone() for p in self.parameters]

    def share(self, iteration: int) -> float:
        """Share of the parameters in the average after that iteration."""
        return 1 - min(self.decay, (1 + iteration) / (10 + iteration))

    @torch.no_grad()
    def update(self, iteration: int) -> None:
        torch._foreach_lerp_(self.values, [p.detach() for p in self.parameters], self.share(iteration))

    @torch.no_grad()
    def update_by(self, share: Tensor) -> None:
        """Update by a share that is on the device, ()."""
        steps = torch._foreach_sub([p.detach() for p in self.parameters], self.values)
        torch._foreach_mul_(steps, share)
        torch._foreach_add_(self.values, steps)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the parameters with their averages; a second call brings them back."""
        for p, value in zip(self.parameters, self.values, strict=True):
            kept = p.detach().clone()
            p.copy_(value)
            value.copy_(kept)

    @contextmanager
    def used(self) -> Iterator[None]:
        """The averages in the parameters' place, for as long as the block runs."""
        self.swap()
        try:
            yield
        finally:
            self.swap()


@dataclass
class Counters:
    """Where a training stands. brake: factor of the learning rates, halved each time it had to be rolled back."""

    iteration: int = 0
    seconds: float = 0.0
    data_seconds: float = 0.0
    stage: str = ""
    stage_iteration: int = 0
    brake: float = 1.0

    def advance(self, seconds: float) -> None:
        """Count one iteration."""
        self.iteration += 1
        self.stage_iteration += 1
        self.seconds += seconds

    def enter(self, stage: str) -> None:
        """Begin a stage."""
        self.stage, self.stage_iteration = stage, 0


@dataclass(frozen=True)
class Progress:
    """One iteration, as a progress bar or log wants it. loss: on a GPU the mean that was asked for last, NaN
    before the first."""

    counters: Counters
    loss: float
    learning_rate: float
    share_done: float
    seconds_left: float


Report = Callable[[Progress], None]


class Log:
    """Scalars to `log.csv` (columns: iteration, seconds, stage, name, value) and, if installed, tensorboard."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "log.csv"
        fresh = not self.path.exists()
        self.file = self.path.open("a", newline="")
        self.rows = csv.writer(self.file)
        if fresh:
            self.rows.writerow(["iteration", "seconds", "stage", "name", "value"])
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.board: Any = SummaryWriter(str(folder / "tensorboard"))
        except ImportError:
            self.board = None

    def write(self, counters: Counters, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.rows.writerow(
                [counters.iteration, round(counters.seconds, 1), counters.stage, name, f"{value:.5g}"]
            )
            if self.board is not None:
                self.board.add_scalar(f"{counters.stage}/{name}", value, counters.iteration)
        self.file.flush()

    def note(self, counters: Counters, name: str, text: str) -> None:
        """Write words in a number's place."""
        self.rows.writerow([counters.iteration, round(counters.seconds, 1), counters.stage, name, text])
        self.file.flush()

    def close(self) -> None:
        self.file.close()
        if self.board is not None:
            self.board.close()


def optimiser_tensors(optimisers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Optimiser states as named tensors."""
    tensors = {}
    for i, optimiser in enumerate(optimisers):
        for j, state in optimiser.state_dict()["state"].items():
            for name, value in state.items():
                tensors[f"optimiser.{i}.{j}.{name}"] = torch.as_tensor(value)
    return tensors


def restore_optimisers(optimisers: Sequence[torch.optim.Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Inverse of `optimiser_tensors`."""
    for i, optimiser in enumerate(optimisers):
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            kind, *place = key.split(".")
            if kind == "optimiser" and int(place[0]) == i:
                parameter = parameters[int(place[1])]
                if value.shape == parameter.shape:
                    # In the parameter's own memory order: fused optimisers go through memory, not indices.
                    value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
                state.setdefault(int(place[1]), {})[place[2]] = value
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], counters: Counters, recipe: dict[str, Any]) -> None:
    """All that is needed to go on, written whole or not at all. Safetensors: nothing in it can run."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    metadata = {"counters": json.dumps(vars(counters)), "recipe": json.dumps(recipe)}
    whole = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    save_file(whole, temporary, metadata)
    os.replace(temporary, path)


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], Counters, dict[str, Any]]:
    """Tensors, counters and recipe of a checkpoint."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"{path} is not a checkpoint ({error}); delete it to start anew") from None
    saved = json.loads(metadata["counters"])
    counters = Counters(**{f.name: saved[f.name] for f in fields(Counters) if f.name in saved})
    return tensors, counters, json.loads(metadata["recipe"])


@dataclass
class Interrupt:
    """Turns the first Ctrl-C or SIGTERM into a request to save and stop; the second one is not caught."""

    asked: bool = False
    previous: dict[int, Any] = field(default_factory=dict)

    def __enter__(self) -> Interrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self.previous[number] = signal.signal(number, self.handle)
            except ValueError:  # not in the main thread: the caller decides when to stop
                break
        return self

    def handle(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(number, self.previous[number])

    def __exit__(self, *exception: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)


class Every:
    """True once per so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.last = time.monotonic()

    def due(self) -> bool:
        if time.monotonic() - self.last < self.seconds:
            return False
        self.last = time.monotonic()
        return True


def format_minutes(seconds: float) -> str:
    """Such as "2 h 05 min"."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
