"""A drop folder: what is put into it is restored, for as long as the run lasts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from restorekit.errors import ImageError
from restorekit.work.account import Account
from restorekit.work.batch import Batch, Stages
from restorekit.work.jobs import Job, plan
from restorekit.work.request import Request

__all__ = ["watch_folders"]

INTERVAL = 1.0  # seconds between two looks
State = tuple[int, int]  # size and time of the last change


def watch_folders(request: Request, stages: Stages, account: Account) -> None:
    """Restore pictures that the folders hold and will hold, until Ctrl-C. A failed one is tried again once it
    changes."""
    for name in request.inputs:
        if not Path(name).is_dir():
            raise ImageError(f"--watch {name}: no such folder; name folders that exist")
    account.listener.note(f"watching {', '.join(request.inputs)}; Ctrl-C ends it", "plain")
    batch = Batch(stages, account, resume=True)
    try:
        for jobs in settled(request.inputs, request.out, request.recursive):
            batch.run(jobs)
    except KeyboardInterrupt:
        account.listener.note("stopped watching", "plain")


def settled(arguments: Sequence[str], out: str | None, recursive: bool) -> Iterator[list[Job]]:
    """Again and again, the jobs whose input has not changed between two looks and was not given before."""
    seen: dict[Path, State] = {}
    given: dict[Path, State] = {}
    while True:
        ready = []
        for job in plan(arguments, out, recursive=recursive, skip_existing=True):
            state = state_of(job.source)
            if job.done or job.problem or state is None or given.get(job.source) == state:
                continue
            if seen.get(job.source) == state:
                given[job.source] = state
                ready.append(job)
            seen[job.source] = state
        if ready:
            yield ready
        time.sleep(INTERVAL)


def state_of(path: Path) -> State | None:
    """Size and time of the last change of a file; None where it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
