"""The loop around the steps: budget, log, watch over the losses, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

from restorekit.training.budget import Budget, Every
from restorekit.training.checkpoint import CHECKPOINT
from restorekit.training.compiling import compile_blocks
from restorekit.training.counters import Progress, Report
from restorekit.training.interrupt import Interrupt
from restorekit.training.log import Log
from restorekit.training.roles import Runnable
from restorekit.training.watch import Watch

__all__ = ["device_name", "run"]

LOG_SECONDS = 30.0


def run(
    training: Runnable,
    budget: Budget,
    folder: Path,
    report: Report | None,
    tell: Callable[[str], None],
    checkpoint_minutes: float,
) -> None:
    """Train until the budget is used or somebody interrupts.

    training: moved on.
    budget: time or iterations that it has.
    folder: for checkpoint and log.
    report: told of every iteration.
    tell: told in a sentence of what is out of the ordinary.
    checkpoint_minutes: between two checkpoints.
    """
    log, counters, recipe = Log(folder), training.counters, training.recipe

    def note(name: str, text: str) -> None:
        log.note(counters, name, text)
        tell(text)

    training.note = note
    log.note(counters, "device", device_name(training.device))
    if training.engine.compiled:
        note("compile", compile_blocks(training))
    watch = Watch(training)
    save_due, log_due = Every(60 * checkpoint_minutes), Every(LOG_SECONDS)
    begun, past = time.monotonic(), counters.iteration
    with Interrupt() as interrupt:
        while not interrupt.asked:
            done = budget.progress(counters.seconds, counters.iteration)
            if done >= 1:
                break
            stage = counters.stage
            training.enter_stage(done, folder, log)
            if counters.stage != stage:
                watch.begin()
            started = time.perf_counter()
            factor = training.rate_factor(done) * counters.brake
            loss = training.step(factor)
            counters.advance(time.perf_counter() - started)
            judged = watch.add(loss)
            if judged:
                note("rolled back", judged)
            if watch.given_up:
                break
            rate = factor * recipe.learning_rate
            shown = watch.last if isinstance(loss, torch.Tensor) else loss
            if log_due.due():
                speed = (counters.iteration - past) / max(time.monotonic() - begun, 1e-9)
                begun, past = time.monotonic(), counters.iteration
                values = {"loss": shown, "learning rate": rate, "data share": training.data_share()}
                log.write(counters, {**values, "patches/s": speed * recipe.groups * recipe.group_size})
            if report is not None:
                left = counters.seconds / max(done, 1e-6) * (1 - done)
                if budget.deadline is not None:
                    left = 60 * budget.deadline * (1 - done)
                report(Progress(counters, shown, rate, done, left))
            if save_due.due():
                save(training, watch, folder, log)
    save(training, watch, folder, log)
    log.close()
    training.note = lambda name, text: None
    watch.check()


def save(training: Runnable, watch: Watch, folder: Path, log: Log) -> None:
    """Keep a checkpoint of weights whose losses were good.

    training: saved and validated.
    watch: judges first, and brings the last good weights back.
    folder: for the checkpoint.
    log: told of it.
    """
    text = watch.judge()
    if text:
        log.note(training.counters, "rolled back", text)
    training.finish_slice(folder / CHECKPOINT, log)


def device_name(device: torch.device) -> str:
    """The device as a person knows it, "cuda:0 NVIDIA H100" or "cpu"."""
    known = device.type == "cuda" and torch.cuda.is_available()
    return f"{device} {torch.cuda.get_device_name(device)}" if known else str(device)
