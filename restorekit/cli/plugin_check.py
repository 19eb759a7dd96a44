"""`restorekit plugins --check NAME`: every law of one plugin, kept or broken. Loads torch."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Any

import typer

from restorekit.cli.terminal import patient_progress, put, put_json, put_table, showable
from restorekit.plugin.testing import Law, Report, check_plugin

__all__ = ["check"]


def check(name: str, *, device: str, as_json: bool) -> None:
    """Check a plugin and show its laws; exit code 1 where one is broken.

    name: of its entry point.
    device: for its bases and backbones.
    as_json: one object in place of the table.
    """
    terminal = sys.stderr is not None and sys.stderr.isatty()
    with patient_progress() if terminal else nullcontext() as bar:
        task = bar.add_task("loading", total=None, count="") if bar else None

        def told(what: str) -> None:
            if bar and task is not None:
                bar.update(task, description=showable(what, sys.stderr))

        report = check_plugin(name, device=device, progress=told)
    if as_json:
        put_json(record_of(report))
    else:
        put_table(("of", "law", "ok", "found"), [row_of(law) for law in report.laws])
        for law in report.broken:
            put(f"not so: {law.of}: {law.name}. {law.remedy}")
        put(f"{len(report.laws) - len(report.broken)} of {len(report.laws)} laws kept")
    if not report.ok:
        raise typer.Exit(1)


def row_of(law: Law) -> tuple[str, str, str, str]:
    """A law, for a person."""
    return law.of, law.name, "yes" if law.ok else "NO", law.detail


def record_of(report: Report) -> dict[str, Any]:
    """The laws, for a program."""
    laws = [
        {"of": law.of, "law": law.name, "ok": law.ok, "found": law.detail, "remedy": law.remedy}
        for law in report.laws
    ]
    return {"checked": report.of, "ok": report.ok, "laws": laws}
