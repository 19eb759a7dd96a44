"""Steps on a CPU. Their parts are worked on side by side, on one thread each: on two cores that takes 0.6 of the
time of two threads on one part after the other, whose tensors are too small to share.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Generator, Tensor, nn

from restorekit.training.engine import set_rate
from restorekit.training.roles import Learner

__all__ = ["Parallel", "added", "gathered", "gradients_of"]

TOLD = 30.0  # seconds between two lines
Made = TypeVar("Made")


@dataclass
class Share:
    """One worker's contribution to a step, of all its parts: gradients (None: not concerned), loss, and how long
    the data took."""

    gradients: list[Tensor | None]
    loss: float = 0.0
    data_seconds: float = 0.0


class Parallel:
    """Steps of a training by threads."""

    def __init__(self, training: Learner) -> None:
        self.training = training
        self.count = min(torch.get_num_threads(), training.recipe.groups)
        self.threads = torch.get_num_threads() // self.count
        self.workers = ThreadPoolExecutor(self.count, "part", self.start)

    def start(self) -> None:
        """Prepare a worker's thread."""
        torch.set_num_threads(self.threads)
        torch.set_flush_denormal(True)

    def share(self, seeds: Sequence[int], parameters: Sequence[nn.Parameter]) -> Share:
        """Draw, predict and go back, once for each seed; nothing is changed, so that shares can be worked on side
        by side."""
        training, share = self.training, Share([None] * len(parameters))
        for seed in seeds:
            generator = Generator().manual_seed(seed)
            started = time.perf_counter()
            data = training.draw(generator)
            share.data_seconds += time.perf_counter() - started
            loss = training.loss(data, generator) / training.recipe.groups
            gradients = gradients_of(loss, parameters)
            share.gradients = [added(a, b) for a, b in zip(share.gradients, gradients, strict=True)]
            share.loss += float(loss.detach())
        return share

    def rehearse(self) -> None:
        """Compute the gradients of one part on a thread like the workers', and change nothing. The thread is its
        own: whoever stops waiting for it does not have it in the way."""
        alone = ThreadPoolExecutor(1, "rehearsal", self.start)
        try:
            alone.submit(self.share, [0], list(self.training.trainable().values())).result()
        finally:
            alone.shutdown(wait=False)

    def step(self, factor: float) -> float:
        """One iteration at a share of the full learning rates; the loss, and nothing is moved where it or its
        gradient is not finite."""
        training = self.training
        parameters = list(training.trainable().values())
        seeds = torch.randint(2**62, (training.recipe.groups,), generator=training.generator).tolist()
        # All first, then their sum: a sum on two threads beside two workers makes everyone wait for everyone.
        shares = list(
            self.workers.map(lambda i: self.share(seeds[i :: self.count], parameters), range(self.count))
        )
        rehearsal = training.rehearsal()
        if rehearsal is not None:
            shares.append(Share(gradients_of(rehearsal, parameters)))
        for share in shares:
            for p, gradient in zip(parameters, share.gradients, strict=True):
                p.grad = added(p.grad, gradient)
        total = sum(share.loss for share in shares)
        training.counters.data_seconds += sum(share.data_seconds for share in shares) / self.count
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        finite = bool(torch.isfinite(norm))
        for optimiser in training.optimisers:
            for group in optimiser.param_groups:
                set_rate(group, factor)
            if finite:
                optimiser.step()
            optimiser.zero_grad()
        if finite:
            training.average.update(training.counters.stage_iteration)
        return total if finite else math.nan


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


def gathered(
    make: Callable[[int], Sequence[Made]],
    count: int,
    path: Path | None,
    tell: Callable[[str], None],
    keep: Callable[[Path, Sequence[Made], int], None],
    kept: Callable[[Path], tuple[list[Made], int]],
) -> list[Made]:
    """Gather what is made of the seeds from 0 on, as many at once as torch has threads, on one thread each.

    count: of the seeds.
    path: file where it is kept, every half minute and at the end, and gone on from; None for none.
    tell: told how far it is, as often.
    keep, kept: write what there is to that file, with how many seeds are done; and read both.
    """
    found, before = kept(path) if path is not None and path.exists() else ([], 0)
    told = started = time.monotonic()
    with ThreadPoolExecutor(torch.get_num_threads(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for done, some in enumerate(pool.map(make, range(before, count)), before + 1):
            found += some
            if time.monotonic() - told > TOLD or done == count:
                told = time.monotonic()
                tell(f"{done}/{count} pictures, {told - started:.0f} s")
                if path is not None and found:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    keep(path, found, done)
    return found
