"""A run on the terminal: a line or a JSON object for each picture, progress, and the exit code.

A reader who goes away (a closed pipe, a full disk) costs his lines and the exit code, never the pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import typer

from restorekit.cli.terminal import Meter, put, put_json, put_table, tell
from restorekit.errors import RestorekitError
from restorekit.work.jobs import STREAM, Job
from restorekit.work.listener import Level, Listener, Report, Summary, failed_record, skipped_record

__all__ = ["Printer"]

FAILED, WITHOUT_BASIS = 1, 3  # exit codes
WORD = {"plain": "", "note": "note: ", "warning": "warning: ", "error": "error: "}


class Printer(Listener):
    """Prints what a run tells; use it in a `with` statement.

    as_json: one JSON object for each picture instead of a line.
    lost: the streams that could not be written to.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.meter = Meter()
        self.lost: set[str] = set()

    def __enter__(self) -> Printer:
        self.meter.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.meter.stop()

    def started(self, jobs: Sequence[Job]) -> None:
        """Refuse a run whose picture and whose records want the same stream."""
        if self.as_json and any(job.output == STREAM for job in jobs):
            raise RestorekitError("--json and the picture both want standard output; give -o a file")

    def picture(self, name: str, done: int, total: int) -> None:
        """Show which picture is worked on."""
        self.meter.picture(done, total, name)

    def progress(self, done: int, total: int) -> None:
        """Show how many tiles of it are done."""
        self.meter.tile(done, total)

    def note(self, text: str, level: Level = "note") -> None:
        """Write a line about the run."""
        with self.meter.paused():
            self.say(WORD[level] + text)

    def finished(self, job: Job, report: Report) -> None:
        """Write the notes on a picture, and the findings."""
        width, height = report.record["size"]
        self.meter.megapixels += width * height / 1e6
        with self.meter.paused():
            for note in report.notes:
                self.say(f"note: {job.source}: {note}")
            self.show(report.record, lambda: self.words(job, report))

    def failed(self, job: Job, error: Exception) -> None:
        """Write the error."""
        with self.meter.paused():
            self.say(f"error: {error}")
            self.show(failed_record(job, error))

    def skipped(self, jobs: Sequence[Job], reason: str) -> None:
        """Count the jobs that were passed over."""
        with self.meter.paused():
            self.say(f"note: {len(jobs)} passed over: {reason}")
            for job in jobs:
                self.show(skipped_record(job))

    def conclude(self, summary: Summary) -> None:
        """Name the pictures that failed, and exit: with 1 if any did or could not be told of, with 3 if all were
        done without a basis that is missing."""
        if summary.failed and summary.total > 1:
            failed = f"{len(summary.failed)} of {summary.total} failed: {', '.join(summary.failed)}"
            self.note(failed, "error")
        if summary.failed or summary.unrecorded or self.lost:
            raise typer.Exit(FAILED)
        if summary.incomplete:
            raise typer.Exit(WITHOUT_BASIS)

    def say(self, text: str) -> None:
        """Write a line to stderr."""
        if not tell(text):
            self.lost.add("standard error")

    def show(self, record: Mapping[str, Any], words: Callable[[], None] | None = None) -> None:
        """Print what a program wants to know, or a person; nothing more to a reader who went away."""
        if "standard output" in self.lost:
            return
        try:
            if self.as_json:
                put_json(record)
            elif words is not None:
                words()
        except RestorekitError as error:
            self.lost.add("standard output")
            self.say(f"error: {error}. The pictures go on")

    def words(self, job: Job, report: Report) -> None:
        """Print the findings for a person: on stderr where the picture itself is on stdout."""
        if report.rows:
            put_table(("basis", "weight", "severity"), report.rows, title=str(job.source))
            return
        line = f"{job.source} -> {job.output}  {report.found}"
        if job.output == STREAM:
            self.say(line)
        else:
            put(line)
