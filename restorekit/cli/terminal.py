"""Talking to a person and to a pipe.

Results go to stdout, one line or one JSON object each; everything else (warnings, errors, progress) goes to
stderr, so that stdout can be piped. A line is a line whatever a file is called.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import typer

from restorekit.plugin.catalog import Failure, Plugins, load_plugins

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

PATIENCE = 2.0  # seconds before progress shows


def put(text: str) -> None:
    """A line on stdout, at once."""
    write_line(sys.stdout, text)


def tell(text: str) -> None:
    """A line on stderr."""
    write_line(sys.stderr, text)


def put_json(record: Mapping[str, Any]) -> None:
    """A JSON object on one line of stdout."""
    put(json.dumps(record))


def write_line(stream: TextIO, text: str) -> None:
    stream.write(showable(" ".join(text.splitlines()), stream) + "\n")
    stream.flush()


def showable(text: str, stream: TextIO) -> str:
    """Text that the stream can write: file names need not be valid in any encoding."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def put_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """A table on stdout."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    def cell(text: str) -> Text:  # never markup: names may hold brackets
        return Text(showable(text, sys.stdout))

    console = stdout_console()
    if title:  # not the table's own, which would be folded to its width
        console.print(cell(" ".join(title.splitlines())), style="bold", soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(cell, row))
    console.print(table)


def stdout_console() -> Console:
    from rich.console import Console

    # A pipe has no width; a table should not fold there.
    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 160)


def warn(failures: Sequence[Failure | str]) -> None:
    """What plugins could not bring, a line each."""
    for failure in failures:
        tell(f"warning: {failure}")


def plugins_of(context: typer.Context) -> Plugins:
    """The plugins that this run of the command line has loaded."""
    return context.obj if isinstance(context.obj, Plugins) else load_plugins()


class Meter:
    """Progress on stderr: pictures, how fast they pass, and the tiles of large ones. Shown on a terminal only,
    after two seconds."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.megapixels = 0.0
        self.begun = time.monotonic()
        self.progress: Progress | None = patient_progress() if sys.stderr.isatty() else None

    def __enter__(self) -> Meter:
        if self.progress:
            self.pictures = self.progress.add_task("loading", total=None, count="")
            self.tiles = self.progress.add_task("tiles", total=None, visible=False, count="")
            self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.progress:
            self.progress.stop()

    def picture(self, done: int, name: str) -> None:
        """A picture begins, after `done` others."""
        if self.progress:
            name = showable(" ".join(name.splitlines()), sys.stderr)
            several = self.total > 1
            count = f"{done + 1}/{self.total}{self.throughput()}" if several else ""
            total = self.total if several else None
            self.progress.update(self.pictures, completed=done, total=total, description=name, count=count)
            self.progress.update(self.tiles, visible=False)

    def throughput(self) -> str:
        """Such as ", 1.2 MP/s"."""
        return f", {self.megapixels / (time.monotonic() - self.begun):.2g} MP/s" if self.megapixels else ""

    def tile(self, done: int, total: int) -> None:
        """So many tiles of the picture are done."""
        if self.progress:
            count = f"{done}/{total}"
            self.progress.update(self.tiles, completed=done, total=total, visible=total > 1, count=count)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Off the screen, so that lines can be written."""
        if self.progress:
            self.progress.stop()
        yield
        if self.progress:
            self.progress.start()


def patient_progress() -> Progress:
    from rich.console import Console, RenderableType
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    begun = time.monotonic()

    class Patient(Progress):
        def get_renderables(self) -> Iterator[RenderableType]:
            if time.monotonic() - begun > PATIENCE:
                yield self.make_tasks_table(self.tasks)

    # stdout is not redirected: rich would send it to its own console, which is stderr.
    return Patient(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[count]}", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=5,
        redirect_stdout=False,
        redirect_stderr=False,
    )
