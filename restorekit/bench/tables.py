"""From results to tables: what was measured, beside what was published, by protocols and methods.

A table is plain text in cells, so that Markdown and HTML show the same. Means are over the pictures that were
scored; where that is not the whole set, the cell says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from restorekit.bench.protocol import Goal, Group, Metric, Protocol
from restorekit.bench.records import Result

__all__ = [
    "OWN",
    "Results",
    "Table",
    "by_name",
    "goal_row",
    "goals_table",
    "group_tables",
    "kind_of",
    "methods_of",
    "same_weights",
]

OWN = (
    "restorekit",
    "restorekit-ensemble",
    "restorekit-onehot",
    "restorekit-oracle",
    "restorekit-uniform",
    "restorekit-all",
    "restorekit-best-single",
    "restorekit-sequential",
)
NOTHING = "-"
MEANS = (("mean, all", (True, False, None)), ("mean, seen", (True,)), ("mean, never seen", (False,)))
Results = Mapping[tuple[str, str], Result]  # by protocol and method


@dataclass(frozen=True)
class Row:
    """kind: "own", "peer" or "published"."""

    cells: tuple[str, ...]
    kind: str = "own"


@dataclass(frozen=True)
class Table:
    """The first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def by_name(results: Sequence[Result]) -> dict[tuple[str, str], Result]:
    return {(r.protocol, r.method): r for r in results}


def kind_of(method: str) -> str:
    return "own" if method.startswith("restorekit") else "peer"


def methods_of(results: Results, protocols: Sequence[Protocol]) -> list[str]:
    """Methods with any result: the input, ours, then peers."""
    names = {p.name for p in protocols}
    found = {m for p, m in results if p in names}
    order = {m: i for i, m in enumerate(("input", "bicubic", *OWN))}
    return sorted(found, key=lambda m: (order.get(m, len(order)), m))


def label_of(method: str, results: Results) -> str:
    """The method's name, with what it is told that nobody knows of a real photograph."""
    told = next((r.about.get("told") for (_, m), r in results.items() if m == method), "")
    return f"{method} (told {told})" if told else method


def cell(result: Result | None, metric: Metric) -> str:
    """A mean, with the number of pictures where it is not the whole set that is here."""
    mean = result.mean(metric.key) if result else None
    if result is None or mean is None:
        return NOTHING
    here = result.about["dataset"]["here"]
    short = f" (n={len(result.scores)})" if len(result.scores) < here else ""
    return number(mean, metric) + short


def number(value: float, metric: Metric) -> str:
    return f"{value:.2f}" if metric.name.startswith("psnr") else f"{value:.4f}"


def group_tables(group: Group, protocols: Mapping[str, Protocol], results: Results) -> list[Table]:
    """The tables of one group; none where nothing of it was run."""
    members = [protocols[p] for p in group.protocols]
    methods = methods_of(results, members)
    if not methods:
        return []
    if group.rows == "protocols":
        return [protocol_rows(members, methods, results)]
    tables = []
    for part in alike(members):
        used = [m for m in methods if any((p.name, m) in results for p in part)]
        if not used:
            continue
        for slot in range(len(part[0].metrics)):
            tables.append(method_rows(part, used, results, slot))
    return [t for t in tables if t.rows]


def alike(members: Sequence[Protocol]) -> list[list[Protocol]]:
    """Protocols that share a dataset and the spaces of their metrics."""
    parts: dict[tuple[str, tuple[str, ...]], list[Protocol]] = {}
    for protocol in members:
        spaces = tuple(f"{m.name} {m.space}" for m in protocol.metrics)
        parts.setdefault((protocol.dataset, spaces), []).append(protocol)
    return list(parts.values())


def method_rows(part: Sequence[Protocol], methods: Sequence[str], results: Results, slot: int) -> Table:
    """Methods down, one dataset's protocols across, one metric; published rows last."""
    metrics = [p.metrics[slot] for p in part]
    rows = []
    for method in methods:
        cells = [cell(results.get((p.name, method)), m) for p, m in zip(part, metrics, strict=True)]
        if any(c != NOTHING for c in cells):
            rows.append(Row((label_of(method, results), *cells), kind_of(method)))
    published: dict[tuple[str, str], dict[str, float]] = {}
    notes: dict[str, list[str]] = {}
    for protocol, metric in zip(part, metrics, strict=True):
        for entry in protocol.published:
            if metric.key in entry.scores:
                note = entry.source + (f"; {entry.note}" if entry.note else "")
                published.setdefault((entry.method, note), {})[protocol.name] = entry.scores[metric.key]
    if rows:
        for (name, note), values in published.items():
            cells = [
                number(values[p.name], m) if p.name in values else NOTHING
                for p, m in zip(part, metrics, strict=True)
            ]
            rows.append(Row((f"{name} (published)", *cells), "published"))
            notes.setdefault(note, []).append(name)
    return Table(
        f"{dataset_title(part, results)}: {metrics[0].label if same(metrics) else metrics[0].name.upper()}",
        ("method", *(heading(p, m, same(metrics)) for p, m in zip(part, metrics, strict=True))),
        tuple(rows),
        tuple(f"{', '.join(names)}: {note}" for note, names in notes.items()),
    )


