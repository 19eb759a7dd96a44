"""`restorekit ui`: a page on which people restore pictures, until it is told to stop.

Gradio makes the page; it is an extra, and is imported only when a page is asked for. All that the page needs comes
from this process: no fonts, scripts or counters of other places.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from restorekit.errors import RestorekitError
from restorekit.plugin.catalog import Catalog
from restorekit.web.serve_service import Limits
from restorekit.web.ui_desk import Desk
from restorekit.work.request import Options
from restorekit.work.setup import left_out, load, slow_precision

if TYPE_CHECKING:
    from restorekit.running.restorer import Restorer

__all__ = ["INSTALL", "check_installed", "offered", "open_page"]

UPLOADS = "GRADIO_TEMP_DIR"  # Gradio's only way to be told where uploads go
INSTALL = "pip install 'restorekit[web]'"


def check_installed() -> None:
    """Raise unless the extra is installed."""
    if find_spec("gradio") is None:
        raise RestorekitError(f"the page needs Gradio: {INSTALL}")


def open_page(
    catalog: Catalog,
    options: Options,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    limits: Limits | None = None,
    browser: bool = False,
    say: Callable[[str], object] = lambda line: None,
) -> None:
    """Load a restorer and offer the page until KeyboardInterrupt.

    catalog: plugins to choose from.
    options: model, device, precision, bases and offline; the other wishes are said on the page.
    host: name or number of the network to listen on; the default is reached from this machine only.
    port: number to listen on.
    limits: bounds on pictures and on how many there are; None is `Limits()`.
    browser: open the page in a browser.
    say: told a line when it listens.
    """
    check_installed()
    restorer = load(catalog, options, tell=say)
    missing = left_out(restorer)
    for line in (*restorer.failures, slow_precision(restorer)):
        if line:
            say(f"warning: {line}")
    with offered(
        restorer, options, host=host, port=port, limits=limits or Limits(), browser=browser, missing=missing
    ) as address:
        say(f"{address} is the page; Ctrl-C stops it")
        while True:
            time.sleep(3600)


@contextmanager
def offered(
    restorer: Restorer,
    options: Options,
    *,
    host: str,
    port: int,
    limits: Limits,
    browser: bool = False,
    missing: tuple[str, ...] = (),
) -> Iterator[str]:
    """Offer the page of a restorer while the `with` lasts; gives its address. Arguments as in `open_page`."""
    with tempfile.TemporaryDirectory(prefix="restorekit-ui-", ignore_cleanup_errors=True) as folder:
        before = os.environ.get(UPLOADS)
        os.environ[UPLOADS] = folder
        try:
            from restorekit.web.ui_blocks import Page

            page = Page(Desk(restorer, options, most=limits.pixels, missing=missing), Path(folder), limits)
            try:
                yield page.listen(host, port, browser)
            finally:
                page.close()
        finally:
            os.environ.pop(UPLOADS)
            if before is not None:
                os.environ[UPLOADS] = before
