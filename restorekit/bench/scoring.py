"""Score pictures one by one: degrade, restore, compare. `run` does it in its own process, `workers` in several."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from restorekit.bench.datasets import Located
from restorekit.bench.errors import BenchError, Unsuited
from restorekit.bench.methods import BenchMethod, Identifying
from restorekit.bench.protocol import Protocol
from restorekit.bench.records import Score
from restorekit.errors import RestorekitError

if TYPE_CHECKING:
    from restorekit.bench.metrics import Scorer
    from restorekit.plugin.catalog import Catalog

__all__ = ["Pair", "RunOptions", "judge", "reason_of", "score_each"]


@dataclass(frozen=True)
class RunOptions:
    """The user's choices.

    results: folder of result files. roots: folders of datasets.
    metrics: "auto" for the protocol's, and names of further ones. limit: pictures per protocol; 0 for all.
    jobs: processes. fresh: compute again what is recorded already.
    """

    results: Path
    roots: tuple[Path, ...]
    metrics: tuple[str, ...] = ("auto",)
    limit: int = 0
    jobs: int = 1
    fresh: bool = False


@dataclass(frozen=True)
class Pair:
    """One method on one protocol, with the set at hand."""

    protocol: Protocol
    method: str
    located: Located

    def indices(self, limit: int) -> range:
        """Numbers of the pictures to run, the first ones by name; `limit` 0 for all."""
        return range(min(limit, len(self.located.sources)) if limit else len(self.located.sources))


def score_each(
    pair: Pair,
    indices: Sequence[int],
    method: BenchMethod,
    scorers: Sequence[Scorer],
    catalog: Catalog,
    roots: Sequence[Path],
) -> Iterator[Score]:
    """Degrade, restore and score pictures one by one."""
    from restorekit.bench.items import make_item

    for index in indices:
        item = make_item(pair.protocol, pair.located, index, catalog, roots)
        megapixels = item.degraded.shape[-2] * item.degraded.shape[-1] / 1e6
        begin = time.perf_counter()
        if pair.protocol.identify:
            if not isinstance(method, Identifying):
                raise Unsuited("it does not say which bases a picture needs")
            weights = method.identify(item)
            seconds = time.perf_counter() - begin
            yield Score(item.name, judge(weights, method.truth(item)), seconds, megapixels, weights)
            continue
        restored = method(item)
        seconds = time.perf_counter() - begin
        if restored.shape != item.degraded.shape:
            raise BenchError(f"returned {tuple(restored.shape)} for {tuple(item.degraded.shape)}")
        restored = restored.detach().float().cpu()
        scores = {s.metric.key: s(restored, item) for s in scorers}
        found = method.identify(item) if isinstance(method, Identifying) else None
        yield Score(item.name, scores, seconds, megapixels, found)


def judge(weights: Mapping[str, float], right: Sequence[str]) -> dict[str, float]:
    """Share of the bases on the right side of 0.5, and 1 if all are."""
    verdicts = [(w > 0.5) == (name in right) for name, w in weights.items()]
    return {"decisions": sum(verdicts) / len(verdicts), "pictures": float(all(verdicts))}


def reason_of(error: Exception) -> str:
    """The first line of an error, with its type if it is none of ours."""
    text = str(error).strip().splitlines()
    first = text[0] if text else ""
    return first if isinstance(error, RestorekitError) else f"{type(error).__name__}: {first}"
