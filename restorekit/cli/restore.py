"""`restorekit restore`: pictures in, restored pictures and the weights that restored them out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from restorekit.cli.example import Examples, Recipe, SaveRecipe, parse_examples
from restorekit.cli.options import Bases, Model, Offline
from restorekit.cli.printer import Printer
from restorekit.cli.terminal import plugins_of, tell
from restorekit.cli.typed import typed
from restorekit.cli.wishes import (
    Adjusted,
    Feather,
    Kept,
    Masked,
    Only,
    Settings,
    Strength,
    Without,
    parse_masks,
    parse_wish,
)
from restorekit.errors import RestorekitError
from restorekit.plugin.catalog import build_catalog
from restorekit.plugin.loose import with_bases
from restorekit.work import Cluster, Options, Request, restore_files
from restorekit.work.companions import Companions
from restorekit.work.looks import read_look
from restorekit.work.request import LOCAL
from restorekit.work.setup import fetcher

__all__ = ["EPILOG", "restore"]

EPILOG = """Examples:

restorekit restore photo.jpg

restorekit restore holiday/ "scans/*.tif" -o restored/ --json

restorekit restore archive/ -o restored/ --recursive --skip-existing --manifest restored.jsonl

restorekit restore small.png --scale 2 -o large.png

curl -s https://example.org/photo.jpg | restorekit restore - > restored.jpg

restorekit restore rainy.jpg --set rain=1 --only

restorekit restore scan.tif --keep grain --adjust blur=0.5 --strength 0.8

restorekit restore portrait.jpg --mask face.png --feather 12

restorekit restore night.jpg --without jpeg --mask noise=sky.png

restorekit restore scans/ -o restored/ --example before.png after.png --save-recipe look.toml

restorekit restore more/ -o restored/ --recipe look.toml

restorekit restore soft.jpg --guidance 1.4

restorekit restore photo.jpg --look 0.5 --seed 7

