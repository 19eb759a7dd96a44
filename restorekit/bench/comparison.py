"""Two runs side by side: which pictures changed, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from restorekit.bench.errors import BenchError
from restorekit.bench.records import Result

__all__ = ["compare_results"]


@dataclass(frozen=True)
class Change:
    """One picture's score in both runs."""

    image: str
    before: float
    after: float

    @property
    def difference(self) -> float:
        return self.after - self.before


@dataclass(frozen=True)
class Comparison:
    """One metric of one protocol. changes: of the pictures that both runs scored, the largest first."""

    protocol: str
    before: str
    after: str
    key: str
    changes: tuple[Change, ...]

    @property
    def mean(self) -> float:
        return sum(c.difference for c in self.changes) / len(self.changes)

    def beyond(self, threshold: float) -> tuple[Change, ...]:
        """Pictures that changed by more than the threshold."""
        return tuple(c for c in self.changes if abs(c.difference) > threshold)


def compare_results(before: Sequence[Result], after: Sequence[Result]) -> list[Comparison]:
    """Pairs of results with the same protocol and method; or, of one result each, of the same protocol."""
    pairs = [(a, b) for a in before for b in after if (a.protocol, a.method) == (b.protocol, b.method)]
    if not pairs and len(before) == len(after) == 1 and before[0].protocol == after[0].protocol:
        pairs = [(before[0], after[0])]
    if not pairs:
        raise BenchError("the two have no protocol and method in common")
    comparisons = []
    for a, b in pairs:
        for key in (k for k in a.keys if k in b.keys):
            old = {s.image: s.scores[key] for s in a.scores if key in s.scores}
            new = {s.image: s.scores[key] for s in b.scores if key in s.scores}
            changes = [Change(name, old[name], new[name]) for name in old if name in new]
            if changes:
                ranked = tuple(sorted(changes, key=lambda c: -abs(c.difference)))
                comparisons.append(Comparison(a.protocol, a.method, b.method, key, ranked))
    return comparisons
