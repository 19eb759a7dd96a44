"""Pictures on a Ray cluster: the same jobs, by Ray Data, on workers that each hold a restorer.

Every machine of the cluster has to see the files under the same paths, and to have restorekit installed with the
same plugins. A worker that dies is started anew and given its picture again, as Ray Data does by default: outputs
are written whole or not at all.
Ray: Moritz et al., 2018, https://arxiv.org/abs/1712.05889
"""

from __future__ import annotations

import json
import logging
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from restorekit.atomic import sweep
from restorekit.errors import ImageError, RestorekitError
from restorekit.machine import processors
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.plugin.loose import absolute
from restorekit.work.account import Account
from restorekit.work.faults import in_one_line
from restorekit.work.jobs import Job
from restorekit.work.listener import Report, Summary
from restorekit.work.manifest import Journal
from restorekit.work.pipeline import Pipeline
from restorekit.work.request import LOCAL, Cluster, Options
from restorekit.work.setup import facts, left_out, load, slow_precision

__all__ = ["Outcome", "Worker", "restored_on", "run_on_cluster", "surroundings"]

STORE = 128 * 2**20  # bytes of shared memory: what passes through it is names and weights, never pictures
INSTALL = "pip install 'restorekit[ray]'"


@dataclass(frozen=True)
class Outcome:
    """A worker's answer to a job.

    worker: HOST:PID.
    facts: true of everything that it does.
    failures: things that its plugins could not bring.
    incomplete: a basis was among them that may be missed.
    report: None where there is an error.
    """

    job: Job
    worker: str
    facts: Mapping[str, Any]
    failures: Sequence[str]
    incomplete: bool
    report: Report | None
    error: str


class Worker:
    """A restorer on the cluster: made once in each process, called with one job at a time.

    options: of the run.
    threads: of torch.
    journal: the manifest's path and the run's name, if there is a manifest.
    """

    def __init__(self, options: Options, threads: int, journal: tuple[str, str] | None) -> None:
        restorer = load(build_catalog(load_plugins()), options, threads)
        self.name = f"{platform.node()}:{os.getpid()}"
        kept = None
        if journal is not None:
            manifest, run = journal
            kept = Journal(Path(manifest), f"{run}.{self.name.replace(':', '.')}")
        missing = left_out(restorer, options)
        self.pipeline = Pipeline(restorer, options, missing=missing, journal=kept)
        said = slow_precision(restorer)
        self.about = {
            "worker": self.name,
            "facts": facts(restorer, options),
            "failures": [*map(str, restorer.failures), *([said] if said else [])],
            "incomplete": bool(missing),
        }

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """row: index, source and output of a job; the same index, and the outcome as JSON."""
        job = Job(Path(row["source"]), Path(row["output"]))
        pipeline, answer = self.pipeline, dict(self.about)
        try:
            report = pipeline.write(job, pipeline.restore(job, pipeline.open(job)))
            record = {**report.record, "worker": self.name}
            answer |= {"found": report.found, "record": record, "notes": list(report.notes)}
        except Exception as error:
            answer["error"] = str(in_one_line(job, error))
        return {"index": row["index"], "answer": json.dumps(answer)}


def run_on_cluster(cluster: Cluster, jobs: Sequence[Job], options: Options, account: Account) -> Summary:
    """Do all jobs on a cluster, as `run_jobs` does on this machine."""
    manifest, listener = account.manifest, account.listener
    if manifest is not None:
        manifest.describe({"engine": "ray", "options": asdict(options)})
    account.skip([job for job in jobs if job.done])
    for job in jobs:
        if job.problem:
            account.fail(job, ImageError(job.problem))
    todo = [job for job in jobs if not job.problem and not job.done]
    listener.picture("starting workers", 0, len(todo))
    warned: set[str] = set()
    journal = None if manifest is None else (str(manifest.path.absolute()), manifest.run)
    with swept(todo), account.ending(jobs):
        for done, outcome in enumerate(restored_on(cluster, todo, options, journal) if todo else (), start=1):
            if manifest is not None:
                manifest.know(outcome.worker, outcome.facts)
            account.incomplete = account.incomplete or outcome.incomplete
            account.warn([failure for failure in outcome.failures if failure not in warned])
            warned.update(outcome.failures)
            if outcome.report is None:
                account.fail(outcome.job, ImageError(outcome.error))
            else:
                account.finish(outcome.job, outcome.report)
            listener.picture(str(outcome.job.source), done, len(todo))
    return account.summary(len(jobs))


