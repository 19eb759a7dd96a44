"""One training: parameters, optimisers, averages and a generator that `run` moves on and checkpoints keep.

A step has parts, each with data of its own. They are worked on side by side, on one thread each: on two cores
that takes 0.6 of the time of two threads on one part after the other, whose tensors are too small to share.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from restorekit.errors import TrainingError
from restorekit.training.loop import (
    Average,
    Budget,
    Counters,
    Every,
    Interrupt,
    Log,
    Progress,
    Report,
    learning_rate_factor,
    load_checkpoint,
    optimiser_tensors,
    restore_optimisers,
    save_checkpoint,
)

CHECKPOINT = "checkpoint.safetensors"


@dataclass
class Share:
    """What one worker brings to a step, of all its parts: gradients (None: not concerned), loss, and how long
    the data took."""

    gradients: list[Tensor | None]
    loss: float = 0.0
    data_seconds: float = 0.0


class Training(ABC):
    """Subclasses say what is trainable, what the loss of a part is, and how to validate and export.

    recipe: a frozen dataclass with at least `decay`, `groups` (the parts of a step) and `learning_rate`; `fixed`
    names its fields that a resumed training may not change. `draw` and `loss` run on several threads at once.
    """

    fixed: tuple[str, ...] = ("names",)

    def __init__(self, recipe: Any, seed: int, stage: str) -> None:
        self.recipe = recipe
        self.generator = Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.counters = Counters(stage=stage)
        self.optimisers: list[torch.optim.Optimizer] = []

    @abstractmethod
    def trainable(self) -> dict[str, nn.Parameter]:
        """Parameters of the present stage, by name."""

    @abstractmethod
    def make_optimisers(self, trainable: dict[str, nn.Parameter]) -> list[torch.optim.Optimizer]:
        """Fresh optimisers of the present stage, at their full learning rates."""

    @abstractmethod
    def draw(self, generator: Generator) -> Any:
        """The data of one part."""

    @abstractmethod
    def loss(self, data: Any, generator: Generator) -> Tensor:
        """Loss of one part; that of the step is the mean over its parts."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Scores of the averaged weights on held-out photographs; "mean" is the one to watch."""

    @abstractmethod
    def export(self, folder: Path) -> None:
        """Write the averaged weights as `weights/` has them."""

    def rehearsal(self) -> Tensor | None:
        """A loss beside those of the parts, asked for when they are done."""
        return None

    def enter_stage(self, done: float, folder: Path, log: Log) -> None:
        """Called before each step with the share of the budget that is used; may change the stage."""

    def rate_factor(self, done: float) -> float:
        """Share of the full learning rates at that share of the budget."""
        return learning_rate_factor(self.counters.stage_iteration, done, self.recipe.decay)

    def prepare(self, average_decay: float = 0.999) -> None:
        """Optimisers and averages of the present stage, fresh."""
        trainable = self.trainable()
        self.optimisers = self.make_optimisers(trainable)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["full_lr"] = group["lr"]
        self.average = Average(list(trainable.values()), average_decay)

    @cached_property
    def worker_count(self) -> int:
        return min(torch.get_num_threads(), self.recipe.groups)

    @cached_property
    def workers(self) -> ThreadPoolExecutor:
        """As many as there are threads and parts, each with its share of the threads."""
        threads = torch.get_num_threads() // self.worker_count

        def start() -> None:
            torch.set_num_threads(threads)
            torch.set_flush_denormal(True)

        return ThreadPoolExecutor(self.worker_count, "part", start)

    def share(self, seeds: Sequence[int], parameters: Sequence[nn.Parameter]) -> Share:
        """Draw, predict and go back, once for each seed; nothing is changed, so that shares can be worked on side
        by side."""
        share = Share([None] * len(parameters))
        for seed in seeds:
            generator = Generator().manual_seed(seed)
            started = time.perf_counter()
            data = self.draw(generator)
            share.data_seconds += time.perf_counter() - started
            loss = self.loss(data, generator) / self.recipe.groups
            gradients = gradients_of(loss, parameters)
            share.gradients = [added(a, b) for a, b in zip(share.gradients, gradients, strict=True)]
            share.loss += float(loss.detach())
        return share

    def step(self, factor: float) -> float:
        """One iteration at a share of the full learning rates; the loss."""
        parameters = list(self.trainable().values())
        seeds = torch.randint(2**62, (self.recipe.groups,), generator=self.generator).tolist()
        count = self.worker_count
        # All first, then their sum: a sum on two threads beside two workers makes everyone wait for everyone.
        shares = list(self.workers.map(lambda i: self.share(seeds[i::count], parameters), range(count)))
        rehearsal = self.rehearsal()
        if rehearsal is not None:
            shares.append(Share(gradients_of(rehearsal, parameters)))
        for share in shares:
            for p, gradient in zip(parameters, share.gradients, strict=True):
                p.grad = added(p.grad, gradient)
        total = sum(share.loss for share in shares)
        self.counters.data_seconds += sum(share.data_seconds for share in shares) / count
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        if not bool(torch.isfinite(norm)):
            raise TrainingError("the loss is not finite; lower --learning-rate and resume from the checkpoint")
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["full_lr"] * factor
            optimiser.step()
            optimiser.zero_grad()
        self.average.update(self.counters.stage_iteration)
        return total

    def run(
        self,
        budget: Budget,
        folder: Path,
        *,
        report: Report | None = None,
        checkpoint_minutes: float = 10,
    ) -> None:
        """Train until the budget is used or somebody interrupts; a checkpoint is left either way."""
        log, counters = Log(folder), self.counters
        save_due, log_due = Every(60 * checkpoint_minutes), Every(30)
        with Interrupt() as interrupt:
            while not interrupt.asked:
                done = budget.progress(counters.seconds, counters.iteration)
                if done >= 1:
                    break
                self.enter_stage(done, folder, log)
                started = time.perf_counter()
                factor = self.rate_factor(done)
                loss = self.step(factor)
                counters.advance(time.perf_counter() - started)
                rate = factor * self.recipe.learning_rate
                if log_due.due():
                    share = counters.data_seconds / counters.seconds
                    log.write(counters, {"loss": loss, "learning rate": rate, "data share": share})
                if report is not None:
                    left = counters.seconds / max(done, 1e-6) * (1 - done)
                    report(Progress(counters, loss, rate, done, left))
                if save_due.due():
                    self.finish_slice(folder / CHECKPOINT, log)
        self.finish_slice(folder / CHECKPOINT, log)
        log.close()

    def finish_slice(self, path: Path, log: Log) -> None:
        """Save first, then validate: a kill during validation loses nothing."""
        self.save(path)
        log.write(self.counters, self.validate())

    def save(self, path: Path) -> None:
        trainable = self.trainable()
        tensors = {
            **{f"parameter.{n}": p for n, p in trainable.items()},
            **{f"average.{n}": v for n, v in zip(trainable, self.average.values, strict=True)},
            **optimiser_tensors(self.optimisers),
            "generator": self.generator.get_state(),
        }
        save_checkpoint(path, tensors, self.counters, asdict(self.recipe))

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint, with this recipe's rates and losses; shapes must be the checkpoint's."""
        tensors, self.counters, recipe = load_checkpoint(path)
        for key in self.fixed:
            if key in recipe and as_list(recipe[key]) != as_list(getattr(self.recipe, key)):
                raise TrainingError(
                    f"{path} was trained with {key} {recipe[key]}, not {getattr(self.recipe, key)}; "
                    "pass the same, or another --run folder"
                )
        self.prepare()
        missing = [n for n in self.trainable() if f"parameter.{n}" not in tensors]
        if missing:
            raise TrainingError(
                f"{path} has no {missing[0]}: another version wrote it; "
                "go on --from-weights, with another --run folder"
            )
        for i, (name, parameter) in enumerate(self.trainable().items()):
            parameter.data.copy_(tensors[f"parameter.{name}"])
            self.average.values[i].copy_(tensors[f"average.{name}"])
        restore_optimisers(self.optimisers, tensors)
        self.generator.set_state(tensors["generator"])


def gradients_of(loss: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor | None]:
    """Gradients of a loss, each in the memory order of its parameter: a convolution's may come with the channels
    last, and the fused optimisers read both from beginning to end. None for what the loss does not depend on; a
    loss that depends on nothing that is trained has no graph."""
    if not loss.requires_grad:
        return [None] * len(parameters)
    gradients: list[Tensor | None] = []
    for p, gradient in zip(parameters, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True):
        alike = gradient is None or gradient.stride() == p.stride()
        gradients.append(gradient if alike else torch.empty_like(p).copy_(gradient))
    return gradients


def added(total: Tensor | None, more: Tensor | None) -> Tensor | None:
    """Their sum, in the memory of the first."""
    if total is None or more is None:
        return more if total is None else total
    return total.add_(more)


def as_list(value: object) -> object:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def psnr(restored: Tensor, clean: Tensor) -> float:
    """Mean over the batch of each image's PSNR, RGB, in dB, after clipping to [0, 1]."""
    error = (restored.clamp(0, 1) - clean).square().mean((1, 2, 3)).clamp_min(1e-8)
    return float((-10 * torch.log10(error)).mean())
