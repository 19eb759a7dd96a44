"""`restorekit degrade`: test pictures from clean ones, the same from the same seed."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from restorekit.cli.batch import one_stage, run_jobs
from restorekit.cli.ledger import Report
from restorekit.cli.streams import read_picture, write_picture
from restorekit.cli.terminal import Meter, plugins_of, put, tell, warn
from restorekit.composition import Compose, Step, in_physical_order
from restorekit.degradation import Degradation
from restorekit.errors import ImageError, PluginError
from restorekit.jobs import STREAM, Job, plan
from restorekit.plugin.catalog import Catalog, build_catalog

if TYPE_CHECKING:
    from torch import Generator

EPILOG = """Examples:

restorekit degrade photo.png -o noisy.png --with noise=25

restorekit degrade photo.png -o bad.png --with blur=1.6:motion --with jpeg=30 --seed 1"""
SEEDS = 2**32  # what torch's generator tells apart on a CPU


@dataclass(frozen=True)
class Wish:
    """One --with: a degradation, how strong, and which of its kinds."""

    degradation: Degradation
    severity: float
    kind: str


def degrade(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="INPUT", help="A clean picture.")],
    out: Annotated[str, typer.Option("--out", "-o", help="The file to write, or a folder for it.")],
    settings: Annotated[
        list[str],
        typer.Option("--with", metavar="NAME=SEVERITY[:KIND]", help="A degradation; may be given for several."),
    ],
    seed: Annotated[int, typer.Option(min=0, max=SEEDS - 1, help="The same seed makes the same picture.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
) -> None:
    """Degrade a picture, to try restoration on.

    Degradations are applied as they happen in nature (scene, lens, sensor, file), whatever their order here. Each
    draws from the seed by itself: the noise is the same with and without the blur beside it. `restorekit plugins`
    lists names, ranges and kinds.
    """
    catalog = build_catalog(plugins_of(context))
    wishes = parse_wishes(settings, catalog)
    jobs = plan([source], out, overwrite=overwrite)
    with Meter(len(jobs)) as meter:
        with meter.paused():
            warn(catalog.failures)
        stages = one_stage(lambda job: degrade_one(job, wishes, seed, overwrite=overwrite))
        run_jobs(jobs, stages, meter, as_json=as_json)


def degrade_one(job: Job, wishes: Sequence[Wish], seed: int, *, overwrite: bool) -> Report:
    """One picture from file to file."""
    assert job.output is not None  # by plan
    started = time.perf_counter()
    picture = read_picture(job.source)
    shape = tuple(picture.values.shape)
    composite = Compose(tuple(draw(wish, shape, seed) for wish in wishes))
    losses = write_picture(job.output, composite.apply(picture.rgb), picture, overwrite=overwrite)
    notes = [*picture.notes, *losses]
    seconds = time.perf_counter() - started
    applied, words = [], []
    for wish, step in zip(wishes, composite.steps, strict=True):
        name, severity = wish.degradation.name, float(step.realisation.severity[0])
        applied.append({"name": name, "severity": round(severity, 4), "kind": wish.kind})
        words.append(f"{name} {wish.kind} ({wish.degradation.severity.describe(severity)})")
    record = {
        "input": str(job.source),
        "output": str(job.output),
        "degradations": applied,
        "seed": seed,
        "seconds": round(seconds, 3),
        "size": [shape[3], shape[2]],
        "notes": notes,
    }
    line = f"{job.source} -> {job.output}  {'  '.join(words)}  seed {seed}"
    return Report(lambda: (tell if job.output == STREAM else put)(line), record, notes)


def draw(wish: Wish, shape: Sequence[int], seed: int) -> Step:
    """The realisation that the seed gives, whatever else is asked for."""
    try:
        return Step.draw(wish.degradation, shape, generator_for(wish.degradation, seed), wish.severity, wish.kind)
    except ValueError as error:
        raise ImageError(f"{error}; choose a severity nearer to {wish.degradation.severity.typical:g}") from None


def generator_for(degradation: Degradation, seed: int) -> Generator:
    """A generator per degradation, so that no two draw the same numbers from one seed."""
    import torch

    return torch.Generator().manual_seed((seed + zlib.crc32(degradation.name.encode())) % SEEDS)


def parse_wishes(settings: Sequence[str], catalog: Catalog) -> tuple[Wish, ...]:
    """From NAME=SEVERITY[:KIND], in physical order. A kind may hold colons itself."""
    wishes: dict[Degradation, Wish] = {}
    for setting in settings:
        name, _, rest = setting.partition("=")
        degradation = catalog.degradation(name)
        if degradation in wishes:
            raise PluginError(f"--with names {name} twice; give one severity")
        text, colon, kind = rest.partition(":")
        scale = degradation.severity
        try:
            severity = float(text)
        except ValueError:
            raise PluginError(
                f"--with {setting} has no severity; write {name}={scale.typical:g}, {range_of(degradation)}"
            ) from None
        if not min(scale.off, scale.strong) <= severity <= max(scale.off, scale.strong):
            raise PluginError(f"--with {setting} is out of range; {name} takes {range_of(degradation)}")
        checked = degradation.check_kind(kind if colon else None, severity) or degradation.kinds[0]
        wishes[degradation] = Wish(degradation, severity, checked)
    return tuple(wishes[degradation] for degradation in in_physical_order(wishes))


def range_of(degradation: Degradation) -> str:
    """Such as "sigma 0 (none) to 75"."""
    scale = degradation.severity
    unit = f" {scale.unit}" if scale.unit else ""
    return f"{scale.symbol} {scale.off:g} (none) to {scale.strong:g}{unit}"