@contextmanager
def swept(jobs: Sequence[Job]) -> Iterator[None]:
    """Take away at the end what a worker that died had begun to write: another has written it whole."""
    try:
        yield
    finally:
        for folder in {Path(str(job.output)).parent for job in jobs}:
            sweep(folder)


def restored_on(
    cluster: Cluster, jobs: Sequence[Job], options: Options, journal: tuple[str, str] | None = None
) -> Iterator[Outcome]:
    """Yield outcomes as they come, in any order.

    jobs: none with a problem.
    options: of the run.
    journal: the manifest's path and the run's name, if there is a manifest.
    """
    # A worker may have died after it had written a picture and before it said so.
    options = replace(options, overwrite=True, bases=tuple(map(absolute, options.bases)))
    with connected(cluster.address) as ray:
        gpus = int(ray.cluster_resources().get("GPU", 0)) if options.device in ("auto", "cuda") else 0
        cpus = int(ray.cluster_resources().get("CPU", 1))
        workers = min(cluster.workers or gpus or max(1, cpus // 2), len(jobs))
        threads = max(1, cpus // workers)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        rows = [
            {"index": i, "source": os.path.abspath(job.source), "output": os.path.abspath(str(job.output))}
            for i, job in enumerate(jobs)
        ]
        answers = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            Worker,
            fn_constructor_args=(options, threads, journal),
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=threads,
            num_gpus=min(1, gpus / workers) if gpus else None,
        )
        for row in answers.iter_rows():
            yield outcome(jobs[row["index"]], json.loads(row["answer"]))


def outcome(job: Job, answer: dict[str, Any]) -> Outcome:
    """The outcome for a job, from a worker's answer."""
    about = (job, answer["worker"], answer["facts"], answer["failures"], answer["incomplete"])
    if "error" in answer:
        return Outcome(*about, None, answer["error"])
    record = {**answer["record"], "input": str(job.source), "output": str(job.output)}
    return Outcome(*about, Report(answer["found"], record, answer["notes"]), "")


QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # a worker's death is no news for a person
}
# For a cluster of our own. Ray listens on all interfaces where it might be joined by other machines, which this
# switch says it is not, on any system. And it asks the metadata address of three clouds where it is, even with
# its statistics switched off: plain HTTP goes to a port where nobody answers.
ALONE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "http_proxy": "http://127.0.0.1:9",
    "no_proxy": "127.0.0.1,localhost",
}


def surroundings(address: str) -> dict[str, str]:
    """Environment variables for Ray and its processes; those that the user has set stay, unless it is our own."""
    own = ALONE if address == LOCAL else {}
    return {name: value for name, value in QUIET.items() if name not in os.environ} | own


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, connected, and left again."""
    os.environ.update(surroundings(address))
    try:
        import ray
        import ray.data
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "ray":
            raise RestorekitError(f"Ray is not installed; {INSTALL} to use --engine ray") from None
        raise RestorekitError(f"Ray cannot be imported ({error}); {INSTALL} anew, or mend what it names") from None
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == LOCAL:
        quiet |= {"num_cpus": processors(), "object_store_memory": STORE, "include_dashboard": False}
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise RestorekitError(
            f"no Ray cluster at {address} ({reason}); leave --address out for a local one"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()
