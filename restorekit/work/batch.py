"""Picture after picture on this machine: the next one is read and the last one written while one is worked on.

Whatever goes wrong with one is said in a line, and the others go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from restorekit.atomic import Claim
from restorekit.errors import ImageError
from restorekit.files import is_finished
from restorekit.work.account import Account
from restorekit.work.faults import in_one_line
from restorekit.work.jobs import STREAM, Job, take
from restorekit.work.listener import Report, Summary

__all__ = ["Batch", "Stages", "run_jobs"]


@dataclass(frozen=True)
class Stages:
    """The three steps of a job, each given what the one before it made.

    read, write: run on threads of their own, beside the work on other pictures.
    work: runs on the thread that runs the batch.
    """

    read: Callable[[Job], Any]
    work: Callable[[Job, Any], Any]
    write: Callable[[Job, Any], Report]

    @classmethod
    def alone(cls, work: Callable[[Job], Report]) -> Stages:
        """Stages of quick work: nothing beside anything."""
        return cls(lambda job: None, lambda job, _: work(job), lambda _, report: report)


class Passed(Exception):
    """Raised for a job that another run has done in the meantime, or is at."""


class Batch:
    """Jobs on their way.

    resume: pass over what is there, whenever it came, and what another run is at.
    claims: on the outputs of the jobs that are under way.
    passed: jobs that turned out to be another run's.
    """

    def __init__(self, stages: Stages, account: Account, *, resume: bool = False) -> None:
        self.stages = stages
        self.account = account
        self.resume = resume
        self.claims: dict[Path, Claim] = {}
        self.passed: list[Job] = []

    def run(self, jobs: Sequence[Job]) -> None:
        """Do all of them; at the end those once more that another run had begun and did not finish."""
        self.account.skip([job for job in jobs if job.done])
        todo = [job for job in jobs if not job.done]
        try:
            for _ in range(2):
                self.passed.clear()
                self.run_once(todo)
                todo = [job for job in self.passed if job.output is not None and not is_finished(job.output)]
                self.account.skip([job for job in self.passed if job not in todo], "another run has done it")
        finally:
            for claim in self.claims.values():  # of an interrupted run
                claim.release()
        self.account.skip(todo, "another run is at it")

    def run_once(self, todo: Sequence[Job]) -> None:
        """Do jobs, at most three at a time: one being read, one worked on, one written."""
        if not todo:
            return
        writing: deque[tuple[Job, Future[Report]]] = deque()
        with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:
            pictures = read_ahead(todo, self.read, reader)
            for done, (job, picture) in enumerate(pictures):
                self.account.listener.picture(str(job.source), done, len(todo))
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
        """Read the picture, once its output is ours to write; on the reading thread."""
        if job.problem:
            raise ImageError(job.problem)
        if self.resume and job.output is not None and job.output != STREAM:
            claim = take(job)
            if claim is None:
                raise Passed
            self.claims[job.output] = claim
        return self.stages.read(job)

    def write(self, job: Job, product: Any) -> Report:
        """Write the picture, and take the hashes of its files; on the writing thread."""
        return self.account.proven(job, self.stages.write(job, product))

    def tell(self, job: Job, writing: Future[Report]) -> None:
        """Wait until it is written, and say so."""
        try:
            report = writing.result()
        except Exception as error:
            self.give_up(job, error)
            return
        self.release(job)
        self.account.finish(job, report)

    def give_up(self, job: Job, error: Exception) -> None:
        """Account for a job that was not done: by another run, or by nobody."""
        self.release(job)
        # Where a file system knows no locks, another run may have written it since.
        overtaken = self.resume and job.output is not None and is_finished(job.output)
        if overtaken or isinstance(error, Passed):
            self.passed.append(job)
        else:
            self.account.fail(job, in_one_line(job, error))

    def release(self, job: Job) -> None:
        """Give up the claim on a job's output, if there is one."""
        claim = None if job.output is None else self.claims.pop(job.output, None)
        if claim is not None:
            claim.release()


def read_ahead(
    jobs: Sequence[Job], read: Callable[[Job], Any], reader: ThreadPoolExecutor
) -> Iterator[tuple[Job, Future[Any]]]:
    """Each job with its picture, which was begun to be read while the one before it was in use."""
    begun = deque(reader.submit(read, job) for job in jobs[:1])
    for job, after in zip_longest(jobs, jobs[1:]):
        if after is not None:
            begun.append(reader.submit(read, after))
        yield job, begun.popleft()


def run_jobs(jobs: Sequence[Job], stages: Stages, account: Account, *, resume: bool = False) -> Summary:
    """Do all jobs on this machine."""
    with account.ending(jobs):
        Batch(stages, account, resume=resume).run(jobs)
    return account.summary(len(jobs))
