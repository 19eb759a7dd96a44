"""`restorekit train pack`, `burst` and `join`: a run on a machine with nothing installed and no network."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from restorekit.cli.options import Limit, PhotosArgument
from restorekit.cli.runs import make_budget, make_engine, stderr
from restorekit.cli.terminal import put, tell
from restorekit.cli.values import minutes_in
from restorekit.errors import TrainingError

__all__ = ["BURST", "JOIN", "PACK", "burst", "join", "pack"]

PACK = "Example: restorekit train pack photos/ -o build/pack --most 40MiB"
BURST = """Example: PYTHONPATH=.:plugins:build/pack python3 -m restorekit train burst weights/recipes/noise.toml
--photos build/pack --out results --deadline 9m"""
JOIN = "Example: restorekit train join results/ -o joined/"


def pack(
    photos: PhotosArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pack; it must be new or empty.")],
    most: Annotated[
        str, typer.Option(help="Size of all photographs at most; the largest are reduced until they fit.")
    ] = "48MiB",
    side: Annotated[int | None, typer.Option(help="Longest side of a photograph in px.", min=64)] = None,
    quality: Annotated[
        int | None, typer.Option(help="Quality; 90 for AVIF and 92 for JPEG by default.", min=1, max=100)
    ] = None,
    format: Annotated[
        str, typer.Option(help="Format: avif, jpg or auto, which is AVIF if Pillow writes it.")
    ] = "auto",
    limit: Limit = None,
) -> None:
    """Pack photographs for a machine with nothing installed: as AVIF or JPEG, colours in full resolution (4:4:4),
    with their sums and with the record by which Python finds the plugins through PYTHONPATH alone."""
    from rich.progress import Progress as Bar

    from restorekit.training.packing import pack as packed
    from restorekit.training.pieces import size_in

    with Bar(console=stderr(), transient=True) as bar:
        task = bar.add_task("packing photographs", total=None)
        made = packed(
            photos,
            output,
            size_in(most, "--most"),
            side=side,
            quality=quality,
            format=format,
            limit=limit,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    size = f"{len(made.photographs)} photographs, {made.pixels / 1e6:.1f} MP, {made.bytes / 2**20:.1f} MiB"
    shrunk = f"{made.reduced} of them reduced to a longest side of {made.side} px"
    put(f"{size}, {shrunk if made.reduced else 'none reduced'}; in {output}")


def burst(
    path: Annotated[Path, typer.Argument(metavar="RECIPE.toml", help="The run.")],
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Keys to change, as learning_rate=1e-3.")
    ] = None,
    photos: Annotated[Path, typer.Option(help="Folder that `restorekit train pack` made.")] = Path("pack"),
    out: Annotated[Path, typer.Option(help="Folder for weights, log and report, in pieces.")] = Path("burst"),
    deadline: Annotated[
        str, typer.Option(help="Time by the clock on the wall, as 9m or 90s, in which everything is done.")
    ] = "9m",
    pieces: Annotated[str, typer.Option(help="Size of a file in --out at most.")] = "14MiB",
    every: Annotated[str, typer.Option(help="Time between checkpoints, as 2m.")] = "2m",
) -> None:
    """Run a recipe against the clock; what --out holds is of use whenever it ends.

    Versions, device, memory, disk, plugins and photographs are checked first. The same command goes on from the
    last checkpoint. `minutes`, `iterations`, `deadline`, `photos` and `export` of the recipe do not count here.
    """
    began = time.monotonic()
    from restorekit.plugin.catalog import build_catalog, load_plugins
    from restorekit.training.burst import Burst
    from restorekit.training.checks import check_machine, check_pack, check_plugins, versions
    from restorekit.training.packing import PHOTOS, read_pack
    from restorekit.training.photos import Photos
    from restorekit.training.pieces import size_in
    from restorekit.training.runs import base_of, make_recipe, read_run, run_folder, smallest_photo, start_run

    most, seconds, interval = (
        size_in(pieces, "--pieces"),
        60 * minutes_in(deadline, "--deadline"),
        60 * minutes_in(every, "--every"),
    )
    one = Burst(out, most, began, tell)
    with one.phase("checks"):
        settings, given = read_run(path, [*(changes or []), f"photos=[{json.dumps(str(photos))}]"])
        if settings.training == "basis":
            raise TrainingError(
                "a later basis fits its key at its end, which takes minutes: train it without a burst"
            )
        settings = replace(settings, run=settings.run or f"runs/burst-{path.stem}")
        make_budget(None, None, deadline, settings.threads, began)
        engine = make_engine(settings)
        catalog = build_catalog(load_plugins())
        check_plugins(catalog, one.tell)
        recipe = make_recipe(settings, given)
        found = read_pack(photos)
        check_machine(found, engine.device, out, one.tell)
        check_pack(found, smallest_photo(settings, recipe), one.tell)
        one.report.versions = versions()
    with one.phase("photographs"):
        loaded = Photos.load([photos / PHOTOS], smallest_photo(settings, recipe), settings.limit)
        one.tell("photographs read")
    with one.phase("start"):
        training = start_run(settings, recipe, catalog, loaded, engine)
    one.base = base_of(settings)
    one.run(training, run_folder(settings, recipe), seconds, interval)


def join(
    folder: Annotated[Path, typer.Argument(help="Folder with the pieces, as --out of a burst was.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for what they hold; new or empty.")],
) -> None:
    """Put the pieces of a burst together, verify them, and unpack weights, log and report."""
    from restorekit.training.pieces import join_pieces

    written = join_pieces(folder, output)
    put(f"{len(written)} files in {output}, all sums right; the weights are in {output / 'weights'}")
