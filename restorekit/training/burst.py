"""A burst: one run against the clock on a machine that is lent, whose results must come back whatever happens.

Its time ends with the deadline, less what validating and writing the weights took at the beginning. From the first
minute on the folder `out` holds weights, log and report in pieces (`restorekit.training.pieces`), renewed with
every checkpoint.
"""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from restorekit.errors import RestorekitError
from restorekit.training.base import Training
from restorekit.training.budget import Budget, Every
from restorekit.training.counters import Progress
from restorekit.training.on_top import OnTop
from restorekit.training.pieces import write_pieces, write_whole
from restorekit.training.running import device_name

__all__ = ["Burst", "BurstReport"]

NOTES = ("compile", "graph")  # rows of the log that are words
ROLLED_BACK = "rolled back"
RESERVE, LARGEST_RESERVE = 1.5, 0.2  # times what the end took at the beginning; share of the deadline at most
TELL_SECONDS = 60.0


@dataclass
class BurstReport:
    """Facts of a burst, as they stand.

    ended: "running", "at the deadline", "interrupted", or why it could not go on.
    iterations, patches: of this burst alone. patches_per_second: over the whole of its training, compiling and
        validation included; logged: without them, last.
    data_share: of the steps' time that went into the data.
    told: what was said of compiling and recording.
    phases: their seconds.
    validation_first, validation_last: PSNR in dB, by row.
    """

    ended: str = "running"
    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    resumed_at: int = 0
    iterations: int = 0
    patches: int = 0
    patches_per_second: float = 0.0
    logged_patches_per_second: float | None = None
    data_share: float = 0.0
    rollbacks: int = 0
    told: dict[str, str] = field(default_factory=dict)
    gpu_memory: int | None = None
    validation_first: dict[str, float] = field(default_factory=dict)
    validation_last: dict[str, float] = field(default_factory=dict)
    phases: dict[str, float] = field(default_factory=dict)

    def text(self) -> str:
        """The report for a person, one fact a line."""
        first, last = self.validation_first.get("mean"), self.validation_last.get("mean")
        lines = [
            f"ended          {self.ended}",
            f"device         {self.device}",
            f"versions       {', '.join(f'{name} {version}' for name, version in self.versions.items())}",
            f"iterations     {self.iterations}, after {self.resumed_at}",
            f"patches        {self.patches}, {self.patches_per_second:.0f} a second",
            f"data           {self.data_share:.1%} of the steps' time",
            f"rolled back    {self.rollbacks} times",
            *(f"{name:14} {words}" for name, words in self.told.items()),
            f"validation     {shown(first)} dB in the mean before, {shown(last)} after",
            *(
                f"  {name:24} {value:.3f}, from {shown(self.validation_first.get(name))}"
                for name, value in self.validation_last.items()
                if name != "mean"
            ),
            *(f"seconds        {seconds:.1f} for {name}" for name, seconds in self.phases.items()),
        ]
        return "\n".join(lines) + "\n"


def shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


