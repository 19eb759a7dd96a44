"""`restorekit ui`: a page in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

from restorekit.cli.options import Bases, Host, MaxBytes, MaxPixels, Model, Offline, ServedDevice, ServedPrecision
from restorekit.cli.serve import number_of
from restorekit.cli.terminal import plugins_of, tell
from restorekit.plugin.catalog import build_catalog
from restorekit.web.serve_service import Limits
from restorekit.web.ui import open_page
from restorekit.work import Options

__all__ = ["EPILOG", "ui"]

EPILOG = """Examples:

restorekit ui

restorekit ui --open

restorekit ui --host 0.0.0.0 --port 8000 --max-pixels 24M"""


def ui(
    context: typer.Context,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 7860,
    browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    waiting: Annotated[
        int, typer.Option(min=1, help="Number of things that may wait to be done; further ones are refused.")
    ] = 32,
    max_bytes: MaxBytes = "128M",
    max_pixels: MaxPixels = "50M",
    model: Model = "",
    bases: Bases = None,
    offline: Offline = False,
    device: ServedDevice = "auto",
    precision: ServedPrecision = "auto",
) -> None:
    """Open a page: drop a picture, see before and after, move a slider for each basis, download the result.

    The weights are read once, and nothing leaves this machine. The page is reached from this machine only, unless
    --host says otherwise; whoever reaches it may use it. Needs restorekit[web].
    """
    options = Options(model=model, device=device, precision=precision, bases=tuple(bases or ()), offline=offline)
    catalog = build_catalog(plugins_of(context)).of_model(model)
    limits = Limits(
        waiting=waiting,
        size=number_of(max_bytes, "--max-bytes"),
        pixels=number_of(max_pixels, "--max-pixels"),
    )
    open_page(catalog, options, host=host, port=port, limits=limits, browser=browser, say=tell)
