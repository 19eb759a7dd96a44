"""Inspection of a picture: the weight of each basis and the severity of what it would remove, nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from restorekit.plugin.catalog import Catalog
from restorekit.remote import Remote
from restorekit.work.batch import Stages
from restorekit.work.jobs import Job
from restorekit.work.listener import Report
from restorekit.work.streams import read_picture
from restorekit.work.words import SHOWN, describe_severity, rounded

if TYPE_CHECKING:
    from restorekit.image import Picture
    from restorekit.running.restorer import Restorer

__all__ = ["inspect_picture", "inspection_stages", "inspector"]


def inspector(catalog: Catalog, bases: Sequence[str], fetching: Callable[[Remote], Path]) -> Restorer:
    """Load a restorer to look with; on the CPU, since the encoder is small.

    bases, fetching: as in `Restorer.from_pretrained`.
    """
    from restorekit.running.restorer import Restorer

    return Restorer.from_pretrained(device="cpu", catalog=catalog, bases=bases, fetching=fetching)


def inspection_stages(restorer: Restorer, missing: Sequence[str]) -> Stages:
    """Stages of a batch that inspects. missing: a line for each basis that could not be used, for the records."""
    return Stages(
        lambda job: read_picture(job.source),
        lambda job, picture: inspect_picture(restorer, job, picture, missing),
        lambda _, report: report,
    )


def inspect_picture(restorer: Restorer, job: Job, picture: Picture, missing: Sequence[str] = ()) -> Report:
    """Look at one picture."""
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
    return Report("", record, picture.notes, rows)
