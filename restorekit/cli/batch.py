"""Picture after picture on this machine: the next one is read and the last one written while one is worked on.

Whatever goes wrong with one is said in a line, and the others go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from traceback import extract_tb
from typing import Any

from restorekit.atomic import Claim
from restorekit.cli.ledger import Ledger, Report
from restorekit.cli.terminal import Meter
from restorekit.errors import ImageError, RestorekitError
from restorekit.files import is_finished
from restorekit.jobs import STREAM, Job, take
from restorekit.machine import short_of_memory


@dataclass(frozen=True)
class Stages:
    """The three steps of a job. read and write run on threads of their own, beside the work on other pictures;
    each gets what the one before it made."""

    read: Callable[[Job], Any]
    work: Callable[[Job, Any], Any]
    write: Callable[[Job, Any], Report]


class Passed(Exception):
    """Raised for a job that another run has done in the meantime, or is at."""


@dataclass(frozen=True)
class Batch:
    """Jobs on their way. resume: pass over what is there, whenever it came, and what another run is at. claims: on
    the outputs of the jobs that are under way; passed: jobs that turned out to be another run's."""

    stages: Stages
    ledger: Ledger
    resume: bool = False
    claims: dict[Path, Claim] = field(default_factory=dict)
    passed: list[Job] = field(default_factory=list)

    def run(self, jobs: Sequence[Job]) -> None:
        """Do all of them; at the end those once more that another run had begun and did not finish."""
        self.ledger.skip([job for job in jobs if job.done])
        todo = [job for job in jobs if not job.done]
        try:
            for _ in range(2):
                self.passed.clear()
                self.run_once(todo)
                todo = [job for job in self.passed if job.output is not None and not is_finished(job.output)]
                self.ledger.skip([job for job in self.passed if job not in todo], "another run has done it")
        finally:
            for claim in self.claims.values():  # of an interrupted run
                claim.release()
        self.ledger.skip(todo, "another run is at it")

    def run_once(self, todo: Sequence[Job]) -> None:
        """Do jobs, at most three at a time: one being read, one worked on, one written."""
        if not todo:
            return
        writing: deque[tuple[Job, Future[Report]]] = deque()
        with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:
            pictures = read_ahead(todo, self.read, reader)
            for done, (job, picture) in enumerate(pictures):
                self.ledger.meter.picture(done, str(job.source))
                while writing and (len(writing) > 1 or writing[0][1].done()):
                    self.tell(*writing.popleft())
                try:
                    product = self.stages.work(job, picture.result())
                except Exception as error:
                    while writing:
                        self.tell(*writing.popleft())
                    self.give_up(job, error)
                    continue
                writing.append((job, writer.submit(self.write, job, product)))
            while writing:
                self.tell(*writing.popleft())

    def read(self, job: Job) -> Any:
        """On the reading thread: the picture, once its output is ours to write."""
        if job.problem:
            raise ImageError(job.problem)
        if self.resume and job.output is not None and job.output != STREAM:
            claim = take(job)
            if claim is None:
                raise Passed
            self.claims[job.output] = claim
        return self.stages.read(job)

    def write(self, job: Job, product: Any) -> Report:
        """On the writing thread: the picture, and what its hashes are."""
        return self.ledger.proven(job, self.stages.write(job, product))

    def tell(self, job: Job, writing: Future[Report]) -> None:
        """Wait until it is written, and say so."""
        try:
            report = writing.result()
        except Exception as error:
            self.give_up(job, error)
            return
        self.release(job)
        self.ledger.finish(job, report)

    def give_up(self, job: Job, error: Exception) -> None:
        """Account for a job that was not done: by another run, or by nobody."""
        self.release(job)
        # Where a file system knows no locks, another run may have written it since.
        overtaken = self.resume and job.output is not None and is_finished(job.output)
        if overtaken or isinstance(error, Passed):
            self.passed.append(job)
        else:
            self.ledger.fail(job, in_one_line(job, error))

    def release(self, job: Job) -> None:
        claim = None if job.output is None else self.claims.pop(job.output, None)
        if claim is not None:
            claim.release()


def in_one_line(job: Job, error: Exception) -> RestorekitError:
    """Any error as one of ours, which names the picture and the remedy."""
    if short_of_memory(error):
        if isinstance(error, RestorekitError) and "not enough memory" in str(error):
            return error
        return ImageError(
            f"{job.source}: not enough memory; close other programs, or make the picture smaller first"
        )
    if isinstance(error, RestorekitError):
        return error
    if isinstance(error, OSError):
        return ImageError(f"{job.source}: {error.strerror or error}; check the disk and its permissions")
    frames = extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    said = " ".join(str(error).split())
    return RestorekitError(
        f"{job.source}: {type(error).__name__}: {said}{place}; this is a fault in the program, please report it"
    )


def read_ahead(
    jobs: Sequence[Job], read: Callable[[Job], Any], reader: ThreadPoolExecutor
) -> Iterator[tuple[Job, Future[Any]]]:
    """Each job with its picture, which was begun to be read while the one before it was in use."""
    begun = deque(reader.submit(read, job) for job in jobs[:1])
    for job, after in zip_longest(jobs, jobs[1:]):
        if after is not None:
            begun.append(reader.submit(read, after))
        yield job, begun.popleft()


def run_jobs(
    jobs: Sequence[Job],
    stages: Stages,
    meter: Meter,
    *,
    as_json: bool,
    ledger: Ledger | None = None,
    resume: bool = False,
) -> None:
    """Do all jobs, and exit as the ledger has it: a new one, unless one was begun."""
    ledger = ledger or Ledger(meter, as_json)
    with ledger.ending(jobs):
        Batch(stages, ledger, resume).run(jobs)


def one_stage(work: Callable[[Job], Report]) -> Stages:
    """For what is quick: nothing beside anything."""
    return Stages(lambda job: None, lambda job, _: work(job), lambda _, report: report)
