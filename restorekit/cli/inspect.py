"""`restorekit inspect`: what is wrong with a picture, without touching it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from restorekit.cli.batch import Stages, run_jobs
from restorekit.cli.ledger import Ledger, Report
from restorekit.cli.restoring import left_out
from restorekit.cli.streams import read_picture
from restorekit.cli.terminal import Meter, plugins_of, put_table
from restorekit.cli.words import SHOWN, describe_severity, rounded
from restorekit.jobs import Job, expand, passed_over
from restorekit.plugin.catalog import Catalog, build_catalog

if TYPE_CHECKING:
    from restorekit.image import Picture
    from restorekit.restorer import Restorer

EPILOG = """Examples:

restorekit inspect photo.jpg

restorekit inspect holiday/ --json"""


def inspect(
    context: typer.Context,
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="Image files, folders, patterns, or -.")],
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Folders with all that is below them.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per image.")] = False,
) -> None:
    """Tell what a picture suffers from: the weight of each basis, and the severity of what it would remove.

    A severity is an estimate, given where the weight is not near 0; with --json all of them are given.

    Exit code: 0 all done, 1 something failed, 2 wrong usage, 3 all done but without a basis that could not be
    used.
    """
    plugins = plugins_of(context)
    catalog = build_catalog(plugins)
    jobs = expand(inputs, recursive=recursive)
    with Meter(len(jobs)) as meter:
        ledger = Ledger(meter, as_json)
        ledger.passed_over(passed_over(inputs, recursive=recursive))
        ready = any(not job.problem for job in jobs)
        restorer = load(catalog) if ready else None
        ledger.warn(restorer.failures if restorer else catalog.failures)
        missing = left_out(restorer) if restorer else ()
        ledger.incomplete = bool(missing)

        def work(job: Job, picture: Picture) -> Report:
            assert restorer is not None  # a job without a problem had it loaded
            return inspect_one(restorer, job, picture, missing)

        stages = Stages(lambda job: read_picture(job.source), work, lambda _, report: report)
        run_jobs(jobs, stages, meter, as_json=as_json, ledger=ledger)


def load(catalog: Catalog) -> Restorer:
    from restorekit.restorer import Restorer

    return Restorer.from_pretrained(device="cpu", catalog=catalog)  # the encoder is small


def inspect_one(restorer: Restorer, job: Job, picture: Picture, missing: Sequence[str] = ()) -> Report:
    (found,) = restorer.inspect(picture.values, picture.visible)
    weights, severities = dict(sorted(found.weights.values.items())), dict(sorted(found.severities.items()))
    rows = []
    for name, weight in weights.items():
        known = weight >= SHOWN and name in severities
        severity = describe_severity(name, severities[name], restorer.catalog) if known else ""
        rows.append((name, f"{weight:.2f}", severity))
    height, width = picture.values.shape[-2:]
    record = {
        "input": str(job.source),
        "weights": rounded(weights),
        "severities": rounded(severities),
        "size": [width, height],
        "notes": [*picture.notes, *missing],
    }
    title = str(job.source)
    return Report(lambda: put_table(("basis", "weight", "severity"), rows, title=title), record, picture.notes)
