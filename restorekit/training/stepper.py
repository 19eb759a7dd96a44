"""A step on a device that computes while Python goes on: all parts as one piece, no value asked for.

Parts are drawn ahead (`Pool`). On a CUDA device the step is recorded once as a graph and then replayed:
https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from restorekit.training.engine import generator_on, set_rate
from restorekit.training.parallel import gradients_of
from restorekit.training.roles import Learner

__all__ = ["Pool", "Recorded", "Stepper"]

PORTIONS = 8  # parts that are drawn at once, of one combination of degradations
WAITING = 96  # parts drawn ahead, from which a step takes any
EAGER = 3  # steps before one is recorded


class Pool:
    """Parts drawn ahead: large draws cost hardly more than small ones, and a step is to see many combinations.

    draw: makes a part of so many patches, which has `split`.
    size: patches of a part that is taken.
    waiting: parts drawn ahead.
    """

    def __init__(self, draw: Callable[[int], Any], size: int, waiting: int = WAITING) -> None:
        self.draw = draw
        self.size = size
        self.waiting = waiting
        self.parts: list[Any] = []

    def take(self, count: int, choices: Generator) -> list[Any]:
        """Take any `count` parts; each is given once."""
        while len(self.parts) < max(self.waiting, count):
            self.parts.extend(self.draw(PORTIONS * self.size).split(self.size))
        taken = []
        for _ in range(count):
            place = int(torch.randint(len(self.parts), (1,), generator=choices))
            self.parts[place], self.parts[-1] = self.parts[-1], self.parts[place]
            taken.append(self.parts.pop())
        return taken


class Recorded:
    """A function of tensors of fixed shapes, recorded as a CUDA graph. Nothing runs while it is recorded."""

    def __init__(self, function: Callable[..., Tensor], inputs: Sequence[Tensor]) -> None:
        self.inputs = [tensor.clone() for tensor in inputs]
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.result = function(*self.inputs)

    def __call__(self, *inputs: Tensor) -> Tensor:
        torch._foreach_copy_(self.inputs, list(inputs))
        self.graph.replay()
        return self.result


class Stepper:
    """Steps of a training on its device."""

    def __init__(self, training: Learner) -> None:
        self.training = training
        seed = int(torch.randint(2**62, (1,), generator=training.generator))
        self.generator = generator_on(training.device, seed)
        self.share = torch.zeros((), device=training.device)  # of the parameters in the average
        self.timed = torch.cuda.is_available()
        self.forget()

    def forget(self) -> None:
        """Forget what belongs to the stage so far."""
        self.pool = Pool(self.draw, self.training.recipe.group_size)
        self.recorded: Recorded | None = None
        self.eager = 0
        self.marks: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    def draw(self, count: int | None = None) -> Any:
        return self.training.draw(self.generator, self.training.generator, count)

    def parts(self) -> list[Any]:
        """The data of one step."""
        training = self.training
        if training.stacked:
            return self.pool.take(training.recipe.groups, training.generator)
        return [self.draw() for _ in range(training.recipe.groups)]

    def step(self, factor: float) -> Tensor:
        """One iteration at a share of the full learning rates; the loss, (), on the device."""
        training = self.training
        parts = self.measured(self.parts)
        for optimiser in training.optimisers:
            for group in optimiser.param_groups:
                set_rate(group, factor)
        self.share.fill_(training.average.share(training.counters.stage_iteration))
        if not training.stacked:
            return self.update(self.mean_loss(parts))
        inputs = training.inputs(parts, self.generator)
        if self.recorded is not None:
            return self.recorded(*inputs)
        if training.device.type == "cuda" and training.engine.graph and self.eager == EAGER:
            self.record(inputs)
        self.eager += 1
        return (self.recorded or self.whole)(*inputs)

    def whole(self, *inputs: Tensor) -> Tensor:
        return self.update(self.training.loss_of(*inputs))

    def mean_loss(self, parts: Sequence[Any]) -> Tensor:
        """Loss of parts whose shapes differ."""
        loss = torch.stack([self.training.loss(part, self.generator) for part in parts]).mean()
        rehearsal = self.training.rehearsal()
        return loss if rehearsal is None else loss + rehearsal

    def update(self, loss: Tensor) -> Tensor:
        """Go back from the loss, and move parameters and averages."""
        training = self.training
        parameters = list(training.trainable().values())
        for p, gradient in zip(parameters, gradients_of(loss, parameters), strict=True):
            p.grad = gradient
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimiser in training.optimisers:
            optimiser.step()
        training.average.update_by(self.share)
        return loss.detach()

    def record(self, inputs: Sequence[Tensor]) -> None:
        """Record the step; without it the steps go on one operation after the other."""
        try:
            self.recorded = Recorded(self.whole, inputs)
        except RuntimeError as error:
            torch.cuda.synchronize()
            self.training.note("graph", f"steps are not recorded: {str(error).splitlines()[0]}")

    def rehearse(self) -> None:
        """Compute the gradients of one step, and change nothing."""
        training, parts = self.training, self.parts()
        if training.stacked:
            loss = training.loss_of(*training.inputs(parts, self.generator))
        else:
            loss = self.mean_loss(parts)
        gradients_of(loss, list(training.trainable().values()))
        if self.timed:
            torch.cuda.synchronize()

    def measured(self, make: Callable[[], list[Any]]) -> list[Any]:
        """Run something and count how long it takes: the device, if it tells, else Python."""
        if not self.timed:
            started = time.perf_counter()
            made = make()
            self.training.counters.data_seconds += time.perf_counter() - started
            return made
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        made = make()
        end.record()
        self.marks.append((begin, end))
        return made

    def settle(self) -> None:
        """Wait for the device, and count how long the data took."""
        if self.timed:
            torch.cuda.synchronize()
            milliseconds = sum(begin.elapsed_time(end) for begin, end in self.marks)
            self.training.counters.data_seconds += milliseconds / 1000
            self.marks.clear()
