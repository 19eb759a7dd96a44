"""Accounts of a run: the word on each picture, for a person or a program, and its line in the manifest.

A reader who goes away (a closed pipe, a full disk) costs his lines and the exit code, never the pictures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import typer

from restorekit.cli.manifest import Manifest, proof_of
from restorekit.cli.terminal import Meter, put_json, tell
from restorekit.errors import RestorekitError
from restorekit.files import is_finished
from restorekit.jobs import Job, in_words

FAILED, WITHOUT_BASIS = 1, 3  # exit codes


@dataclass(frozen=True)
class Report:
    """The word on one picture. show: prints it for a person; record: for a program; notes: for both; proof: the
    sha256 of its files, where a manifest keeps them."""

    show: Callable[[], object]
    record: Mapping[str, Any]
    notes: Sequence[str] = ()
    proof: Mapping[str, str | None] | None = None


@dataclass
class Ledger:
    """Accounts of one run.

    failed: names of the pictures that did. lost: whatever could not be written to, standard output or error or the
    manifest. incomplete: a basis was missing, so that a picture may not be treated.
    """

    meter: Meter
    as_json: bool = False
    manifest: Manifest | None = None
    failed: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    incomplete: bool = False

    def say(self, text: str) -> None:
        """Write a line to stderr."""
        if not tell(text):
            self.lost.add("standard error")

    def warn(self, failures: Sequence[object]) -> None:
        """Tell what could not be used, a line each."""
        with self.meter.paused():
            for failure in failures:
                self.say(f"warning: {failure}")

    def passed_over(self, paths: Sequence[Path]) -> None:
        """Count and name what folders and patterns hold beside the pictures."""
        if paths:
            with self.meter.paused():
                self.say(f"note: {len(paths)} passed over as no pictures of this run: {in_words(paths)}")

    def show(self, record: Mapping[str, Any], words: Callable[[], object] | None = None) -> None:
        """Print what a program wants to know, or a person; nothing more to a reader who went away."""
        if "standard output" in self.lost:
            return
        try:
            if self.as_json:
                put_json(record)
            elif words is not None and words() is False:
                self.lost.add("standard error")
        except RestorekitError as error:
            self.lost.add("standard output")
            self.say(f"error: {error}. The pictures go on")

    def keep(self, record: Mapping[str, Any], proof: Mapping[str, str | None]) -> None:
        """Add a line to the manifest, if there is one."""
        if self.manifest is None:
            return
        try:
            self.manifest.add(record, proof)
        except OSError as error:
            if "manifest" not in self.lost:
                self.lost.add("manifest")
                self.say(
                    f"error: cannot write {self.manifest.path}: {error.strerror}; free some space, and give the "
                    "command again with --skip-existing for the lines that are missing. The pictures go on"
                )

    def proven(self, job: Job, report: Report) -> Report:
        """The report with what the manifest wants to know of the files; may be asked for on any thread."""
        return report if self.manifest is None else replace(report, proof=proof_of(job))

    def finish(self, job: Job, report: Report) -> None:
        """A picture is done: count it, keep it, say so."""
        self.keep(report.record, report.proof or (proof_of(job) if self.manifest else {}))
        width, height = report.record["size"]
        self.meter.megapixels += width * height / 1e6
        with self.meter.paused():
            for note in report.notes:
                self.say(f"note: {job.source}: {note}")
            self.show(report.record, report.show)

    def fail(self, job: Job, error: Exception) -> None:
        self.failed.append(str(job.source))
        record = {"input": str(job.source), "error": str(error)}
        if job.output is not None:
            record["output"] = str(job.output)
        self.keep(record, proof_of(job, written=False) if self.manifest else {})
        with self.meter.paused():
            self.say(f"error: {error}")
            self.show(record)

    def skip(self, jobs: Sequence[Job], reason: str = "the output is there") -> None:
        """Jobs that are not done, for a reason that holds for all of them."""
        if not jobs:
            return
        records = [{"input": str(job.source), "output": str(job.output), "skipped": True} for job in jobs]
        if self.manifest is not None:  # a run may have been killed after a picture, before its line
            for job, record in zip(jobs, records, strict=True):
                there = job.output is not None and is_finished(job.output)
                if there and str(job.output) not in self.manifest.outputs:
                    known = self.manifest.pending.get(os.path.abspath(str(job.output)), {})
                    self.keep({**known, **record}, proof_of(job))
        with self.meter.paused():
            self.say(f"note: {len(jobs)} passed over: {reason}")
            for record in records:
                self.show(record)

    @contextmanager
    def ending(self, jobs: Sequence[Job]) -> Iterator[None]:
        """Around the work on all jobs: says how to go on after Ctrl-C, and exits with 1 if any failed or could not
        be told of, with 3 if all were done without a basis that is missing."""
        several = len(jobs) > 1
        try:
            yield
        except KeyboardInterrupt:
            if several:
                with self.meter.paused():
                    self.say("stopped; give the command again with --skip-existing to go on")
            raise
        if self.manifest is not None:
            self.manifest.close()
        if self.failed and several:
            with self.meter.paused():
                self.say(f"error: {len(self.failed)} of {len(jobs)} failed: {', '.join(self.failed)}")
        if self.failed or self.lost:
            raise typer.Exit(FAILED)
        if self.incomplete:
            raise typer.Exit(WITHOUT_BASIS)
