"""Picture after picture on this machine: the next one is read and the last one written while one is worked on.

What went wrong with one is said, and the others go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from restorekit.cli.ledger import Ledger, Manifest, Report
from restorekit.cli.terminal import Meter
from restorekit.errors import ImageError, RestorekitError
from restorekit.jobs import Job


@dataclass(frozen=True)
class Stages:
    """What is done with a job. read and write run on threads of their own, beside the work on other pictures;
    each gets what the one before it made."""

    read: Callable[[Job], Any]
    work: Callable[[Job, Any], Any]
    write: Callable[[Job, Any], Report]


@dataclass(frozen=True)
class Batch:
    """Jobs on their way."""

    stages: Stages
    ledger: Ledger

    def run(self, jobs: Sequence[Job]) -> None:
        """Do all of them, at most three at a time: one being read, one worked on, one written."""
        todo = [job for job in jobs if not job.done]
        self.ledger.skip([job for job in jobs if job.done])
        writing: deque[tuple[Job, Future[Report]]] = deque()
        with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:
            pictures = read_ahead(todo, self.stages.read, reader)
            for done, (job, picture) in enumerate(pictures):
                self.ledger.meter.picture(done, str(job.source))
                while writing and (len(writing) > 1 or writing[0][1].done()):
                    self.tell(*writing.popleft())
                try:
                    product = self.stages.work(job, picture.result())
                except RestorekitError as error:
                    while writing:
                        self.tell(*writing.popleft())
                    self.ledger.fail(job, error)
                    continue
                writing.append((job, writer.submit(self.write, job, product)))
            while writing:
                self.tell(*writing.popleft())

    def write(self, job: Job, product: Any) -> Report:
        """On the writing thread: the picture, and what its hashes are."""
        return self.ledger.proven(job, self.stages.write(job, product))

    def tell(self, job: Job, writing: Future[Report]) -> None:
        """Wait until it is written, and say so."""
        try:
            report = writing.result()
        except RestorekitError as error:
            self.ledger.fail(job, error)
            return
        self.ledger.finish(job, report)


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
    ledger = Ledger(meter, as_json, manifest)
    with ledger.ending(jobs):
        Batch(stages, ledger).run(jobs)


def one_stage(work: Callable[[Job], Report]) -> Stages:
    """For what is quick: nothing beside anything."""
    return Stages(lambda job: None, lambda job, _: work(job), lambda _, report: report)
