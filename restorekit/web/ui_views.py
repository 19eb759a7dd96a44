"""Values of the page's parts: pictures for its two viewers, findings, messages and commands as HTML."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorekit.plugin.catalog import Catalog
from restorekit.web.ui_pieces import data_uri
from restorekit.web.ui_values import Order, Outcome, Sheet, Trial
from restorekit.work.streams import write_picture
from restorekit.work.words import SHOWN, describe_severity

if TYPE_CHECKING:
    from restorekit.image import Picture

__all__ = [
    "asset",
    "command",
    "compared",
    "error",
    "facts",
    "framed",
    "labelled",
    "note",
    "outcomes",
    "save",
]


def asset(name: str) -> str:
    """The text of a file of the page."""
    return (Path(__file__).parent / "page" / name).read_text(encoding="utf-8")


def compared(trial: Trial, *, fit: bool = False) -> dict[str, Any]:
    """Value of a before/after viewer. fit: shrink it to the width that there is; else a pixel is a pixel."""
    height, width = trial.after.values.shape[-2:]
    return {
        "before": data_uri(trial.before, exact=not fit),
        "after": data_uri(trial.after, exact=not fit),
        "width": width,
        "height": height,
        "fit": fit,
    }


def framed(picture: str, sheet: Sheet, box: tuple[int, int, int, int]) -> dict[str, Any]:
    """Value of the overview. picture: its address. box: the piece that is looked at, px."""
    width, height = sheet.width, sheet.height
    return {"picture": picture, "frame": [box[0] / width, box[1] / height, box[2] / width, box[3] / height]}


def labelled(name: str, sheet: Sheet, catalog: Catalog) -> str:
    """Name of a basis, with the severity of what it would remove where something is found."""
    if name not in sheet.found.severities or sheet.found.weights[name] < SHOWN:
        return name
    return f"{name}, {describe_severity(name, sheet.found.severities[name], catalog)}"


def error(text: object) -> str:
    """A message about what cannot be done."""
    return f'<p class="rk-error" role="alert">{escape(str(text))}</p>'


def note(*lines: str) -> str:
    """A message about what was done, a line each; empty for none."""
    if not lines:
        return ""
    return f'<p class="rk-note" role="status">{"<br>".join(map(escape, lines))}</p>'


def facts(sheet: Sheet) -> str:
    """Name and size of a picture."""
    several = f", {sheet.pages} pages" if sheet.pages > 1 else ""
    return f"{sheet.name}, {sheet.width} x {sheet.height}{several}"


def save(picture: Picture, path: Path) -> None:
    """Write a picture to be shown."""
    write_picture(path, picture.values, picture, overwrite=True)


def command(sheet: Sheet, order: Order) -> str:
    """The command that restores the file in the same way."""
    wish = order.wish
    words = ["restorekit", "restore", sheet.name]
    words += [word for name in wish.keep for word in ("--keep", name)]
    words += [word for name, value in sorted(wish.set.items()) for word in ("--set", f"{name}={value:g}")]
    words += ["--strength", f"{wish.strength:g}"] if wish.strength != 1 else []
    words += ["--mask", "mask.png"] if order.mask is not None else []
    words += ["--scale", str(order.scale)] if order.scale != 1 else []
    words += ["--metadata", "strip"] if order.strip else []
    words += ["--look", f"{order.look:g}", "--seed", str(order.seed)] if order.look else []
    return f'<code class="rk-command">{escape(shlex.join(words))}</code>'


def outcomes(results: Iterable[Outcome]) -> str:
    """A table of files and what became of them."""
    rows = []
    for result in results:
        lines = "<br>".join(map(escape, result.lines))
        cell = lines if result.path is not None else error("; ".join(result.lines))
        rows.append(f"<tr><td>{escape(result.name)}</td><td>{cell}</td></tr>")
    return f'<table class="rk-table"><tr><th>file</th><th>result</th></tr>{"".join(rows)}</table>'
