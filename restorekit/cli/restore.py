"""`restorekit restore`: pictures in, restored pictures and the weights that restored them out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from restorekit.cli.terminal import Meter, Report, plugins_of, put, run_jobs, warn
from restorekit.errors import ImageError, MixingError, RestorekitError
from restorekit.jobs import Job, make_folder, plan
from restorekit.mixing import LARGEST, MixingWeights
from restorekit.plugin.catalog import Catalog, build_catalog

if TYPE_CHECKING:
    from restorekit.restorer import Restorer

EPILOG = """Examples:

restorekit restore photo.jpg

restorekit restore holiday/ "scans/*.tif" -o restored/ --json

restorekit restore small.png --scale 2 -o large.png

restorekit restore rainy.jpg --set rain=1 --only"""
SHOWN = 0.05  # weights below it are summed up as "rest"
SCALES = (2, 3, 4)


def restore(
    context: typer.Context,
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="Image files, folders, patterns.")],
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", help="A file for one input, else a folder. Default: NAME.restored.EXT beside it."
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
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per image.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
) -> None:
    """Restore photographs: noise, blur, low resolution, rain, JPEG artefacts, however they combine.

    What each picture needs is estimated, and printed with its severity. Folders and patterns pass over what was
    restored before (NAME.restored.EXT). Nothing is overwritten unless --overwrite says so.
    """
    side = parse_tile(tile)
    if scale is not None and scale not in SCALES:
        raise RestorekitError(f"--scale {scale} is not to be had; use 2, 3 or 4")
    catalog = build_catalog(plugins_of(context))
    chosen = parse_settings(settings or [], catalog)
    if only and not chosen:
        raise MixingError("--only leaves every basis at 0; name what to remove, as in --set noise=1")
    jobs = plan(inputs, out, overwrite=overwrite)
    with Meter(len(jobs)) as meter:
        ready = any(not job.problem for job in jobs)  # torch takes seconds; bad input is refused without it
        restorer = load(catalog, device, precision, chosen, seed) if ready else None
        with meter.paused():
            warn(restorer.failures if restorer else catalog.failures)

        def work(job: Job) -> Report:
            assert restorer is not None  # a job without a problem had it loaded
            return restore_one(
                restorer,
                job,
                chosen,
                blind=not only,
                scale=scale or 1,
                steps=steps,
                tile=side,
                overwrite=overwrite,
                meter=meter,
            )

        run_jobs(jobs, work, meter, as_json=as_json)


def load(catalog: Catalog, device: str, precision: str, chosen: Mapping[str, float], seed: int | None) -> Restorer:
    """The restorer, once it is certain that it has the chosen bases."""
    from restorekit.restorer import Restorer

    restorer = Restorer.from_pretrained(device=device, precision=precision, catalog=catalog)
    MixingWeights(dict.fromkeys(restorer.bases, 0.0)).override(chosen)
    if seed is not None:
        import torch

        torch.manual_seed(seed)
    return restorer


def restore_one(
    restorer: Restorer,
    job: Job,
    chosen: Mapping[str, float],
    *,
    blind: bool,
    scale: int,
    steps: int,
    tile: int | None,
    overwrite: bool,
    meter: Meter,
) -> Report:
    """One picture from file to file."""
    from restorekit.image import read_image, write_image

    assert job.output is not None
    started = time.perf_counter()
    picture = read_image(job.source)
    height, width = (n * scale for n in picture.rgb.shape[-2:])
    try:
        result = restorer.restore(
            picture.rgb, weights=chosen, blind=blind, scale=scale, steps=steps, tile=tile, progress=meter.tile
        )
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):  # torch's own errors are RuntimeErrors
            raise
        raise ImageError(
            f"{job.source}: not enough memory for {width}x{height}; try --tile 512 or --device cpu"
        ) from error
    make_folder(job.output)
    write_image(job.output, result.image, source=picture, overwrite=overwrite)
    seconds = time.perf_counter() - started
    weights, severities = result.weights[0], result.severities[0]
    line = f"{job.source} -> {job.output}  {describe(weights, severities, restorer.catalog)}  {seconds:.1f} s"
    record = {
        "input": str(job.source),
        "output": str(job.output),
        "weights": rounded(weights.values),
        "severities": rounded(severities),
        "seconds": round(seconds, 3),
        "size": [width, height],
        "notes": list(picture.notes),
    }
    return Report(lambda: put(line), record, picture.notes)


def rounded(values: Mapping[str, float]) -> dict[str, float]:
    """Values for a program, in order of name."""
    return {name: round(value, 4) for name, value in sorted(values.items())}


def describe(weights: MixingWeights, severities: Mapping[str, float], catalog: Catalog) -> str:
    """Weights as a person reads them: "noise 0.98 (sigma 24)  jpeg 0.93 (quality 31)  rest 0.01"."""
    shown = [name for name, value in weights.values.items() if value >= SHOWN]
    if not shown:
        return "nothing to restore"
    parts = []
    for name in sorted(shown, key=lambda n: -weights[n]):
        severity = f" ({describe_severity(name, severities[name], catalog)})" if name in severities else ""
        parts.append(f"{name} {weights[name]:.2f}{severity}")
    rest = [value for name, value in weights.values.items() if name not in shown]
    if rest:
        parts.append(f"rest {max(rest):.2f}")
    return "  ".join(parts)


def describe_severity(basis: str, value: float, catalog: Catalog) -> str:
    return catalog.degradation(catalog.basis(basis).degradation).severity.describe(value)


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
