"""One training: parameters, optimisers, averages and a generator that `run` moves on and checkpoints keep.

A step has parts, each with data of its own; its loss is their mean.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from restorekit.composition import Compose
from restorekit.degradation import Degradation
from restorekit.errors import TrainingError
from restorekit.training.average import Average
from restorekit.training.bank import Stateless
from restorekit.training.budget import Budget
from restorekit.training.checkpoint import (
    load_checkpoint,
    optimiser_tensors,
    restore_optimisers,
    save_checkpoint,
)
from restorekit.training.counters import Counters, Report
from restorekit.training.engine import Engine
from restorekit.training.flat import FlatPhotos
from restorekit.training.log import Log
from restorekit.training.pairs import as_file, typical
from restorekit.training.parallel import Parallel
from restorekit.training.rates import learning_rate_factor
from restorekit.training.running import run
from restorekit.training.stepper import Stepper

__all__ = ["FRESH_RAMP", "Training", "psnr"]

RAMP, FRESH_RAMP = 200, 500  # steps over which the rates rise; where optimisers begin anew beside trained weights


class Training(ABC):
    """A training; subclasses say what is trainable, what the loss of a part is, and how to validate and export.

    recipe: a frozen dataclass with at least `decay`, `groups` (the parts of a step), `group_size` and
        `learning_rate`.
    fixed: names of the recipe's fields that a resumed training may not change.
    engine: where and how it runs. On a CPU `draw` and `loss` run on several threads at once; elsewhere, if the
        training is `stacked`, `inputs` and `loss_of` take all parts together.
    """

    fixed: tuple[str, ...] = ("names",)
    stacked: bool = False
    crops: Tensor

    def __init__(self, recipe: Any, seed: int, stage: str, engine: Engine | None = None) -> None:
        self.recipe = recipe
        self.engine = engine or Engine()
        self.device = self.engine.device
        self.generator = Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.counters = Counters(stage=stage)
        self.ramp = RAMP
        self.note: Callable[[str, str], None] = lambda name, text: None  # told of what is out of the ordinary
        self.kept: Callable[[], None] = lambda: None  # told of every checkpoint, once it is validated
        self.optimisers: list[torch.optim.Optimizer] = []
        self.pictures_there: dict[str, Tensor] = {}

    @abstractmethod
    def trainable(self) -> dict[str, nn.Parameter]:
        """Parameters of the present stage, by name."""

    @abstractmethod
    def make_optimisers(self, trainable: dict[str, nn.Parameter]) -> list[torch.optim.Optimizer]:
        """Fresh optimisers of the present stage, at their full learning rates."""

    @abstractmethod
    def draw(self, generator: Generator, choices: Generator | None = None, count: int | None = None) -> Any:
        """The data of one part.

        generator: draws the data, on its device.
        choices: draws what concerns the whole part; on the CPU, so that the device is not waited for. `generator`
            if None.
        count: patches; `group_size` of the recipe if None.
        """

    @abstractmethod
    def loss(self, data: Any, generator: Generator) -> Tensor:
        """Loss of one part; that of the step is the mean over its parts."""

    def inputs(self, parts: Sequence[Any], generator: Generator) -> tuple[Tensor, ...]:
        """The data of all parts of a step, as tensors whose shapes are always the same."""
        raise NotImplementedError

    def loss_of(self, *inputs: Tensor) -> Tensor:
        """Loss of a step, from `inputs`: nothing is drawn, and no value is asked for."""
        raise NotImplementedError

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
        """Change the stage where it is time; called before each step.

        done: share of the budget that is used.
        folder: for a checkpoint of the stage that ends.
        log: told of its scores.
        """

    def watched(self) -> bool:
        """True where a loss that rises is a fault."""
        return True

    def networks(self) -> list[Stateless]:
        """Networks whose blocks may be compiled."""
        return []

    def rate_factor(self, done: float) -> float:
        """Share of the full learning rates at that share of the budget."""
        return learning_rate_factor(self.counters.stage_iteration, done, self.recipe.decay, self.ramp)

    def prepare(self, average_decay: float = 0.999) -> None:
        """Optimisers and averages of the present stage, fresh."""
        trainable = self.trainable()
        self.optimisers = self.make_optimisers(trainable)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group.setdefault("full_lr", group["lr"])
        self.average = Average(list(trainable.values()), average_decay)
        if "stepper" in self.__dict__:
            self.stepper.forget()

    def at_hand(self, photos: Sequence[Tensor]) -> Sequence[Tensor] | FlatPhotos:
        """The photographs, uint8, (3, H, W) each, where patches are cut."""
        return photos if self.device.type == "cpu" else FlatPhotos.of(photos, self.device)

    @cached_property
    def clean_crops(self) -> Tensor:
        """The held-out crops, `crops`, on the device."""
        return self.crops.to(self.device)

    def degraded_crops(self, seed: int, degradations: Sequence[Degradation]) -> Tensor:
        """The held-out crops under degradations of typical severities, as a file holds them mostly; on the CPU."""
        generator = Generator().manual_seed(seed)
        compose = Compose.draw(degradations, self.crops.shape, generator, typical(degradations))
        return as_file(compose.apply(self.crops), generator)

    def placed(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """Pictures of the validation on the device. They are made on the CPU, so that they are the same for every
        device, and elsewhere once."""
        if self.device.type == "cpu":
            return make()
        if name not in self.pictures_there:
            self.pictures_there[name] = make().to(self.device)
        return self.pictures_there[name]

    @cached_property
    def parallel(self) -> Parallel:
        return Parallel(self)

    @cached_property
    def stepper(self) -> Stepper:
        return Stepper(self)

    def step(self, factor: float) -> float | Tensor:
        """One iteration at a share of the full learning rates; the loss, off the CPU as a tensor, (), that nobody
        has waited for. Where it is not finite, the CPU moves nothing."""
        return self.parallel.step(factor) if self.device.type == "cpu" else self.stepper.step(factor)

    def rehearse(self) -> None:
        """Compute the gradients of one part, or off the CPU of one step, and change nothing."""
        if self.device.type == "cpu":
            self.parallel.rehearse()
        else:
            self.stepper.rehearse()

    def data_share(self) -> float:
        """Share of the time that goes into the data. Off the CPU it waits for the device."""
        if self.device.type != "cpu":
            self.stepper.settle()
        return self.counters.data_seconds / max(self.counters.seconds, 1e-9)

    def run(
        self,
        budget: Budget,
        folder: Path,
        *,
        report: Report | None = None,
        tell: Callable[[str], None] = lambda text: None,
        checkpoint_minutes: float = 10,
    ) -> None:
        """Train until the budget is used or somebody interrupts; a checkpoint is left either way.

        budget: time or iterations that it has.
        folder: for checkpoint and log.
        report: told of every iteration.
        tell: told in a sentence of what is out of the ordinary.
        checkpoint_minutes: between two checkpoints.
        """
        run(self, budget, folder, report, tell, checkpoint_minutes)

    def finish_slice(self, path: Path, log: Log) -> None:
        """Save first, then validate: a kill during validation loses nothing."""
        self.save(path)
        log.write(self.counters, self.validate())
        self.kept()

    def tensors(self) -> dict[str, Tensor]:
        """All that a step moves, by name; the tensors themselves."""
        trainable = self.trainable()
        return {
            **{f"parameter.{n}": p.detach() for n, p in trainable.items()},
            **{f"average.{n}": v for n, v in zip(trainable, self.average.values, strict=True)},
            **optimiser_tensors(self.optimisers),
        }

    def save(self, path: Path) -> None:
        """Write a checkpoint: all that is needed to go on, or, if the engine says so, the averages alone."""
        if self.engine.compact:
            tensors = {n: t.half() for n, t in self.tensors().items() if n.startswith("average.")}
        else:
            tensors = {**self.tensors(), "generator": self.generator.get_state()}
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
        if recipe.get("learning_rate") != self.recipe.learning_rate:
            self.counters.brake = 1.0
        compact = not any(n.startswith("parameter.") for n in tensors)
        kind = "average" if compact else "parameter"
        missing = [n for n in self.trainable() if f"{kind}.{n}" not in tensors]
        if missing:
            raise TrainingError(
                f"{path} has no {missing[0]}: another version wrote it; "
                "go on --from-weights, with another --run folder"
            )
        for i, (name, parameter) in enumerate(self.trainable().items()):
            parameter.data.copy_(tensors[f"{kind}.{name}"])
            self.average.values[i].copy_(tensors[f"average.{name}"])
        if compact:
            self.begin_anew()
        else:
            restore_optimisers(self.optimisers, tensors)
            self.generator.set_state(tensors["generator"])

    def begin_anew(self) -> None:
        """Fresh optimisers beside trained weights: the rates rise slowly, and other data than before is drawn."""
        self.ramp, self.counters.stage_iteration = FRESH_RAMP, 0
        self.generator.manual_seed(self.recipe.seed + 1000003 * self.counters.iteration)


def as_list(value: object) -> object:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def psnr(restored: Tensor, clean: Tensor) -> float:
    """Mean over the batch of each image's PSNR, RGB, in dB, after clipping to [0, 1]."""
    error = (restored.clamp(0, 1) - clean).square().mean((1, 2, 3)).clamp_min(1e-8)
    return float((-10 * torch.log10(error)).mean())
