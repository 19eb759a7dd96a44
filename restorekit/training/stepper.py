"""A step on a device that computes while Python goes on: all parts as one piece, no value asked for.

Parts are drawn ahead (`Pool`). On a CUDA device the step is recorded once as a graph and then replayed, and what
the next one needs is drawn beside it: https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
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

PORTIONS = 24  # parts that are drawn at once, of one combination of degradations: a draw is hundreds of operations
WAITING = 288  # parts drawn ahead, from which a step takes any
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
    """A function of tensors of fixed shapes, recorded as a CUDA graph; its next inputs are drawn while it runs.

    function: to be recorded. Nothing runs meanwhile.
    inputs: such as it is to be given.
    draw: makes its inputs, on a stream of its own, of tensors that nobody else writes to.
    """

    def __init__(
        self,
        function: Callable[..., Tensor],
        inputs: Sequence[Tensor],
        draw: Callable[[], tuple[Tensor, ...]],
    ) -> None:
        self.inputs = [tensor.clone() for tensor in inputs]
        self.draw = draw
        self.drawn: tuple[Tensor, ...] | None = None
        self.stream = torch.cuda.Stream()
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.result = function(*self.inputs)

    def __call__(self) -> Tensor:
        """Compute with new inputs; the result's memory is the graph's."""
        if self.drawn is None:
            self.draw_after(event_on_stream())
        assert self.drawn is not None
        torch.cuda.current_stream().wait_stream(self.stream)
        torch._foreach_copy_(self.inputs, list(self.drawn))
        copied = event_on_stream()
        self.graph.replay()
        self.draw_after(copied)  # their memory is used again
        return self.result

    def draw_after(self, event: torch.cuda.Event) -> None:
        """Draw the next inputs once the device has come to an event."""
        self.stream.wait_event(event)
        with torch.cuda.stream(self.stream):
            self.drawn = self.draw()


def event_on_stream() -> torch.cuda.Event:
    """An event behind all that the present stream was given."""
    event = torch.cuda.Event()
    event.record()
    return event


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

    def inputs(self) -> tuple[Tensor, ...]:
        """The data of one step in one piece."""
        return self.training.inputs(self.measured(self.parts), self.generator)

    def step(self, factor: float) -> Tensor:
        """One iteration at a share of the full learning rates; the loss, (), on the device."""
        training = self.training
        for optimiser in training.optimisers:
            for group in optimiser.param_groups:
                set_rate(group, factor)
        self.share.fill_(training.average.share(training.counters.stage_iteration))
        if not training.stacked:
            return self.update(self.mean_loss(self.measured(self.parts)))
        if self.recorded is not None:
            return self.recorded()
        inputs = self.inputs()
        if training.device.type == "cuda" and training.engine.graph and self.eager == EAGER:
            self.record(inputs)
        self.eager += 1
        return self.whole(*inputs) if self.recorded is None else self.recorded()

    def whole(self, *inputs: Tensor) -> Tensor:
        # Shapes are the same in every step, so the fastest convolution of each is looked for once.
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
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
            self.recorded = Recorded(self.whole, inputs, self.inputs)
        except RuntimeError as error:
            torch.cuda.synchronize()
            self.training.note("graph", f"steps are not recorded: {str(error).splitlines()[0]}")
        else:
            self.pool.parts.clear()  # their memory is another stream's

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
