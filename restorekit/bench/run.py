"""Run protocols: every picture is degraded, restored, scored and written down before the next is read.

Memory holds one method and one picture per process. A killed run goes on where it stopped. A pair of method and
protocol that cannot run is passed over with its reason; the others go on.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from restorekit.bench.datasets import Dataset, locate
from restorekit.bench.errors import BenchError, Unsuited
from restorekit.bench.methods import (
    BenchMethod,
    Traceable,
    find_card,
    make,
    missing,
    unsuited,
    versions,
)
from restorekit.bench.protocol import Metric, Protocol
from restorekit.bench.records import (
    FORMAT,
    Result,
    Score,
    append_line,
    fingerprint,
    git_commit,
    known_scores,
    machine,
    result_path,
    software,
    start_lines,
    write_result,
)
from restorekit.bench.scoring import Pair, RunOptions, reason_of, score_each
from restorekit.bench.workers import score_in_processes

if TYPE_CHECKING:
    from restorekit.bench.metrics import Scorer
    from restorekit.plugin.catalog import Catalog

__all__ = ["RunListener", "plan", "run"]


class RunListener(typing.Protocol):
    """Hears how a run goes on."""

    def total(self, pictures: int) -> None: ...

    def scored(self, pair: Pair, score: Score | None) -> None:
        """Count one picture more; None if it was known already."""

    def skipped(self, protocol: str, method: str, reason: str, pictures: int) -> None:
        """Hear of a pair that is not for each other, or lacks something; "*" for all."""

    def failed(self, protocol: str, method: str, reason: str, pictures: int) -> None:
        """Hear of a method, or a pair, that should have run."""

    def finished(self, pair: Pair, result: Result) -> None: ...


def plan(
    protocols: Sequence[Protocol],
    methods: Sequence[str],
    catalog: Catalog,
    datasets: Mapping[str, Dataset],
    options: RunOptions,
    listener: RunListener,
) -> list[Pair]:
    """List all pairs that can run, method by method; tell the listener of the others."""
    pairs = []
    places = {p.dataset: locate(find(datasets, p.dataset), options.roots) for p in protocols}
    for protocol in protocols:
        if places[protocol.dataset] is None:
            listener.skipped(protocol.name, "*", f"dataset {protocol.dataset} is not here", 0)
    for spec in methods:
        card = find_card(spec, catalog)
        absent = missing(card)
        if absent:
            listener.skipped("*", spec, absent, 0)
            continue
        for protocol in protocols:
            located = places[protocol.dataset]
            if located is None:
                continue
            reason = unsuited(card, protocol)
            if reason:
                listener.skipped(protocol.name, spec, reason, 0)
            else:
                pairs.append(Pair(protocol, spec, located))
    return pairs


def find(datasets: Mapping[str, Dataset], name: str) -> Dataset:
    if name not in datasets:
        raise BenchError(f"no dataset {name!r} in datasets.toml; there are {', '.join(sorted(datasets))}")
    return datasets[name]


def run(pairs: Sequence[Pair], catalog: Catalog, options: RunOptions, listener: RunListener) -> None:
    """Run the pairs, which come method by method."""
    from restorekit.bench.metrics import Shelf, import_pyiqa
    from restorekit.bench.perceptual import PERCEPTUAL

    if not all(p.protocol.identify for p in pairs) and not set(options.metrics) <= PERCEPTUAL.keys():
        import_pyiqa()  # without it nothing can be scored: better said now, and once
    shelf = Shelf()
    for name in sorted(PERCEPTUAL.keys() & set(options.metrics)):  # likewise
        shelf.scorer(Metric(name))
    listener.total(sum(len(p.indices(options.limit)) for p in pairs))
    common = {"software": software(), "commit": git_commit(), "machine": machine()}
    digests: dict[str, str] = {}
    method: BenchMethod | None = None
    current = ""
    for pair in pairs:
        if pair.method != current:
            method, current = None, pair.method  # the last one's memory goes first
            try:
                method = make(pair.method, catalog)
                method.prepare()
            except Exception as error:  # whatever a stranger's method may raise must not stop the others
                method = None
                listener.failed("*", pair.method, reason_of(error), 0)
        if method is None:
            listener.failed(pair.protocol.name, pair.method, "", len(pair.indices(options.limit)))
            continue
        if pair.protocol.dataset not in digests:
            digests[pair.protocol.dataset] = pair.located.digest()
        about = describe(pair, method, catalog, digests[pair.protocol.dataset]) | common
        run_pair(pair, method, catalog, options, listener, shelf, about)


def run_pair(
    pair: Pair,
    method: BenchMethod,
    catalog: Catalog,
    options: RunOptions,
    listener: RunListener,
    shelf: Any,
    about: dict[str, Any],
) -> None:
    """One method on one protocol, from where it was left."""
    protocol = pair.protocol
    scorers: tuple[Scorer, ...] = ()
    skipped: tuple[str, ...] = ()
    if not protocol.identify:
        scorers, skipped = shelf.scorers(protocol.metrics, options.metrics)
        if not scorers:
            listener.skipped(protocol.name, pair.method, "; ".join(skipped), len(pair.indices(options.limit)))
            return
    wanted = {s.metric.key for s in scorers}
    mark = fingerprint(
        {"scoring": FORMAT, "protocol": protocol.digest, "method": pair.method}
        | {k: about[k] for k in ("weights", "precision", "packages")}
        | {"pyiqa": about["software"].get("pyiqa")}
    )
    path = result_path(options.results, protocol.name, pair.method)
    if options.fresh:
        path.with_suffix(".jsonl").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    known = {name: s for name, s in known_scores(path, mark).items() if wanted <= set(s.scores)}
    start_lines(path, mark)
    todo = []
    for index in pair.indices(options.limit):
        if pair.located.sources[index].name in known:
            listener.scored(pair, None)
        else:
            todo.append(index)
    found = dict(known)
    try:
        if options.jobs > 1 and len(todo) > 1:
            stream = score_in_processes(pair, todo, options)
        else:
            stream = score_each(pair, todo, method, scorers, catalog, options.roots)
        for score in stream:
            append_line(path, score)
            found[score.image] = score
            listener.scored(pair, score)
    except Unsuited as error:
        path.with_suffix(".jsonl").unlink(missing_ok=True)
        listener.skipped(protocol.name, pair.method, str(error), len(todo))
        return
    except Exception as error:  # as above; what is scored already stays recorded
        listener.failed(protocol.name, pair.method, reason_of(error), len(todo) - (len(found) - len(known)))
        return
    about["metrics"] = {s.metric.key: {"lower_better": s.lower_better} for s in scorers}
    about["metrics_skipped"] = list(skipped)
    result = Result(protocol.name, pair.method, mark, tuple(found.values()), about)
    write_result(path, result)
    listener.finished(pair, result)


def describe(pair: Pair, method: BenchMethod, catalog: Catalog, data: str) -> dict[str, Any]:
    """Facts of a result: method, protocol, dataset and weights."""
    card = find_card(pair.method, catalog)
    located, protocol = pair.located, pair.protocol
    expected = located.copy.sha256
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "title": protocol.title,
        "seed": protocol.seed,
        "summary": card.summary,
        "licence": card.licence,
        "told": card.oracle,
        "packages": versions(card),
        "weights": dict(method.provenance()) if isinstance(method, Traceable) else {},
        "precision": method.precision if isinstance(method, Traceable) else "",
        "dataset": {
            "name": located.dataset.name,
            "title": located.title,
            "here": len(located.sources),
            "whole": located.dataset.count,
            "sha256": data,
            "as_catalogued": (data == expected) if expected else None,
        },
    }
