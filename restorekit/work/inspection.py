"""Inspection of a picture: the weight of each basis and the severity of what it would remove, nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from restorekit.plugin.catalog import Catalog
from restorekit.remote import Remote
from restorekit.work.batch import Stages
from restorekit.work.companions import Companions
from restorekit.work.jobs import Job
from restorekit.work.listener import Report
from restorekit.work.streams import read_picture
from restorekit.work.words import SHOWN, rounded, with_error

if TYPE_CHECKING:
    from restorekit.image import Picture
    from restorekit.running.restorer import Inspection, Restorer
    from restorekit.weighing.places import Places

__all__ = ["draw_map", "inspect_picture", "inspection_stages", "inspector"]

PANEL = 480  # px, the longer side of a panel


def inspector(catalog: Catalog, bases: Sequence[str], fetching: Callable[[Remote], Path]) -> Restorer:
    """Load a restorer to look with; on the CPU, since the encoder is small.

    bases, fetching: as in `Restorer.from_pretrained`.
    """
    from restorekit.running.restorer import Restorer

    return Restorer.from_pretrained(device="cpu", catalog=catalog, bases=bases, fetching=fetching)


def inspection_stages(restorer: Restorer, missing: Sequence[str], maps: Companions | None = None) -> Stages:
    """Stages of a batch that inspects.

    missing: a line for each basis that could not be used, for the records.
    maps: places of the maps; None for none.
    """
    return Stages(
        lambda job: read_picture(job.source),
        lambda job, picture: inspect_picture(restorer, job, picture, missing, maps),
        lambda _, report: report,
    )


def inspect_picture(
    restorer: Restorer, job: Job, picture: Picture, missing: Sequence[str] = (), maps: Companions | None = None
) -> Report:
    """Look at one picture, and draw its map where one is wanted."""
    (found,) = restorer.inspect(picture.values, picture.visible)
    weights, severities = dict(sorted(found.weights.values.items())), dict(sorted(found.severities.items()))
    rows = []
    for name, weight in weights.items():
        known = weight >= SHOWN and name in severities
        severity = with_error(name, severities[name], restorer.catalog) if known else ""
        rows.append((name, f"{weight:.2f}", severity))
    height, width = picture.values.shape[-2:]
    errors = {name: restorer.catalog.basis(name).severity_error(value) for name, value in severities.items()}
    notes = [*picture.notes, *found.notes]
    record = {
        "input": str(job.source),
        "weights": rounded(weights),
        "severities": rounded(severities),
        "severity_errors": rounded({name: error for name, error in errors.items() if error is not None}),
        "size": [width, height],
        "notes": [*notes, *missing],
    }
    if maps is not None:
        places = restorer.places(picture.values, found, picture.visible)
        record["map"] = str(maps.write(job, draw_map(picture, found, places)))
        record["areas"] = rounded(places.areas())
    return Report("", record, notes, rows)


def draw_map(picture: Picture, found: Inspection, places: Places) -> bytes:
    """A PNG with the picture, and a panel for each basis that has a key: where what it removes was found."""
    from restorekit.image.panels import encoded, heat, shrunk, side_by_side

    small, areas = shrunk(picture.values, PANEL), places.areas()
    panels = [("picture", small)]
    for name, values in places.over(*small.shape[-2:]).items():
        title = f"{name}: weight {found.weights[name]:.2f}, found in {100 * areas[name]:.0f} %"
        panels.append((title, heat(values, small)))
    return encoded(side_by_side(panels))
