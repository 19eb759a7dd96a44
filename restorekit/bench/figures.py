"""Plots of recorded results, as SVG: quality against time, bars per degradation. The one door to matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restorekit.bench.errors import BenchError
from restorekit.bench.protocol import Group, Protocol, Protocols
from restorekit.bench.records import Result
from restorekit.bench.report import Picture
from restorekit.bench.tables import Results, by_name, kind_of, methods_of

__all__ = ["draw_figures"]

COLOURS = {"own": "#1f5fbf", "peer": "#c0662b", "input": "#9a9a9a", "oracle": "#8fb4e8"}


@dataclass(frozen=True)
class Bar:
    """One degradation: means over the protocols that have it alone and that all of these methods ran."""

    degradation: str
    input: float
    ours: float
    oracle: float | None
    peer: float | None
    peer_name: str


def draw_figures(protocols: Protocols, results: Sequence[Result], folder: Path) -> dict[str, list[Picture]]:
    """Every figure that the results allow; by group."""
    known = by_name(results)
    plt = import_pyplot()
    figures: dict[str, list[Picture]] = {}
    for group in protocols.groups.values():
        protocol = best_covered(group, protocols.protocols, known)
        if protocol is None:
            continue
        path = folder / "figures" / f"{group.name}-time.svg"
        draw_time(plt, protocol, known, path)
        caption = f"{protocol.title}: {protocol.metrics[0].label} against seconds per megapixel"
        figures.setdefault(group.name, []).append(Picture(f"figures/{path.name}", caption))
    bars = single_bars(protocols.protocols, known)
    if bars:
        path = folder / "figures" / "degradations.svg"
        draw_bars(plt, bars, path)
        caption = "PSNR per degradation: input, restorekit, the right bases at 1, and the best peer"
        figures.setdefault("", []).append(Picture(f"figures/{path.name}", caption))
    return figures


def import_pyplot() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise BenchError(
            "plots need matplotlib: pip install 'restorekit[bench]', or report --no-figures"
        ) from None
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "restorekit"  # the same data give the same file
    import matplotlib.pyplot as plt

    return plt


def best_covered(group: Group, protocols: Mapping[str, Protocol], results: Results) -> Protocol | None:
    """The group's protocol that most methods ran, at least three of them; None if there is none."""
    members = [protocols[p] for p in group.protocols if not protocols[p].identify]
    counts = {p.name: len(timed(p, results)) for p in members}
    best = max(members, key=lambda p: counts[p.name], default=None)
    return best if best and counts[best.name] >= 3 else None


def timed(protocol: Protocol, results: Results) -> dict[str, tuple[float, float]]:
    """Seconds per megapixel and the first metric, by method; the input costs nothing and is left out."""
    points = {}
    for (name, method), result in results.items():
        value = result.mean(protocol.metrics[0].key)
        if name == protocol.name and method not in ("input", "bicubic") and value is not None:
            points[method] = (result.seconds_per_megapixel, value)
    return points


def draw_time(plt: Any, protocol: Protocol, results: Results, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for method, (seconds, value) in sorted(timed(protocol, results).items()):
        axes.scatter(seconds, value, color=COLOURS[kind_of(method)], s=36)
        axes.annotate(method, (seconds, value), xytext=(0, 6), textcoords="offset points", fontsize=8, ha="center")
    base = results.get((protocol.name, "input"))
    level = base.mean(protocol.metrics[0].key) if base else None
    if level is not None:
        axes.axhline(level, color=COLOURS["input"], linestyle="--", linewidth=1, label="input")
        axes.legend(frameon=False)
    axes.margins(0.15)
    axes.set(xscale="log", xlabel="seconds per megapixel", ylabel=protocol.metrics[0].label, title=protocol.title)
    save(plt, figure, path)


def single_bars(protocols: Mapping[str, Protocol], results: Results) -> list[Bar]:
    """A bar group per degradation that restorekit was run on alone."""
    alone: dict[str, list[Protocol]] = {}
    for protocol in protocols.values():
        ran = all((protocol.name, m) in results for m in ("input", "restorekit"))
        if len(protocol.present) == 1 and not protocol.identify and ran:
            alone.setdefault(protocol.present[0], []).append(protocol)
    bars = []
    for degradation, members in alone.items():
        peers = {m: average(members, m, results) for m in methods_of(results, members) if kind_of(m) == "peer"}
        ranked = {m: v for m, v in peers.items() if v is not None and m not in ("input", "bicubic")}
        best = max(ranked, key=lambda m: ranked[m], default="")
        ours, level = average(members, "restorekit", results), average(members, "input", results)
        if ours is None or level is None:
            continue
        oracle = average(members, "restorekit-oracle", results)
        bars.append(Bar(degradation, level, ours, oracle, ranked.get(best), best))
    return bars


def average(members: Sequence[Protocol], method: str, results: Results) -> float | None:
    """Mean PSNR over protocols, None unless the method ran them all."""
    values = []
    for protocol in members:
        key = next((m.key for m in protocol.metrics if m.name == "psnr"), "")
        result = results.get((protocol.name, method))
        value = result.mean(key) if result else None
        if value is None:
            return None
        values.append(value)
    return sum(values) / len(values)


def draw_bars(plt: Any, bars: Sequence[Bar], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(max(5, 1.7 * len(bars) + 1.5), 4.2), layout="constrained")
    series: tuple[tuple[str, str, list[float | None]], ...] = (
        ("input", COLOURS["input"], [b.input for b in bars]),
        ("restorekit", COLOURS["own"], [b.ours for b in bars]),
        ("right bases at 1", COLOURS["oracle"], [b.oracle for b in bars]),
        ("best peer", COLOURS["peer"], [b.peer for b in bars]),
    )
    for i, (label, colour, values) in enumerate(series):
        places = [(k + 0.2 * (i - 1.5), v) for k, v in enumerate(values) if v is not None]
        if places:
            x, heights = zip(*places, strict=True)
            axes.bar(x, heights, 0.19, color=colour, label=label)
    for k, bar in enumerate(bars):
        if bar.peer is not None:
            axes.annotate(bar.peer_name, (k + 0.3, bar.peer), ha="center", va="bottom", fontsize=7, rotation=90)
    lowest = min(b.input for b in bars)
    axes.set_ylim(bottom=max(0.0, lowest - 3))
    axes.set_xticks(range(len(bars)), [b.degradation for b in bars])
    axes.set_ylabel("PSNR, dB")
    axes.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.12), fontsize=8)
    save(plt, figure, path)


def save(plt: Any, figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
