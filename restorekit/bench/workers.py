"""Several processes at one pair of method and protocol, each with its own share of the pictures."""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from restorekit.bench.errors import BenchError, Unsuited
from restorekit.bench.scoring import Pair, RunOptions, reason_of, score_each

if TYPE_CHECKING:
    from restorekit.bench.records import Score

__all__ = ["score_in_processes"]


def score_in_processes(pair: Pair, indices: Sequence[int], options: RunOptions) -> Iterator[Score]:
    """Do what `score_each` does, in any order."""
    context = multiprocessing.get_context("spawn")
    answers: Any = context.Queue()
    jobs = min(options.jobs, len(indices))
    threads = max(1, (os.cpu_count() or 1) // jobs)
    workers = [
        context.Process(target=work, args=(pair, list(indices[i::jobs]), options, threads, answers), daemon=True)
        for i in range(jobs)
    ]
    for worker in workers:
        worker.start()
    try:
        running = jobs
        while running:
            try:
                answer = answers.get(timeout=5)
            except queue.Empty:
                if any(w.exitcode not in (None, 0) for w in workers):
                    raise BenchError("a worker process was ended from outside; run with fewer --jobs") from None
                continue
            if answer is None:
                running -= 1
            elif isinstance(answer, Exception):
                raise answer
            else:
                yield answer
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


def work(pair: Pair, indices: Sequence[int], options: RunOptions, threads: int, answers: Any) -> None:
    """Put scores, or one exception, then None, into the queue."""
    import torch

    from restorekit.bench.methods import make
    from restorekit.bench.metrics import Shelf
    from restorekit.plugin.catalog import build_catalog, load_plugins

    torch.set_num_threads(threads)
    try:
        catalog = build_catalog(load_plugins())
        method = make(pair.method, catalog)
        method.prepare()
        scorers = () if pair.protocol.identify else Shelf().scorers(pair.protocol.metrics, options.metrics)[0]
        for score in score_each(pair, indices, method, scorers, catalog, options.roots):
            answers.put(score)
        answers.put(None)
    except Unsuited as error:
        answers.put(Unsuited(str(error)))
    except Exception as error:  # not every exception survives the way between processes
        answers.put(BenchError(reason_of(error)))
