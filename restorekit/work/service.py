"""Doors of the room: files to restore, to inspect, to degrade; each tells a listener and ends with a summary."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, NoReturn

from restorekit.atomic import sweep
from restorekit.errors import RestorekitError
from restorekit.plugin.catalog import Catalog, build_catalog, load_plugins
from restorekit.work.account import Account
from restorekit.work.batch import Stages, run_jobs
from restorekit.work.by_example import settled
from restorekit.work.cluster import run_on_cluster
from restorekit.work.companions import Companions
from restorekit.work.inspection import inspection_stages, inspector
from restorekit.work.jobs import STREAM, Job, expand, in_words, passed_over, plan
from restorekit.work.listener import Listener, Summary
from restorekit.work.manifest import Journal, Manifest
from restorekit.work.pipeline import Pipeline
from restorekit.work.request import Options, Request
from restorekit.work.setup import facts, fetcher, left_out, load, ready, slow_precision
from restorekit.work.synthesis import Wish, degrade_picture
from restorekit.work.watch import watch_folders

if TYPE_CHECKING:
    from restorekit.running.restorer import Restorer

__all__ = ["degrade_file", "inspect_files", "restore_files"]


def restore_files(request: Request, listener: Listener, catalog: Catalog | None = None) -> Summary:
    """Restore files. One that cannot be restored is told, and the others go on.

    request: inputs, output and wishes.
    listener: told what happens.
    catalog: the bases and degradations there are; None is those of all installed plugins.

    Raises RestorekitError for what makes the whole request meaningless, before anything is written.
    """
    catalog = catalog or build_catalog(load_plugins())
    resume = request.skip_existing or request.watch
    jobs = plan(
        request.inputs,
        request.out,
        overwrite=request.options.overwrite,
        recursive=request.recursive,
        skip_existing=resume,
    )
    listener.started(jobs)
    if request.cluster is not None and (request.watch or STREAM in (jobs[0].output, jobs[0].source)):
        raise RestorekitError("--engine ray restores files; --watch and - work with --engine local")
    if request.cluster is not None and request.options.report is not None:
        raise RestorekitError("--report is written by --engine local; leave one of them out")
    for folder in {job.output.parent for job in jobs if job.output not in (None, STREAM)}:
        sweep(folder)
    account = Account(listener, None if request.manifest is None else Manifest(request.manifest))
    tell_passed_over(request.inputs, request.out, request.recursive, listener, restored=False)
    shown = request.examples or request.recipe is not None
    loaded = cache(partial(load, catalog, request.options, tell=listener.note))  # once: it takes seconds
    if shown and (request.watch or request.save_recipe is not None or to_do(jobs)):
        request = settled(request, catalog, listener, loaded)
    if request.cluster is not None:
        return run_on_cluster(request.cluster, jobs, request.options, account)
    if request.watch or to_do(jobs):
        stages = restoring_stages(loaded(), request.options, account)
    else:
        stages = nothing_to_do(catalog, account)
    if request.watch:
        watch_folders(request, stages, account)
        return account.summary(len(jobs))
    return run_jobs(jobs, stages, account, resume=resume)


def inspect_files(
    inputs: Sequence[str],
    listener: Listener,
    catalog: Catalog | None = None,
    *,
    recursive: bool = False,
    bases: Sequence[str] = (),
    offline: bool = False,
    maps: str | None = None,
    overwrite: bool = False,
) -> Summary:
    """Tell what pictures suffer from, without touching them.

    inputs: files, folders and patterns, or "-" for standard input.
    listener: told the findings, which a report has as rows and as a record.
    catalog: as in `restore_files`.
    recursive: take folders with all that is below them.
    bases, offline: as in `Options`.
    maps: a PNG file for one picture, else a folder: where each degradation was found.
    overwrite: replace maps that exist.
    """
    catalog = catalog or build_catalog(load_plugins())
    places = maps and Companions.of("--map", maps, inputs, ".map.png", overwrite=overwrite)
    jobs = expand(inputs, recursive=recursive)
    listener.started(jobs)
    account = Account(listener)
    tell_passed_over(inputs, None, recursive, listener, restored=True)
    if not to_do(jobs):
        return run_jobs(jobs, nothing_to_do(catalog, account), account)
    restorer = inspector(catalog, bases, fetcher(offline=offline, tell=listener.note))
    account.warn(restorer.failures)
    missing = left_out(restorer)
    account.incomplete = bool(missing)
    return run_jobs(jobs, inspection_stages(restorer, missing, places or None), account)


def degrade_file(
    source: str,
    out: str,
    wishes: Sequence[Wish],
    listener: Listener,
    catalog: Catalog,
    *,
    seed: int = 0,
    overwrite: bool = False,
) -> Summary:
    """Degrade a picture.

    source: a file, or "-" for standard input.
    out: the file to write, or a folder for it.
    wishes: degradations, in physical order.
    listener: told what happens.
    catalog: where the wishes are from; its failures are told.
    seed: the same one makes the same picture.
    overwrite: replace an output that exists.
    """
    jobs = plan([source], out, overwrite=overwrite)
    listener.started(jobs)
    account = Account(listener)
    account.warn(catalog.failures)
    work = partial(degrade_picture, wishes=wishes, seed=seed, overwrite=overwrite)
    return run_jobs(jobs, Stages.alone(work), account)


def restoring_stages(restorer: Restorer, options: Options, account: Account) -> Stages:
    """Tell what a restorer lacks, and make the stages of a batch of it."""
    ready(restorer, options)
    account.warn(restorer.failures)
    missing = left_out(restorer, options)
    account.incomplete = bool(missing)
    if word := slow_precision(restorer):
        account.warn([word])
    journal = None
    if account.manifest is not None:
        account.manifest.describe(facts(restorer, options))
        journal = Journal(account.manifest.path, account.manifest.run)
    progress = account.listener.progress
    pipeline = Pipeline(restorer, options, missing=missing, journal=journal, progress=progress)
    return Stages(pipeline.open, pipeline.restore, pipeline.write)


def nothing_to_do(catalog: Catalog, account: Account) -> Stages:
    """Stages of a batch whose jobs have a problem or are done, each: no restorer is loaded for them."""
    account.warn(catalog.failures)

    def never(*_: object) -> NoReturn:
        raise AssertionError("a job without a problem was begun without a restorer")

    return Stages(never, never, never)


def to_do(jobs: Sequence[Job]) -> bool:
    """Tell whether there is a job that has no problem and is not done."""
    return any(not job.problem and not job.done for job in jobs)


def tell_passed_over(
    inputs: Sequence[str], out: str | None, recursive: bool, listener: Listener, *, restored: bool
) -> None:
    """Count and name what folders and patterns hold beside the pictures. restored: as in `passed_over`."""
    others = passed_over(inputs, out, restored=restored, recursive=recursive)
    if others:
        listener.note(f"{len(others)} passed over as no pictures of this run: {in_words(others)}")
