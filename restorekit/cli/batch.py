"""Picture after picture: the next one is read and the last one written while one is worked on.

What went wrong with one is said, and the others go on. A manifest keeps what became of each, a JSON object on
a line.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import typer

from restorekit import __version__
from restorekit.cli.terminal import Meter, put_json, tell
from restorekit.errors import ImageError, RestorekitError
from restorekit.jobs import Job
from restorekit.weights import digest


@dataclass(frozen=True)
class Report:
    """What became of one picture. show: prints it for a person; record: for a program; notes: for both."""

    show: Callable[[], None]
    record: Mapping[str, Any]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Stages:
    """What is done with a job. read and write run on threads of their own, beside the work on other pictures;
    each gets what the one before it made."""

    read: Callable[[Job], Any]
    work: Callable[[Job, Any], Any]
    write: Callable[[Job, Any], Report]


class Manifest:
    """JSON lines, added to a file as pictures are done: record of the report, sha256 of input and output, and
    whatever holds for all of them."""

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
        except OSError as error:
            raise ImageError(f"cannot write {path}: {error.strerror}; choose another --manifest") from error

    def add(self, job: Job, record: Mapping[str, Any]) -> None:
        hashes = {"input_sha256": file_digest(job.source)}
        if "error" not in record and job.output is not None:
            hashes["output_sha256"] = file_digest(job.output)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**record, **hashes, **self.common}) + "\n")


def file_digest(path: Path) -> str | None:
    """sha256 of a file; None for what is none, or cannot be read."""
    try:
        return digest(path)
    except OSError:
        return None


@dataclass
class Batch:
    """Jobs on their way. failed: the names of those that did."""

    stages: Stages
    meter: Meter
    as_json: bool = False
    manifest: Manifest | None = None
    failed: list[str] = field(default_factory=list)

    def run(self, jobs: Sequence[Job]) -> None:
        """Do all of them, at most three at a time: one being read, one worked on, one written."""
        todo = [job for job in jobs if not job.done]
        self.skip([job for job in jobs if job.done])
        writing: deque[tuple[Job, Future[Report]]] = deque()
        with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:
            pictures = read_ahead(todo, self.stages.read, reader)
            for done, (job, picture) in enumerate(pictures):
                self.meter.picture(done, str(job.source))
                while writing and (len(writing) > 1 or writing[0][1].done()):
                    self.tell(*writing.popleft())
                try:
                    product = self.stages.work(job, picture.result())
                except RestorekitError as error:
                    while writing:
                        self.tell(*writing.popleft())
                    self.fail(job, error)
                    continue
                writing.append((job, writer.submit(self.stages.write, job, product)))
            while writing:
                self.tell(*writing.popleft())

    def tell(self, job: Job, writing: Future[Report]) -> None:
        """Wait until it is written, and say so."""
        try:
            report = writing.result()
        except RestorekitError as error:
            self.fail(job, error)
            return
        if self.manifest is not None:
            self.manifest.add(job, report.record)
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
            self.manifest.add(job, record)
        with self.meter.paused():
            tell(f"error: {error}")
            if self.as_json:
                put_json(record)

    def skip(self, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        with self.meter.paused():
            tell(f"note: {len(jobs)} passed over: the output is there")
            if self.as_json:
                for job in jobs:
                    put_json({"input": str(job.source), "output": str(job.output), "skipped": True})


def read_ahead(
    jobs: Sequence[Job], read: Callable[[Job], Any], reader: ThreadPoolExecutor
) -> Iterator[tuple[Job, Future[Any]]]:
    """Each job with its picture, which was begun to be read while the one before it was in use."""

    def checked(job: Job) -> Any:
        if job.problem:
            raise ImageError(job.problem)
        return read(job)

    begun = deque(reader.submit(checked, job) for job in jobs[:1])
    for job, after in zip_longest(jobs, jobs[1:]):
        if after is not None:
            begun.append(reader.submit(checked, after))
        yield job, begun.popleft()


def run_jobs(
    jobs: Sequence[Job], stages: Stages, meter: Meter, *, as_json: bool, manifest: Manifest | None = None
) -> None:
    """Do all jobs. Exits with 1 if any failed."""
    batch = Batch(stages, meter, as_json, manifest)
    try:
        batch.run(jobs)
    except KeyboardInterrupt:
        if len(jobs) > 1:
            with meter.paused():
                tell("stopped; give the command again with --skip-existing to go on")
        raise
    if batch.failed:
        if len(jobs) > 1:
            with meter.paused():
                tell(f"error: {len(batch.failed)} of {len(jobs)} failed: {', '.join(batch.failed)}")
        raise typer.Exit(1)


def one_stage(work: Callable[[Job], Report]) -> Stages:
    """For what is quick: nothing beside anything."""
    return Stages(lambda job: None, lambda job, _: work(job), lambda _, report: report)
