"""Words between a run and whoever asked for it: a terminal, a web page, a test.

All methods of a listener are called on the thread that runs the jobs, in the order in which things happen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from restorekit.work.jobs import Job

__all__ = ["Level", "Listener", "Report", "Summary", "failed_record", "skipped_record"]

Level = Literal["plain", "note", "warning", "error"]


@dataclass(frozen=True)
class Report:
    """Outcome for one file.

    found: the findings and what became of them, for a person.
    record: the same for a program, with the "size" of the picture.
    notes: lines for both.
    rows: the findings as a table of basis, weight and severity, where they are all that was asked for.
    proof: sha256 of the files, where a manifest keeps them.
    """

    found: str
    record: Mapping[str, Any]
    notes: Sequence[str] = ()
    rows: Sequence[tuple[str, str, str]] = ()
    proof: Mapping[str, str | None] | None = None


@dataclass(frozen=True)
class Summary:
    """Outcome of a run.

    total: number of jobs.
    failed: names of the pictures that did.
    incomplete: a basis could not be used, so that a picture may not be treated.
    unrecorded: the manifest could not be written.
    """

    total: int
    failed: tuple[str, ...] = ()
    incomplete: bool = False
    unrecorded: bool = False


class Listener(Protocol):
    """Whoever follows a run. Methods that a subclass leaves out do nothing."""

    def started(self, jobs: Sequence[Job]) -> None:
        """A run begins; a RestorekitError raised here ends it before anything is written."""

    def picture(self, name: str, done: int, total: int) -> None:
        """The work on a picture begins, after `done` others of `total`."""

    def progress(self, done: int, total: int) -> None:
        """Tiles of the picture that are done, and how many there are."""

    def note(self, text: str, level: Level = "note") -> None:
        """Something that concerns the run rather than one picture."""

    def finished(self, job: Job, report: Report) -> None:
        """A picture is done and written."""

    def failed(self, job: Job, error: Exception) -> None:
        """A picture cannot be done; the others go on. error: one line, with the remedy."""

    def skipped(self, jobs: Sequence[Job], reason: str) -> None:
        """Jobs that are not done, for a reason that holds for all of them."""


def failed_record(job: Job, error: Exception) -> dict[str, Any]:
    """A failed job, for a program."""
    record = {"input": str(job.source), "error": str(error)}
    return record if job.output is None else {**record, "output": str(job.output)}


def skipped_record(job: Job) -> dict[str, Any]:
    """A job that was passed over, for a program."""
    return {"input": str(job.source), "output": str(job.output), "skipped": True}
