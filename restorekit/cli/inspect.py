"""`restorekit inspect`: degradations of a picture, which is not touched."""

from __future__ import annotations

from typing import Annotated

import typer

from restorekit.cli.options import Bases, Model, Offline
from restorekit.cli.printer import Printer
from restorekit.cli.terminal import plugins_of
from restorekit.plugin.catalog import build_catalog
from restorekit.work import inspect_files

__all__ = ["EPILOG", "inspect"]

EPILOG = """Examples:

restorekit inspect photo.jpg

restorekit inspect holiday/ --json

restorekit inspect photo.jpg --map found.png"""


def inspect(
    context: typer.Context,
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="Image files, folders, patterns, or -.")],
    model: Model = "",
    bases: Bases = None,
    offline: Offline = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Take folders with all that is below them.")
    ] = False,
    maps: Annotated[
        str | None,
        typer.Option(
            "--map",
            metavar="PNG|FOLDER",
            help="Picture to write of where each degradation was found; a folder for several inputs.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace maps that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per image.")] = False,
) -> None:
    """Tell what a picture suffers from: the weight of each basis, and the severity of what it would remove.

    A severity is an estimate, given where the weight is not near 0, with the error that was measured for such
    estimates on held-out photographs (two of three lie within); with --json all of them are given. A note says so
    where a picture is unlike anything that the encoder was trained on.

    Exit code: 0 all done, 1 something failed, 2 wrong usage, 3 all done but without a basis that could not be
    used.
    """
    with Printer(as_json=as_json) as printer:
        catalog = build_catalog(plugins_of(context)).of_model(model)
        summary = inspect_files(
            inputs,
            printer,
            catalog,
            recursive=recursive,
            bases=bases or (),
            offline=offline,
            maps=maps,
            overwrite=overwrite,
        )
        printer.conclude(summary)