def same(metrics: Sequence[Metric]) -> bool:
    return len(set(metrics)) == 1


def heading(protocol: Protocol, metric: Metric, alike: bool) -> str:
    """The protocol's title less the dataset; with the metric's space and border where columns differ in them."""
    _, _, short = protocol.title.partition(", ")
    return (short or protocol.title) + ("" if alike else f" [{metric.label}]")


def dataset_title(part: Sequence[Protocol], results: Results) -> str:
    for protocol in part:
        for (name, _), result in results.items():
            if name == protocol.name:
                return str(result.about["dataset"]["title"])
    return part[0].dataset


def protocol_rows(members: Sequence[Protocol], methods: Sequence[str], results: Results) -> Table:
    """Protocols down, methods across, each protocol's first metric; at the end the means."""
    rows = []
    marked = all(p.seen is not None for p in members)
    for protocol in members:
        metric = protocol.metrics[0]
        cells = [cell(results.get((protocol.name, m)), metric) for m in methods]
        if any(c != NOTHING for c in cells):
            seen = ("seen" if protocol.seen else "never seen") if marked else ""
            part = dataset_part(protocol, results)
            rows.append(Row((protocol.title + part, metric.label, seen, *cells)))
    for title, wanted in MEANS:
        part_of = [p for p in members if p.seen in wanted]
        if len({p.metrics[0] for p in part_of}) != 1 or len(part_of) < 2 or (title != "mean, all" and not marked):
            continue
        cells = [
            NOTHING if (value := mean_over(part_of, m, results)) is None else number(value, part_of[0].metrics[0])
            for m in methods
        ]
        if all(c == NOTHING for c in cells):
            continue
        rows.append(Row((title, part_of[0].metrics[0].label, "", *cells)))
    columns = ("protocol", "metric", "in training", *(label_of(m, results) for m in methods))
    if all(row.cells[2] == "" for row in rows):
        columns = (*columns[:2], *columns[3:])
        rows = [Row((*r.cells[:2], *r.cells[3:]), r.kind) for r in rows]
    return Table("", columns, tuple(rows))


def dataset_part(protocol: Protocol, results: Results) -> str:
    """ " (10 of 100)" for a set of which only a part is here."""
    title = dataset_title([protocol], results)
    return " (" + title.rpartition(" (")[2] if title.endswith(")") else ""


def mean_over(members: Sequence[Protocol], method: str, results: Results) -> float | None:
    """Mean of the first metric over protocols; None unless all were run."""
    values = []
    for protocol in members:
        result = results.get((protocol.name, method))
        value = result.mean(protocol.metrics[0].key) if result else None
        if value is None:
            return None
        values.append(value)
    return sum(values) / len(values) if values else None


def goals_table(group: Group, protocols: Mapping[str, Protocol], results: Results) -> Table | None:
    """Table of the group's goals: number asked for, number measured."""
    rows = [goal_row(goal, protocols, results) for goal in group.goals]
    if not rows or all(row.cells[3] == "not run" for row in rows):
        return None
    return Table("Goals", ("goal", "at least", "measured", "reached"), tuple(rows))


def goal_row(goal: Goal, protocols: Mapping[str, Protocol], results: Results) -> Row:
    members = [protocols[p] for p in goal.of]
    metric = members[0].metrics[0]
    what = f"mean, {goal.label}" if len(members) > 1 else members[0].title
    text = f"{what}: {goal.method}" + (f" over {goal.over}" if goal.over else "") + f", {metric.label}"
    value = mean_over(members, goal.method, results)
    base = mean_over(members, goal.over, results) if goal.over else 0.0
    sign = "+" if goal.over else ""
    wanted = f"{goal.at_least:{sign}.2f}"
    if value is None or base is None:
        return Row((text, wanted, NOTHING, "not run"))
    measured = value - base
    verdict = "yes" if measured >= goal.at_least else "no"
    if not all(same_weights(results, [(p.name, goal.method), (p.name, goal.over)]) for p in members):
        verdict = "made with different weights"
    return Row((text, wanted, f"{measured:{sign}.2f}", verdict))


def same_weights(results: Results, chosen: Iterable[tuple[str, str]]) -> bool:
    """True if those of the results that are there were made with the same weights; a file that only one of them
    read (an encoder that the other did not ask) says nothing."""
    known: dict[str, str] = {}
    for key in chosen:
        weights = results[key].about.get("weights", {}) if key in results else {}
        if any(known.setdefault(file, digest) != digest for file, digest in weights.items()):
            return False
    return True
