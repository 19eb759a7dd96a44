"""`restorekit serve`: an address that restores the pictures that are sent to it."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from restorekit.cli.options import Bases, Host, MaxBytes, MaxPixels, Model, Offline, ServedDevice, ServedPrecision
from restorekit.cli.terminal import plugins_of, put, tell
from restorekit.errors import RestorekitError
from restorekit.plugin.catalog import build_catalog
from restorekit.web.serve import DOCKERFILE, Limits
from restorekit.web.serve import serve as serve_forever
from restorekit.work import Options

__all__ = ["EPILOG", "serve"]

EPILOG = """Examples:

restorekit serve

curl -F file=@photo.jpg "http://localhost:7000/restore?set=noise=0.5" -o restored.jpg

curl --data-binary @photo.jpg http://localhost:7000/inspect

restorekit serve --host 0.0.0.0 --port 80 --at-once 2 --max-pixels 20M

restorekit serve --dockerfile > Dockerfile"""
LARGER = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3}


def serve(
    context: typer.Context,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free one.")] = 7000,
    at_once: Annotated[
        int, typer.Option("--at-once", min=1, help="Number of pictures that are restored at the same time.")
    ] = 1,
    waiting: Annotated[
        int, typer.Option(min=0, help="Number of pictures that may wait; further ones are told to come later.")
    ] = 16,
    max_bytes: MaxBytes = "128M",
    max_pixels: MaxPixels = "50M",
    origins: Annotated[
        list[str] | None,
        typer.Option(
            "--origin",
            metavar="URL",
            help="Site whose pages may use the server, as https://example.org; repeatable.",
        ),
    ] = None,
    model: Model = "",
    bases: Bases = None,
    offline: Offline = False,
    device: ServedDevice = "auto",
    precision: ServedPrecision = "auto",
    dockerfile: Annotated[
        bool, typer.Option("--dockerfile", help="Print a Dockerfile for the server, and exit.")
    ] = False,
) -> None:
    """Restore the pictures that programs send: POST /restore and /inspect, GET /health; the page at / tells more.

    A picture is the field `file` of a form, or the body itself, masks are the fields `mask` and `mask.NAME`; the
    options of `restore` are the query. The server is reached from this machine only, and by no other site's pages,
    unless --host and --origin say otherwise.
    Needs restorekit[serve].
    """
    if dockerfile:
        for line in DOCKERFILE.read_text().splitlines():
            put(line)
        return
    limits = Limits(
        at_once=at_once,
        waiting=waiting,
        size=number_of(max_bytes, "--max-bytes"),
        pixels=number_of(max_pixels, "--max-pixels"),
    )
    options = Options(model=model, device=device, precision=precision, bases=tuple(bases or ()), offline=offline)
    catalog = build_catalog(plugins_of(context)).of_model(model)
    serve_forever(catalog, options, host=host, port=port, limits=limits, origins=tuple(origins or ()), say=tell)


def number_of(text: str, option: str) -> int:
    """Read a whole number, which may end in K, M or G."""
    found = re.fullmatch(r"(\d+)([KMG]?)", text.strip().upper())
    if found is None or int(found[1]) == 0:
        raise RestorekitError(f"{option} must be a whole number such as 500000 or 50M, got {text}")
    return int(found[1]) * LARGER[found[2]]
