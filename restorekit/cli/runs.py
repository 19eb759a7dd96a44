"""A training on the terminal: its budget and photographs, the run under a progress bar, the export."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorekit.cli.terminal import tell, warn
from restorekit.cli.values import minutes_in
from restorekit.errors import TrainingError
from restorekit.machine import keep_freed_memory

if TYPE_CHECKING:
    from rich.console import Console

    from restorekit.cli.options import RunOptions
    from restorekit.training.base import Training
    from restorekit.training.budget import Budget
    from restorekit.training.counters import Progress
    from restorekit.training.engine import Engine
    from restorekit.training.paired import PairedPhotos
    from restorekit.training.photos import Photos
    from restorekit.training.runs import Settings

__all__ = ["load_photos", "make_budget", "make_engine", "perform", "stderr", "train"]


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

    from restorekit.training.budget import Budget

    wall = None if deadline is None else minutes_in(deadline, "--deadline")
    budget = Budget(minutes, iterations, wall, started)
    keep_freed_memory()
    # The momentum of a channel that fell silent decays into denormal numbers, which take half of a step's time.
    # Threads inherit the setting when they are made: so before anything is computed.
    torch.set_flush_denormal(True)
    if threads is not None:
        torch.set_num_threads(threads)
    return budget


def make_engine(settings: Settings) -> Engine:
    """Make the engine that a run names."""
    from restorekit.training.engine import choose_engine

    if settings.recompute and settings.training not in ("basis", "latent"):
        raise TrainingError(f"the training {settings.training} keeps all activations; leave --recompute out")
    return choose_engine(
        settings.device,
        settings.compile,
        settings.checkpoint,
        eight_bit=settings.eight_bit,
        recompute=settings.recompute,
    )


def perform(settings: Settings, given: Mapping[str, Any], began: float) -> None:
    """Make a training from its settings, run it to the end of its budget, and export it.

    settings: see `restorekit.training.runs`.
    given: fields of the recipe.
    began: `time.monotonic` at the start of the command, from which a deadline counts.
    """
    from restorekit.plugin.catalog import build_catalog, load_plugins
    from restorekit.training.basis import BasisTraining
    from restorekit.training.published import publish
    from restorekit.training.runs import make_recipe, run_folder, smallest_photo, start_run
    from restorekit.training.start import check_photos

    if not settings.photos and not settings.pairs:
        raise TrainingError("a training wants folders of photographs; a basis may have --pairs INPUT/ TARGET/")
    budget = make_budget(settings.minutes, settings.iterations, settings.deadline, settings.threads, began)
    engine = make_engine(settings)
    recipe, catalog = make_recipe(settings, given), build_catalog(load_plugins()).of_model(settings.model)
    for name in recipe.names:  # before photographs are read, which takes minutes
        check_photos(catalog.degradation(name), in_pairs=bool(settings.pairs), plain=bool(settings.photos))
    export = None if settings.export is None else Path(settings.export)
    photos = load_pictures(settings, smallest_photo(settings, recipe))
    training = start_run(settings, recipe, catalog, photos, engine)
    if isinstance(training, BasisTraining):
        warn((*catalog.failures, *training.failures))
    go(training, budget, run_folder(settings, recipe), export, settings.checkpoint_minutes)
    if isinstance(training, BasisTraining) and export is not None:
        tell(about_key(export, recipe.names[0]))
        written = publish(training, export, settings)
        tell(f"written beside it: {', '.join(path.name for path in written)}")


def train(
    training: str,
    photos: list[Path],
    options: RunOptions,
    given: dict[str, Any],
    *,
    weights: Path | None = None,
    model: str = "",
    from_weights: Path | None = None,
    pairs: Sequence[Path] = (),
    began: float | None = None,
) -> None:
    """Run a training, as its recipe as a file would.

    training: backbone, encoder, basis or detail.
    given: fields of its recipe.
    began: start of the command by `time.monotonic`; None is now.
    """
    began = time.monotonic() if began is None else began
    from restorekit.training.runs import Settings

    settings = Settings(
        training=training,
        photos=tuple(map(str, photos)),
        pairs=tuple(map(str, pairs)),
        weights=None if weights is None else str(weights),
        model=model,
        from_weights=None if from_weights is None else str(from_weights),
        **vars(options),
    )
    perform(settings, given, began)


def stderr() -> Console:
    """The console for progress."""
    from rich.console import Console

    return Console(stderr=True)


def load_photos(folders: list[Path], limit: int | None, smallest: int) -> Photos:
    """Read photographs under a progress bar.

    folders: searched recursively.
    limit: number of photographs at most.
    smallest: short side in px that one needs.
    """
    from restorekit.training.photos import Photos

    with reading() as report:
        return Photos.load(folders, smallest, limit, report)


def load_pictures(settings: Settings, smallest: int) -> Photos | PairedPhotos:
    """Read the photographs of a run, or its pairs, under a progress bar. smallest: as in `load_photos`."""
    from restorekit.training.paired import PairedPhotos

    folders = [Path(folder) for folder in settings.photos]
    plain = load_photos(folders, settings.limit, smallest) if folders else None
    if plain is not None and not settings.pairs:
        return plain
    inputs, targets = map(Path, settings.pairs)
    with reading() as report:
        pairs = PairedPhotos.load(inputs, targets, smallest, None if plain else settings.limit, report)
    return replace(pairs, plain=plain)


@contextmanager
def reading() -> Iterator[Callable[[int, int], None]]:
    """A progress bar over reading, told how many of how many pictures were read."""
    from rich.progress import Progress as Bar

    with Bar(console=stderr(), transient=True) as bar:
        task = bar.add_task("reading photographs", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def known(loss: float) -> str:
    """The loss as the progress bar shows it; a GPU is asked for it once a minute."""
    return "-" if math.isnan(loss) else f"{loss:.4f}"


def go(training: Training, budget: Budget, run: Path, export: Path | None, checkpoint_minutes: float) -> None:
    """Run to the end of the budget under a progress bar, then export."""
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    from restorekit.training.budget import format_minutes

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
    from restorekit.model.basis import KEY, Basis
    from restorekit.training.readout import ENOUGH, FALSE_ALARMS

    figures = Basis(name, name, folder).record["key"]
    said = (
        f"finds {figures['found']:.1%} of the pictures with {name}, false alarms on {figures['false_alarms']:.1%} "
        f"of the others, accuracy {figures['accuracy']:.1%} ({figures['queries']} queries)"
    )
    if (folder / KEY).exists():
        return f"key: {said}"
    return (
        f"no key: it {said}; {ENOUGH:.0%} at no more than {figures.get('allowed', FALSE_ALARMS):.0%} are wanted. "
        f"The basis works with --set {name}=1"
    )
