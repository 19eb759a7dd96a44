"""The report: tables, plots and picture strips of recorded results, as Markdown and as HTML.

Nothing is computed here that is not in the result files, but for the strips, whose pictures are restored again.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from restorekit.bench.errors import BenchError
from restorekit.bench.protocol import Group, Protocol, Protocols
from restorekit.bench.records import Result
from restorekit.bench.tables import OWN, Results, Table, by_name, goals_table, group_tables, same_weights

__all__ = ["Picture", "build", "to_html", "to_markdown", "write_report"]

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
tr.own td { background: #f2f7ff; }
tr.published td { color: #777; font-style: italic; }
img { max-width: 100%; }
.note { color: #555; font-size: .9em; }
"""


@dataclass(frozen=True)
class Picture:
    """A figure beside the report. path: relative to it."""

    path: str
    caption: str


@dataclass(frozen=True)
class Section:
    """One group's part of the report."""

    title: str
    note: str
    tables: tuple[Table, ...]
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Report:
    """All of it. facts: how the numbers were made, a line each."""

    title: str
    sections: tuple[Section, ...]
    facts: tuple[str, ...]
    pictures: tuple[Picture, ...] = ()


def build(
    protocols: Protocols,
    results: Sequence[Result],
    groups: Sequence[str] = (),
    pictures: Mapping[str, Sequence[Picture]] | None = None,
) -> Report:
    """The report of the named groups, or of all that have results. pictures: by group; of no group, under ""."""
    if not results:
        raise BenchError("no results to report; make some with `restorekit bench run`")
    known = by_name(results)
    chosen = [pick(protocols, g) for g in groups] or list(protocols.groups.values())
    sections = []
    for group in chosen:
        tables = group_tables(group, protocols.protocols, known)
        goals = goals_table(group, protocols.protocols, known)
        if not tables:
            continue
        drawn = tuple((pictures or {}).get(group.name, ()))
        notes = (group.note, conditions(group, protocols.protocols), mixed_weights(group, known))
        note = " ".join(n for n in notes if n)
        sections.append(Section(group.title, note, (*tables, *([goals] if goals else [])), drawn))
    if not sections:
        raise BenchError(f"no results of {', '.join(groups)}; run `restorekit bench run --group` with it")
    return Report("restorekit benchmark", tuple(sections), facts(known), tuple((pictures or {}).get("", ())))


def pick(protocols: Protocols, name: str) -> Group:
    if name not in protocols.groups:
        raise BenchError(f"no group {name!r}; there are {', '.join(sorted(protocols.groups))}")
    return protocols.groups[name]


def conditions(group: Group, protocols: Mapping[str, Protocol]) -> str:
    """Conditions of the numbers that a reader must know."""
    members = [protocols[p] for p in group.protocols]
    if all(p.identify for p in members):
        return "Share of mixing weights on the right side of 0.5."
    rounded = {p.rounded for p in members if not p.identify}
    parts = ["Data range 0 to 1." if rounded == {False} else "Data range 0 to 1, restored pictures in 8 bits."]
    if any(p.stored == "float" for p in members):
        parts.append("Noise is neither clipped nor rounded.")
    notes = [f"{p.title}: {p.note}." for p in members if p.note]
    return " ".join(parts + notes)


def mixed_weights(group: Group, results: Results) -> str:
    """A warning where restorekit's own results are of more than one state of its weights."""
    own = [(p, m) for p, m in results if p in group.protocols and m in OWN]
    if same_weights(results, own):
        return ""
    return "Not all results of restorekit were made with the same weights: each has their digests."


def facts(results: Results) -> tuple[str, ...]:
    """Versions, machines, commits, partial sets, metrics left out."""
    lines: list[str] = []
    for result in results.values():
        about = result.about
        versions = ", ".join(f"{k} {v}" for k, v in sorted(about["software"].items()))
        machine = about["machine"]
        lines.append(f"software: {versions}")
        lines.append(f"machine: {machine['processor']}, {machine['cores']} cores, {machine['threads']} threads")
        if about.get("commit"):
            lines.append(f"commit: {about['commit']}")
        data = about["dataset"]
        if data["here"] < data["whole"]:
            lines.append(f"partial set: {data['title']}")
        if data["as_catalogued"] is False:
            lines.append(f"the files of {data['name']} are not those of the catalogue")
        lines += [f"metric left out: {reason}" for reason in about.get("metrics_skipped", ())]
        if about.get("precision"):
            lines.append(f"restorekit computed in {about['precision']}")
        if result.method == "restorekit":
            sums = {k: v for k, v in about["weights"].items() if k.endswith(".safetensors")}
            lines += [f"weights: {k} sha256 {v[:16]}" for k, v in sorted(sums.items())]
    return tuple(sorted(set(lines)))


def to_markdown(report: Report) -> str:
    parts = [f"# {report.title}", "", *(f"![{p.caption}]({p.path})\n" for p in report.pictures)]
    for section in report.sections:
        parts += [f"## {section.title}", "", *([section.note, ""] if section.note else [])]
        for table in section.tables:
            if table.title:
                parts += [f"**{table.title}**", ""]
            parts += [markdown_row(table.columns), markdown_row(["---"] + ["---:"] * (len(table.columns) - 1))]
            parts += [markdown_row(row.cells) for row in table.rows]
            parts += ["", *(f"- {note}" for note in table.notes), *([""] if table.notes else [])]
        parts += [f"![{p.caption}]({p.path})\n" for p in section.pictures]
    parts += ["## How these numbers were made", "", *(f"- {fact}" for fact in report.facts), ""]
    return "\n".join(parts)


def markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def to_html(report: Report) -> str:
    parts = [
        "<!doctype html>",
        f'<html lang="en"><meta charset="utf-8"><title>{html.escape(report.title)}</title>',
        f"<style>{STYLE}</style>",
        f"<h1>{html.escape(report.title)}</h1>",
        *(html_picture(p) for p in report.pictures),
    ]
    for section in report.sections:
        parts.append(f"<h2>{html.escape(section.title)}</h2>")
        if section.note:
            parts.append(f'<p class="note">{html.escape(section.note)}</p>')
        for table in section.tables:
            if table.title:
                parts.append(f"<h3>{html.escape(table.title)}</h3>")
            parts += ["<table>", html_row(table.columns, "th", "")]
            parts += [html_row(row.cells, "td", row.kind) for row in table.rows]
            parts.append("</table>")
            parts += [f'<p class="note">{html.escape(note)}</p>' for note in table.notes]
        parts += [html_picture(p) for p in section.pictures]
    parts.append("<h2>How these numbers were made</h2><ul>")
    parts += [f"<li>{html.escape(fact)}</li>" for fact in report.facts]
    return "\n".join([*parts, "</ul></html>", ""])


def html_picture(picture: Picture) -> str:
    caption = html.escape(picture.caption)
    image = f'<img src="{html.escape(picture.path)}" alt="{caption}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def html_row(cells: Sequence[str], tag: str, kind: str) -> str:
    inner = "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells)
    return f'<tr class="{kind}">{inner}</tr>'


def write_report(report: Report, folder: Path) -> tuple[Path, Path]:
    """README.md and index.html in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    markdown, page = folder / "README.md", folder / "index.html"
    markdown.write_text(to_markdown(report))
    page.write_text(to_html(report))
    return markdown, page
