"""What became of each picture: said to a person or a program, and kept in a manifest, a JSON object on a line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import typer

from restorekit import __version__
from restorekit.cli.terminal import Meter, put_json, tell
from restorekit.errors import ImageError
from restorekit.jobs import Job
from restorekit.weights import digest


@dataclass(frozen=True)
class Report:
    """What became of one picture. show: prints it for a person; record: for a program; notes: for both; proof:
    the sha256 of its files, where a manifest keeps them."""

    show: Callable[[], None]
    record: Mapping[str, Any]
    notes: Sequence[str] = ()
    proof: Mapping[str, str | None] | None = None


class Manifest:
    """JSON lines, added to a file as pictures are done: record of the report, sha256 of input and output, and
    whatever holds for all of them. outputs: those it had when it was opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.common: dict[str, Any] = {"restorekit": __version__}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab+") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(0, end - 1))
                if file.read() not in (b"", b"\n"):
                    file.write(b"\n")  # after a line that a killed run did not finish
                file.seek(0)
                self.outputs = {output for line in file if (output := output_of(line)) is not None}
        except OSError as error:
            raise ImageError(f"cannot write {path}: {error.strerror}; choose another --manifest") from error

    def add(self, record: Mapping[str, Any], proof: Mapping[str, str | None]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**record, **proof, **self.common}) + "\n")


def output_of(line: bytes) -> str | None:
    """The output that a line of a manifest tells of; None for an error, or a line that was not finished."""
    try:
        record = json.loads(line)
        return None if "error" in record else str(record["output"])
    except (ValueError, KeyError, TypeError):
        return None


def proof_of(job: Job, *, written: bool = True) -> dict[str, str | None]:
    """sha256 of a picture's files; takes some time for large ones."""
    proof = {"input_sha256": file_digest(job.source)}
    if written and job.output is not None:
        proof["output_sha256"] = file_digest(job.output)
    return proof


def file_digest(path: Path) -> str | None:
    """sha256 of a file; None for what is none, or cannot be read."""
    try:
        return digest(path)
    except OSError:
        return None


@dataclass
class Ledger:
    """Of one run. failed: the names of the pictures that did."""

    meter: Meter
    as_json: bool = False
    manifest: Manifest | None = None
    failed: list[str] = field(default_factory=list)

    def proven(self, job: Job, report: Report) -> Report:
        """The report with what the manifest wants to know of the files; may be asked for on any thread."""
        return report if self.manifest is None else replace(report, proof=proof_of(job))

    def finish(self, job: Job, report: Report) -> None:
        """A picture is done: count it, keep it, say so."""
        if self.manifest is not None:
            self.manifest.add(report.record, report.proof or proof_of(job))
        width, height = report.record["size"]
        self.meter.megapixels += width * height / 1e6
        with self.meter.paused():
            for note in report.notes:
                tell(f"note: {job.source}: {note}")
            if self.as_json:
                put_json(report.record)
            else:
                report.show()

    def fail(self, job: Job, error: Exception) -> None:
        self.failed.append(str(job.source))
        record = {"input": str(job.source), "error": str(error)}
        if job.output is not None:
            record["output"] = str(job.output)
        if self.manifest is not None:
            self.manifest.add(record, proof_of(job, written=False))
        with self.meter.paused():
            tell(f"error: {error}")
            if self.as_json:
                put_json(record)

    def skip(self, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        records = [{"input": str(job.source), "output": str(job.output), "skipped": True} for job in jobs]
        if self.manifest is not None:  # a run may have been killed after a picture, before its line
            for job, record in zip(jobs, records, strict=True):
                if str(job.output) not in self.manifest.outputs:
                    self.manifest.add(record, proof_of(job))
        with self.meter.paused():
            tell(f"note: {len(jobs)} passed over: the output is there")
            if self.as_json:
                for record in records:
                    put_json(record)

    @contextmanager
    def ending(self, jobs: Sequence[Job]) -> Iterator[None]:
        """Around the work on all jobs: says how to go on after Ctrl-C, and exits with 1 if any failed."""
        several = len(jobs) > 1
        try:
            yield
        except KeyboardInterrupt:
            if several:
                with self.meter.paused():
                    tell("stopped; give the command again with --skip-existing to go on")
            raise
        if self.failed:
            if several:
                with self.meter.paused():
                    tell(f"error: {len(self.failed)} of {len(jobs)} failed: {', '.join(self.failed)}")
            raise typer.Exit(1)