restorekit restore photo.jpg --report photo.html"""
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
    model: Model = "",
    bases: Bases = None,
    offline: Offline = False,
    scale: Annotated[
        int | None,
        typer.Option(metavar="2|3|4", help="Factor of enlargement, after cleaning and before sharpening."),
    ] = None,
    look: Annotated[
        str,
        typer.Option(
            metavar="[NAME=]0..1",
            help="Share of a photograph's texture to give to what was restored: for the eye, less faithful.",
        ),
    ] = "0",
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Steps of the sampler: 1, the default, is the most faithful; more bring nothing. "
            "With --look steps of its flow, 8 by default.",
            show_default=False,
        ),
    ] = None,
    ensemble: Annotated[
        bool,
        typer.Option("--ensemble", help="Restore the mirror images too, and average: better, four times as slow."),
    ] = False,
    tile: Annotated[
        str, typer.Option(metavar="auto|N", help="Side of a tile in pixels; smaller needs less memory.")
    ] = "auto",
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="Device to compute on.")] = "auto",
    precision: Annotated[
        str,
        typer.Option(
            metavar="auto|fp32|bf16|fp16",
            help="Number format. auto is the faster one, timed once on each machine and kept.",
        ),
    ] = "auto",
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of the noise that a look begins with, and of backbones that draw random numbers."),
    ] = None,
    settings: Settings = None,
    adjusted: Adjusted = None,
    only: Only = False,
    without: Without = None,
    strength: Strength = 1.0,
    kept: Kept = None,
    masked: Masked = None,
    feather: Feather = 0,
    examples: Examples = None,
    save_recipe: SaveRecipe = None,
    recipe: Recipe = None,
    guidance: Annotated[
        float,
        typer.Option(
            min=0,
            max=2,
            metavar="0..2",
            help="Distance from the input, 0, to the result, 1, and on: sharper than by weights, less faithful.",
        ),
    ] = 1.0,
    quality: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            help="Quality of JPEG, WebP, AVIF and HEIC. Default: a JPEG's own, 95 or lossless.",
        ),
    ] = None,
    metadata: Annotated[
        str,
        typer.Option(
            metavar="keep|strip", help="EXIF, XMP, IPTC, text and resolution; colour profiles always stay."
        ),
    ] = "keep",
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Take what can be read of files that are damaged or cut short.")
    ] = False,
    reported: Annotated[
        str | None,
        typer.Option(
            "--report",
            metavar="HTML|FOLDER",
            help="Page to write about the picture: before and after, what each basis took away, the command; "
            "a folder for several inputs.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per image.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
    skip_existing: Annotated[
        bool,
        typer.Option("--skip-existing", help="Pass over inputs whose output exists: a stopped run goes on."),
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Take folders with all that is below them, mirrored in -o.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and restore what is put into the folders, until Ctrl-C.")
    ] = False,
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="Add a line of JSON per picture to this file: hashes, weights, errors; one per run too."
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(metavar="local|ray", help="Engine: this process, or the workers of a Ray cluster.")
    ] = "local",
    address: Annotated[
        str, typer.Option(help="Ray cluster, HOST:PORT or auto. Default: one of our own, on this machine.")
    ] = LOCAL,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Number of workers. Default: one for each GPU, or for every two processors."),
    ] = None,
) -> None:
    """Restore photographs: noise, blur, low resolution, rain, JPEG artefacts, however they combine.

    What each picture needs is estimated, and printed with its severity. Folders and patterns pass over what was
    restored before (NAME.restored.EXT). Nothing is overwritten unless --overwrite says so.

    Exit code: 0 all done, 1 something failed (the other pictures are done), 2 wrong usage, 3 all done but without
    a basis that could not be used, 130 interrupted.
    """
    side = parse_tile(tile)
    if scale is not None and scale not in SCALES:
        raise RestorekitError(f"--scale must be 2, 3 or 4, got {scale}")
    if metadata not in ("keep", "strip"):
        raise RestorekitError(f"--metadata must be keep or strip, got {metadata}")
    if engine not in ("local", "ray"):
        raise RestorekitError(f"--engine must be local or ray, got {engine}")
    if engine == "local" and (workers is not None or address != LOCAL):
        raise RestorekitError("--address and --workers are of a cluster; add --engine ray")
    catalog = build_catalog(plugins_of(context)).of_model(model)
    seen = with_bases(catalog, bases or [], fetcher(offline=offline, tell=tell))
    wish = parse_wish(
        seen,
        settings=settings,
        adjusted=adjusted,
        only=only,
        without=without,
        strength=strength,
        kept=kept,
    )
    options = Options(
        model=model,
        bases=tuple(bases or ()),
        offline=offline,
        device=device,
        precision=precision,
        seed=seed,
        blind=wish.blind,
        wish=wish,
        masks=parse_masks(masked, seen, os.path.isfile, feather),
        feather=feather,
        scale=scale or 1,
        steps=steps,
        tile=side,
        ensemble=ensemble,
        guidance=guidance,
        look=read_look(look, seen),
        overwrite=overwrite,
        quality=quality,
        strip=metadata == "strip",
        salvage=salvage,
        report=reports_of(reported, inputs, overwrite=overwrite),
        command=typed(context),
    )
    request = Request(
        inputs=tuple(inputs),
        out=out,
        options=options,
        recursive=recursive,
        skip_existing=skip_existing,
        watch=watch,
        examples=parse_examples(examples),
        recipe=recipe,
        save_recipe=save_recipe,
        manifest=manifest,
        cluster=Cluster(address, workers) if engine == "ray" else None,
    )
    with Printer(as_json=as_json) as printer:
        summary = restore_files(request, printer, catalog)
        if not watch:
            printer.conclude(summary)


def reports_of(out: str | None, inputs: Sequence[str], *, overwrite: bool) -> Companions | None:
    """Places of the reports that --report asks for; None for none."""
    if out is None:
        return None
    return Companions.of("--report", out, inputs, ".report.html", overwrite=overwrite)


def parse_tile(text: str) -> int | None:
    """Read the side of a tile in pixels; None for auto."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) == 0:
        raise RestorekitError(f"--tile {text} is no size; use auto, or a number of pixels such as 512")
    return int(text)
