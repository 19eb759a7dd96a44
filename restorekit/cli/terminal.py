"""Talking to a person and to a pipe.

Results go to stdout, one line or one JSON object each; everything else (warnings, errors, progress) goes to
stderr, so that stdout can be piped. A line is a line whatever a file is called, and no name commands the terminal.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import typer

from restorekit.errors import RestorekitError
from restorekit.plugin.catalog import load_plugins
from restorekit.plugin.failures import Failure
from restorekit.plugin.installed import Plugins
from restorekit.work.streams import let_go

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["Meter", "patient_progress", "plugins_of", "put", "put_json", "put_table", "showable", "tell", "warn"]

PATIENCE = 2.0  # seconds before progress shows
# Control characters of ASCII and Latin-1, and those that turn the direction of writing.
_COMMANDS = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]")


def put(text: str) -> None:
    """Write a line to stdout, at once; RestorekitError where it is closed or full."""
    with writing_out():
        write_line(sys.stdout, text)


def tell(text: str) -> bool:
    """Write a line to stderr; False where it is closed or full, since there is nobody left to be told."""
    try:
        write_line(sys.stderr, text)
    except OSError:
        return False
    return True


@contextmanager
def writing_out() -> Iterator[None]:
    """Around writing to stdout: its errors are ours, in one line."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise RestorekitError(f"cannot write to standard output: {reason}; see where it is sent to") from error


def put_json(record: Mapping[str, Any]) -> None:
    """A JSON object on one line of stdout."""
    put(json.dumps(record))


def write_line(stream: TextIO | None, text: str) -> None:
    """Write one line; OSError where the stream is closed or full, after which it swallows all."""
    write_all(stream, showable(" ".join(text.splitlines()), stream) + "\n")


def write_all(stream: TextIO | None, text: str) -> None:
    """Write text as it is; else as write_line."""
    if stream is None:  # Python's word for a descriptor that was closed when it started
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    try:
        stream.write(text)
        stream.flush()
    except ValueError as error:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from error
    except OSError:
        let_go(stream)
        raise


def showable(text: str, stream: TextIO | None) -> str:
    """Text that the stream can write and a terminal shows: file names need not be valid in any encoding, and may
    hold characters that command a terminal."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    text = _COMMANDS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def put_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """A table on stdout."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    def cell(text: str) -> Text:  # never markup: names may hold brackets
        return Text(showable(text, sys.stdout))

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(cell, row))
    drawn = io.StringIO()  # rich itself would end the process where a pipe is closed
    console = console_for(sys.stdout, drawn)
    if title:  # not the table's own, which would be folded to its width
        console.print(cell(" ".join(title.splitlines())), style="bold", soft_wrap=True)
    console.print(table)
    with writing_out():
        write_all(sys.stdout, drawn.getvalue())


def console_for(stream: TextIO | None, drawn: TextIO) -> Console:
    """A console that draws into a text for a stream."""
    from rich.console import Console

    terminal = stream is not None and stream.isatty()
    # A pipe has no width; a table should not fold there.
    return Console(file=drawn, highlight=False, force_terminal=terminal, width=None if terminal else 160)


def warn(failures: Sequence[Failure | str]) -> None:
    """Tell what plugins could not bring, a line each."""
    for failure in failures:
        tell(f"warning: {failure}")


def plugins_of(context: typer.Context) -> Plugins:
    """The plugins that this run of the command line has loaded."""
    return context.obj if isinstance(context.obj, Plugins) else load_plugins()


class Meter:
    """Progress on stderr: pictures, how fast they pass, and the tiles of large ones. Shown on a terminal only,
    after two seconds."""

    def __init__(self) -> None:
        self.megapixels = 0.0
        self.begun = time.monotonic()
        terminal = sys.stderr is not None and sys.stderr.isatty()
        self.progress: Progress | None = patient_progress() if terminal else None

    def start(self) -> None:
        """Show it from now on."""
        if self.progress:
            self.pictures = self.progress.add_task("loading", total=None, count="")
            self.tiles = self.progress.add_task("tiles", total=None, visible=False, count="")
            self.draw(self.progress.start)

    def stop(self) -> None:
        """Take it off the screen."""
        if self.progress:
            self.draw(self.progress.stop)

    def draw(self, step: Callable[[], None]) -> None:
        """Do a step of drawing; without progress from then on where the terminal is gone."""
        try:
            step()
        except OSError:
            self.progress = None

    def picture(self, done: int, total: int, name: str) -> None:
        """Show that a picture begins, after `done` others of `total`."""
        if self.progress:
            name = showable(" ".join(name.splitlines()), sys.stderr)
            several = total > 1
            count = f"{min(done + 1, total)}/{total}{self.throughput()}" if several else ""
            end = total if several else None
            self.progress.update(self.pictures, completed=done, total=end, description=name, count=count)
            self.progress.update(self.tiles, visible=False)

    def throughput(self) -> str:
        """Megapixels in a second, as ", 1.2 MP/s"."""
        return f", {self.megapixels / (time.monotonic() - self.begun):.2g} MP/s" if self.megapixels else ""

    def tile(self, done: int, total: int) -> None:
        """Tell how many tiles of the picture are done."""
        if self.progress:
            count = f"{done}/{total}"
            self.progress.update(self.tiles, completed=done, total=total, visible=total > 1, count=count)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Off the screen, so that lines can be written."""
        if self.progress:
            self.draw(self.progress.stop)
        yield
        if self.progress:
            self.draw(self.progress.start)


def patient_progress() -> Progress:
    """Progress on stderr that shows itself after two seconds."""
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
