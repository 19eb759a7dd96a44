"""A drop folder: what is put into it is restored, for as long as the command runs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from restorekit.cli.batch import Batch, Stages
from restorekit.cli.ledger import Ledger
from restorekit.errors import ImageError
from restorekit.jobs import Job, plan

INTERVAL = 1.0  # seconds between two looks
State = tuple[int, int]  # size and time of the last change


def watch_folders(
    arguments: Sequence[str],
    out: str | None,
    recursive: bool,
    stages: Stages,
    ledger: Ledger,
) -> None:
    """Restore pictures that the folders hold and will hold, until Ctrl-C. A failed one is tried again once it
    changes."""
    for argument in arguments:
        if not Path(argument).is_dir():
            raise ImageError(f"--watch {argument}: no such folder; name folders that exist")
    with ledger.meter.paused():
        ledger.say(f"watching {', '.join(arguments)}; Ctrl-C ends it")
    batch = Batch(stages, ledger, resume=True)
    try:
        for jobs in settled(arguments, out, recursive):
            batch.run(jobs)
    except KeyboardInterrupt:
        with ledger.meter.paused():
            ledger.say("stopped watching")


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
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
