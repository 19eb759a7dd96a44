"""Account of a run: which pictures failed, what the manifest keeps, and the word on each to the listener."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from restorekit.files import is_finished
from restorekit.work.jobs import Job
from restorekit.work.listener import Listener, Report, Summary, failed_record, skipped_record
from restorekit.work.manifest import Manifest, proof_of

__all__ = ["Account"]


class Account:
    """Counts of one run, told to its listener and kept in its manifest.

    incomplete: a basis was missing, so that a picture may not be treated.
    unrecorded: the manifest could not be written.
    """

    def __init__(self, listener: Listener, manifest: Manifest | None = None) -> None:
        self.listener = listener
        self.manifest = manifest
        self.failures: list[str] = []
        self.incomplete = False
        self.unrecorded = False

    def warn(self, failures: Iterable[object]) -> None:
        """Tell what could not be used, a line each."""
        for failure in failures:
            self.listener.note(str(failure), "warning")

    def proven(self, job: Job, report: Report) -> Report:
        """The report with the sha256 that the manifest keeps of the files; may be asked for on any thread."""
        return report if self.manifest is None else replace(report, proof=proof_of(job))

    def finish(self, job: Job, report: Report) -> None:
        """Keep a picture that is done, and say so."""
        if self.manifest is not None:
            self.keep(report.record, report.proof or proof_of(job))
        self.listener.finished(job, report)

    def fail(self, job: Job, error: Exception) -> None:
        """Count and keep a picture that cannot be done, and say why."""
        self.failures.append(str(job.source))
        if self.manifest is not None:
            self.keep(failed_record(job, error), proof_of(job, written=False))
        self.listener.failed(job, error)

    def skip(self, jobs: Sequence[Job], reason: str = "the output is there") -> None:
        """Tell which jobs are not done, for a reason that holds for all of them."""
        if not jobs:
            return
        if self.manifest is not None:  # a run may have been killed after a picture, before its line
            for job in jobs:
                there = job.output is not None and is_finished(job.output)
                if there and str(job.output) not in self.manifest.outputs:
                    known = self.manifest.pending.get(os.path.abspath(str(job.output)), {})
                    self.keep({**known, **skipped_record(job)}, proof_of(job))
        self.listener.skipped(jobs, reason)

    def keep(self, record: Mapping[str, Any], proof: Mapping[str, str | None]) -> None:
        """Add a line to the manifest. Where it cannot be written that is told once, and the pictures go on."""
        assert self.manifest is not None
        try:
            self.manifest.add(record, proof)
        except OSError as error:
            if not self.unrecorded:
                self.unrecorded = True
                self.listener.note(
                    f"cannot write {self.manifest.path}: {error.strerror}; free some space, and give the "
                    "command again with --skip-existing for the lines that are missing. The pictures go on",
                    "error",
                )

    @contextmanager
    def ending(self, jobs: Sequence[Job]) -> Iterator[None]:
        """Around the work on all jobs: say how to go on after Ctrl-C; else close the manifest."""
        try:
            yield
        except KeyboardInterrupt:
            if len(jobs) > 1:
                self.listener.note("stopped; give the command again with --skip-existing to go on", "plain")
            raise
        if self.manifest is not None:
            self.manifest.close()

    def summary(self, total: int) -> Summary:
        """The outcome of a run of that many jobs."""
        return Summary(total, tuple(self.failures), self.incomplete, self.unrecorded)