class Burst:
    """A burst from its first check to its last piece.

    out: folder for the pieces.
    most: bytes of a piece at most.
    began: `time.monotonic()` at the start of the command.
    tell: told in sentences how it goes.
    base: weights that the training goes on from, into a copy of which its own are written: so that what comes back
        is whole; None for a training from nothing.
    """

    def __init__(self, out: Path, most: int, began: float, tell: Callable[[str], object]) -> None:
        self.base: Path | None = None
        self.out, self.most, self.began = out, most, began
        self.tell_line = tell
        self.report = BurstReport()

    def tell(self, text: str) -> None:
        """Say a sentence, with the seconds since the start."""
        self.tell_line(f"{time.monotonic() - self.began:6.0f} s  {text}")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the seconds of a part of the burst."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.report.phases[name] = self.report.phases.get(name, 0.0) + time.monotonic() - started

    def run(self, training: Training, folder: Path, deadline: float, every: float) -> None:
        """Train, and leave weights, log and report in `out`.

        training: of any kind but a later basis, whose key takes minutes to write.
        folder: of checkpoint and log.
        deadline: seconds from the start at which all has to be done.
        every: seconds between two checkpoints.
        Raises TrainingError where the training could not go on; the last good weights are in `out` then.
        """
        report = self.report
        report.device = device_name(training.device)
        report.resumed_at = training.counters.iteration
        if report.resumed_at:
            self.tell(f"resuming {folder} at iteration {report.resumed_at}")
        log = folder / "log.csv"
        earlier = len(rows_of(log))
        before = time.monotonic()
        with self.phase("first validation and weights"):
            report.validation_first = training.validate()
            self.tell(f"validation before: {shown(report.validation_first.get('mean'))} dB in the mean")
            self.write(training, folder)
        reserve = min(RESERVE * (time.monotonic() - before) + 1, LARGEST_RESERVE * deadline)
        budget = Budget(deadline=max(0.0, deadline - reserve) / 60, started=self.began)
        started, due = time.monotonic(), Every(TELL_SECONDS)
        earlier_data, earlier_seconds = training.counters.data_seconds, training.counters.seconds

        def count() -> None:
            """Bring the report up to now, and write all."""
            recipe, counters = training.recipe, training.counters
            seconds = max(time.monotonic() - started, 1e-9)
            training.data_share()  # makes a device settle its counters
            stepping = max(counters.seconds - earlier_seconds, 1e-9)
            report.phases["training"] = seconds
            report.iterations = counters.iteration - report.resumed_at
            report.patches = report.iterations * recipe.groups * recipe.group_size
            report.patches_per_second = report.patches / seconds
            report.data_share = (counters.data_seconds - earlier_data) / stepping
            self.read_log(rows_of(log)[earlier:])
            self.add_recording(training)
            self.write(training, folder)

        def step(progress: Progress) -> None:
            if due.due():
                speed = (progress.counters.iteration - report.resumed_at) / (time.monotonic() - started)
                self.tell(
                    f"iteration {progress.counters.iteration}, {speed:.2f} a second, loss {progress.loss:.4f}, "
                    f"{progress.seconds_left:.0f} s left"
                )

        def kept() -> None:
            count()
            self.tell(f"weights written, validation {shown(report.validation_last.get('mean'))} dB in the mean")

        training.kept = kept
        try:
            training.run(budget, folder, report=step, tell=self.tell, checkpoint_minutes=every / 60)
            late = budget.progress(training.counters.seconds, training.counters.iteration) >= 1
            report.ended = "at the deadline" if late else "interrupted"
        except RestorekitError as error:
            report.ended = str(error)
            raise
        finally:
            training.kept = lambda: None
            self.write(training, folder)
        self.tell(f"{report.ended}: {report.patches} patches, results in {self.out}")

    def read_log(self, rows: list[dict[str, str]]) -> None:
        """Take from rows of the log what the report says."""
        report = self.report
        validated: dict[str, float] = {}
        for row in rows:
            name, value = row["name"], row["value"]
            if name == ROLLED_BACK:
                continue
            if name in NOTES:
                report.told[name] = value
            elif name == "patches/s":
                report.logged_patches_per_second = float(value)
            elif name in report.validation_first:
                validated[name] = float(value)
        report.rollbacks = sum(row["name"] == ROLLED_BACK for row in rows)
        if validated:
            report.validation_last = validated

    def add_recording(self, training: Training) -> None:
        """Say whether steps are recorded, and how much memory a GPU gave."""
        if training.device.type == "cuda":
            recorded = training.stepper.recorded is not None
            self.report.told.setdefault("graph", "steps are recorded" if recorded else "steps are not recorded")
            self.report.gpu_memory = torch.cuda.max_memory_allocated(training.device)

    def write(self, training: Training, folder: Path) -> None:
        """Write averaged weights, log and report as pieces, and the report beside them to be read at once."""
        self.out.mkdir(parents=True, exist_ok=True)
        text, record = self.report.text(), json.dumps(asdict(self.report), indent=2) + "\n"
        with tempfile.TemporaryDirectory() as place:
            bundle = Path(place)
            weights = bundle / "weights"
            if self.base is not None:
                shutil.copytree(self.base, weights)
            training.export(weights / training.recipe.name if isinstance(training, OnTop) else weights)
            if (folder / "log.csv").exists():
                shutil.copyfile(folder / "log.csv", bundle / "log.csv")
            (bundle / "recipe.json").write_text(json.dumps(asdict(training.recipe), indent=2) + "\n")
            (bundle / "report.txt").write_text(text)
            (bundle / "report.json").write_text(record)
            write_pieces(bundle, self.out, self.most)
        write_whole(self.out / "report.txt", text.encode())
        write_whole(self.out / "report.json", record.encode())


def rows_of(log: Path) -> list[dict[str, Any]]:
    """The rows of a training's log so far."""
    if not log.exists():
        return []
    with log.open(newline="") as file:
        return list(csv.DictReader(file))
