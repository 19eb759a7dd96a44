"""What the commands of `restorekit train` share: reading options and photographs, running under a progress bar."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from restorekit.errors import TrainingError
from restorekit.machine import keep_freed_memory

if TYPE_CHECKING:
    from rich.console import Console

    from restorekit.backbone.flow_unet import FlowUnetConfig
    from restorekit.training.base import Training
    from restorekit.training.engine import Engine
    from restorekit.training.loop import Budget, Progress
    from restorekit.training.photos import Photos


def shipped() -> Path:
    from restorekit.weights import shipped_weights

    return shipped_weights("backbone").parent


def shape_of(weights: Path | None) -> FlowUnetConfig:
    """Of the backbone in a weights folder; without one, the shape that is trained by default."""
    from restorekit.backbone.flow_unet import FlowUnetConfig

    return FlowUnetConfig() if weights is None else FlowUnetConfig.from_folder(weights / "backbone")


def ranks_of(names: Iterable[str], weights: Path | None) -> dict[str, float]:
    """Of the bases in a weights folder."""
    from restorekit.basis import Basis

    return {} if weights is None else {name: Basis(name, name, weights / name).rank for name in names}


def make_budget(
    minutes: float | None,
    iterations: int | None,
    deadline: str | None,
    threads: int | None,
    started: float | None = None,
) -> Budget:
    """Make the budget, and prepare the process before anything runs: its memory, denormal numbers, threads.
    A deadline counts from `started`, of `time.monotonic`, or from now on."""
    started = time.monotonic() if started is None else started
    import torch

    from restorekit.training.loop import Budget

    wall = None if deadline is None else minutes_in(deadline, "--deadline")
    budget = Budget(minutes, iterations, wall, started)
    keep_freed_memory()
    # The momentum of a channel that fell silent decays into denormal numbers, which take half of a step's time.
    # Threads inherit the setting when they are made: so before anything is computed.
    torch.set_flush_denormal(True)
    if threads is not None:
        torch.set_num_threads(threads)
    return budget


def make_engine(device: str, compile_blocks: str, checkpoint: str) -> Engine:
    """Make the engine that the options name."""
    from restorekit.training.engine import choose_engine

    return choose_engine(device, compile_blocks, checkpoint)


def minutes_in(text: str, option: str) -> float:
    """Read a time with its unit, in minutes."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if found is None or float(found[1]) == 0:
        raise TrainingError(f"{option} must be a time with its unit, as 9m, 90s or 1.5h, got {text!r}")
    return float(found[1]) * {"s": 1 / 60, "m": 1.0, "h": 60.0}[found[2]]


def numbers(text: str, option: str) -> tuple[int, ...]:
    try:
        return tuple(int(n) for n in text.split(","))
    except ValueError:
        raise TrainingError(f"{option} wants whole numbers with commas between, got {text!r}") from None


def pairs(texts: Iterable[str], option: str) -> dict[str, float]:
    values = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            values[name] = float(value)
        except ValueError:
            raise TrainingError(f"{option} wants NAME=NUMBER, got {text!r}") from None
    return values


def sets_of(names: Iterable[str], texts: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Sets of degradations and their shares, their names checked."""
    for text, share in pairs(texts, "--together").items():
        unknown = sorted(set(text.replace("/", "+").split("+")) - set(names))
        if unknown:
            raise TrainingError(f"--together {text} names {', '.join(unknown)}; there are {', '.join(names)}")
        yield text, share


def among(known: Sequence[str], text: str, option: str) -> tuple[str, ...]:
    """The names in a list with commas, checked."""
    chosen = tuple(text.split(","))
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        raise TrainingError(f"{option} names {', '.join(unknown)}; there are {', '.join(known)}")
    return chosen


def stderr() -> Console:
    from rich.console import Console

    return Console(stderr=True)


def load_photos(folders: list[Path], limit: int | None, smallest: int) -> Photos:
    from rich.progress import Progress as Bar

    from restorekit.training.photos import Photos

    with Bar(console=stderr(), transient=True) as bar:
        task = bar.add_task("reading photographs", total=None)
        return Photos.load(
            folders, smallest, limit, lambda done, total: bar.update(task, completed=done, total=total)
        )


def known(loss: float) -> str:
    """The loss as the progress bar shows it; a GPU is asked for it once a minute."""
    return "-" if math.isnan(loss) else f"{loss:.4f}"


def go(training: Training, budget: Budget, run: Path, export: Path | None, checkpoint_minutes: float) -> None:
    """Run to the end of the budget under a progress bar, then export."""
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    from restorekit.training.loop import format_minutes

    console = stderr()
    if training.counters.iteration:
        console.print(f"resuming {run} at iteration {training.counters.iteration}")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"))
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("training", total=1.0, text="")

        def report(progress: Progress) -> None:
            counters = progress.counters
            share = 100 * counters.data_seconds / max(counters.seconds, 1e-9)
            text = (
                f"iteration {counters.iteration}  loss {known(progress.loss)}  "
                f"{counters.seconds / counters.iteration:.2f} s/it  data {share:.0f} %  "
                f"left {format_minutes(progress.seconds_left)}"
            )
            bar.update(task, completed=progress.share_done, description=counters.stage, text=text)

        training.run(budget, run, report=report, tell=console.print, checkpoint_minutes=checkpoint_minutes)
    for name, value in training.validate().items():
        console.print(f"{name:24} {value:.3f}")
    console.print(f"checkpoint and log in {run}")
    if export is not None:
        with console.status("writing weights"):
            training.export(export)
        console.print(f"weights in {export}")


def about_key(folder: Path, name: str) -> str:
    """A line on the key of the basis `name` in a folder: how good it is, or why there is none."""
    from restorekit.basis import KEY, Basis
    from restorekit.training.readout import ENOUGH, FALSE_ALARMS

    figures = Basis(name, name, folder).record["key"]
    said = (
        f"finds {figures['found']:.1%} of the pictures with {name}, false alarms on {figures['false_alarms']:.1%} "
        f"of the others, accuracy {figures['accuracy']:.1%} ({figures['queries']} queries)"
    )
    if (folder / KEY).exists():
        return f"key: {said}"
    return (
        f"no key: it {said}; {ENOUGH:.0%} at no more than {FALSE_ALARMS:.0%} are wanted. "
        f"The basis works with --set {name}=1"
    )
