"""Measured errors of the severities that a basis's gauge says, in a file beside it. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from restorekit.errors import WeightsError
from restorekit.model.weights import load_json, save_json, write_sums

__all__ = ["SEVERITY", "error_at", "read_errors", "save_severity"]

SEVERITY = "severity.json"


def read_errors(path: Path) -> tuple[tuple[float, float], ...]:
    """Pairs of an estimated severity and its measured error, rising; empty where there is no file."""
    if not path.exists():
        return ()
    try:
        read = tuple((float(estimate), float(error)) for estimate, error in load_json(path).get("errors", ()))
    except (TypeError, ValueError):
        read = ((0.0, -1.0),)
    if any(not error >= 0 for _, error in read) or list(read) != sorted(read):
        raise WeightsError(
            f"{path} has errors that are no list of [estimate, error], rising; measure them again with "
            "`python -m restorekit.bench.severity`"
        )
    return read


def error_at(pairs: Sequence[tuple[float, float]], estimate: float) -> float | None:
    """Error of an estimated severity between its neighbours; None without pairs.

    pairs: as of `read_errors`.
    """
    if not pairs:
        return None
    for (below, at_below), (above, at_above) in pairwise(pairs):
        if below <= estimate < above:
            return at_below + (estimate - below) / (above - below) * (at_above - at_below)
    return pairs[0][1] if estimate < pairs[0][0] else pairs[-1][1]


def save_severity(folder: Path, errors: Sequence[tuple[float, float]]) -> None:
    """Write measured errors of a basis's severities beside it. errors: pairs of estimate and error, rising."""
    save_json(folder / SEVERITY, {"errors": [list(pair) for pair in errors]})
    write_sums(folder)
