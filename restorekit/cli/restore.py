"""`restorekit restore`: pictures in, restored pictures and the weights that restored them out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restorekit.cli.batch import Manifest, Report, Stages, run_jobs
from restorekit.cli.streams import read_pictures, write_pictures
from restorekit.cli.terminal import Meter, plugins_of, put, tell, warn
from restorekit.cli.watch import watch_folders
from restorekit.cli.words import describe, rounded
from restorekit.errors import ImageError, MixingError, RestorekitError
from restorekit.files import check_pages, sweep
from restorekit.jobs import STREAM, Job, plan
from restorekit.machine import processors
from restorekit.mixing import LARGEST, MixingWeights
from restorekit.plugin.catalog import Catalog, build_catalog

if TYPE_CHECKING:
    from restorekit.image import Picture
    from restorekit.restorer import RestorationResult, Restorer

EPILOG = """Examples:

restorekit restore photo.jpg

restorekit restore holiday/ "scans/*.tif" -o restored/ --json

restorekit restore archive/ -o restored/ --recursive --skip-existing --manifest restored.jsonl

restorekit restore small.png --scale 2 -o large.png

curl -s https://example.org/photo.jpg | restorekit restore - > restored.jpg

restorekit restore rainy.jpg --set rain=1 --only"""
SCALES = (2, 3, 4)


def restore(
    context: typer.Context,
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="Image files, folders, patterns, or -.")],
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", help="A file for one input, else a folder, or -. Default: NAME.restored.EXT beside it."
        ),
    ] = None,
    scale: Annotated[
        int | None, typer.Option(metavar="2|3|4", help="Enlarge so many times, then restore.")
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, help="Steps of the sampler: 1 is the most faithful, more are sharper.")
    ] = 1,
    tile: Annotated[
        str, typer.Option(metavar="auto|N", help="Side of a tile in pixels; smaller needs less memory.")
    ] = "auto",
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to compute.")] = "auto",
    precision: Annotated[
        str, typer.Option(metavar="auto|fp32|bf16|fp16", help="Number format of the computation.")
    ] = "auto",
    seed: Annotated[
        int | None,
        typer.Option(help="For backbones that draw random numbers; the embedded one is deterministic."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=WEIGHT", help="Overrule a basis: 0 leaves it be, 1 removes all, up to 1.5."
        ),
    ] = None,
    only: Annotated[
        bool, typer.Option("--only", help="Ask no encoder: bases that --set does not name stay at 0.")
    ] = False,
    quality: Annotated[
        int | None,
        typer.Option(
            min=1, max=100, help="Of JPEG, WebP, AVIF and HEIC. Default: a JPEG's own, else 95 or lossless."
        ),
    ] = None,
    metadata: Annotated[
        str, typer.Option(metavar="keep|strip", help="EXIF, XMP, text and resolution; colour profiles stay.")
    ] = "keep",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per image.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
    skip_existing: Annotated[
        bool,
        typer.Option("--skip-existing", help="Pass over inputs whose output exists: a stopped run goes on."),
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Folders with all below them, mirrored in -o.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and restore what is put into the folders, until Ctrl-C.")
    ] = False,
    manifest: Annotated[
        Path | None,
        typer.Option(help="Add a line of JSON per picture to this file: hashes, weights, seconds, errors."),
    ] = None,
) -> None:
    """Restore photographs: noise, blur, low resolution, rain, JPEG artefacts, however they combine.

    What each picture needs is estimated, and printed with its severity. Folders and patterns pass over what was
    restored before (NAME.restored.EXT). Nothing is overwritten unless --overwrite says so.
    """
    side = parse_tile(tile)
    if scale is not None and scale not in SCALES:
        raise RestorekitError(f"--scale {scale} is not to be had; use 2, 3 or 4")
    if metadata not in ("keep", "strip"):
        raise RestorekitError(f"--metadata {metadata} is not to be had; use keep or strip")
    catalog = build_catalog(plugins_of(context))
    chosen = parse_settings(settings or [], catalog)
    if only and not chosen:
        raise MixingError("--only leaves every basis at 0; name what to remove, as in --set noise=1")
    if overwrite and (skip_existing or watch):
        raise RestorekitError("--overwrite and --skip-existing or --watch contradict each other; choose one")
    jobs = plan(inputs, out, overwrite=overwrite, recursive=recursive, skip_existing=skip_existing or watch)
    to_stdout = jobs[0].output == STREAM
    if to_stdout and as_json:
        raise RestorekitError("--json and the picture both want standard output; give -o a file")
    for folder in {job.output.parent for job in jobs if job.output is not None and not to_stdout}:
        sweep(folder)
    record = Manifest(manifest) if manifest is not None else None
    with Meter(len(jobs)) as meter:
        ready = watch or any(not job.problem and not job.done for job in jobs)
        restorer = load(catalog, device, precision, chosen, seed) if ready else None  # takes seconds
        with meter.paused():
            warn(restorer.failures if restorer else catalog.failures)
        if record is not None and restorer is not None:
            record.common["weights"] = fingerprint(restorer)
        options = Options(chosen, not only, scale or 1, steps, side, overwrite, quality, metadata == "strip")
        stages = Stages(
            read=read,
            work=lambda job, taken: work(restorer, options, meter, job, taken),
            write=partial(write, catalog, options),
        )
        if watch:
            watch_folders(inputs, out, recursive, stages, meter, as_json=as_json, manifest=record)
        else:
            run_jobs(jobs, stages, meter, as_json=as_json, manifest=record)


@dataclass(frozen=True)
class Options:
    """What holds for all pictures of a run."""

    chosen: Mapping[str, float]
    blind: bool
    scale: int
    steps: int
    tile: int | None
    overwrite: bool
    quality: int | None
    strip: bool


@dataclass(frozen=True)
class Taken:
    """A file's pictures on their way, one but for a TIFF's pages, and the seconds they have taken so far."""

    pictures: Sequence[Picture]
    seconds: float
    results: Sequence[RestorationResult] = ()


def load(catalog: Catalog, device: str, precision: str, chosen: Mapping[str, float], seed: int | None) -> Restorer:
    """The restorer, once it is certain that it has the chosen bases."""
    import torch

    from restorekit.restorer import Restorer

    # In a container torch counts the machine's processors, and its threads would wait for each other.
    torch.set_num_threads(min(torch.get_num_threads(), processors()))
    restorer = Restorer.from_pretrained(device=device, precision=precision, catalog=catalog)
    MixingWeights(dict.fromkeys(restorer.bases, 0.0)).override(chosen)
    if seed is not None:
        torch.manual_seed(seed)
    return restorer


def fingerprint(restorer: Restorer) -> str:
    """One sha256 for all weights together, which `sha256sums` lists one by one."""
    listed = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(restorer.provenance().items()))
    return hashlib.sha256(listed.encode()).hexdigest()


def read(job: Job) -> Taken:
    started = time.perf_counter()
    pictures = read_pictures(job.source)
    if job.output is not None and job.output != STREAM:
        check_pages(job.output, len(pictures))
    return Taken(pictures, time.perf_counter() - started)


def work(restorer: Restorer | None, options: Options, meter: Meter, job: Job, taken: Taken) -> Taken:
    assert restorer is not None  # a job without a problem had it loaded
    started = time.perf_counter()
    results = []
    for picture in taken.pictures:
        try:
            result = restorer.restore(
                picture.rgb,
                weights=options.chosen,
                blind=options.blind,
                scale=options.scale,
                steps=options.steps,
                tile=options.tile,
                progress=meter.tile,
            )
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):  # torch's own are RuntimeErrors
                raise
            height, width = (n * options.scale for n in picture.rgb.shape[-2:])
            raise ImageError(
                f"{job.source}: not enough memory for {width}x{height}; try --tile 512 or --device cpu"
            ) from error
        results.append(result)
    return Taken(taken.pictures, taken.seconds + time.perf_counter() - started, results)


def write(catalog: Catalog, options: Options, job: Job, taken: Taken) -> Report:
    assert job.output is not None and taken.results
    started = time.perf_counter()
    pages = [
        (result.image, picture.stripped() if options.strip else picture)
        for picture, result in zip(taken.pictures, taken.results, strict=True)
    ]
    losses = write_pictures(job.output, pages, overwrite=options.overwrite, quality=options.quality)
    seconds = taken.seconds + time.perf_counter() - started
    found = [describe(result.weights[0], result.severities[0], catalog) for result in taken.results]
    if len(found) > 1:
        found = [f"page {number}: {text}" for number, text in enumerate(found, start=1)]
    line = f"{job.source} -> {job.output}  {'; '.join(found)}  {seconds:.1f} s"
    records = [record_of(result) for result in taken.results]
    notes = [note for picture in taken.pictures for note in picture.notes]
    notes += [note for result in taken.results for note in result.notes]
    notes = list(dict.fromkeys([*notes, *losses]))  # what holds for all pages is said once
    record: dict[str, Any] = {
        "input": str(job.source),
        "output": str(job.output),
        **records[0],
        "seconds": round(seconds, 3),
        "notes": notes,
    }
    if len(records) > 1:
        record["pages"] = records  # what is beside it is the first page's
    return Report(lambda: (tell if job.output == STREAM else put)(line), record, notes)


def record_of(result: RestorationResult) -> dict[str, Any]:
    """What was found in one picture, and its size, for a program."""
    height, width = result.image.shape[-2:]
    return {
        "weights": rounded(result.weights[0].values),
        "severities": rounded(result.severities[0]),
        "size": [width, height],
    }


def parse_tile(text: str) -> int | None:
    """The number of pixels, or None for auto."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) == 0:
        raise RestorekitError(f"--tile {text} is no size; use auto, or a number of pixels such as 512")
    return int(text)


def parse_settings(settings: Sequence[str], catalog: Catalog) -> dict[str, float]:
    """From NAME=WEIGHT, checked against the bases there are."""
    chosen: dict[str, float] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        catalog.basis(name)
        if name in chosen:
            raise MixingError(f"--set names {name} twice; give one weight")
        try:
            chosen[name] = float(text)
        except ValueError:
            raise MixingError(f"--set {setting} has no weight; write {name}=1, from 0 to {LARGEST}") from None
    return dict(MixingWeights(chosen).values)
