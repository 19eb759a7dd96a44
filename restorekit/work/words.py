"""Weights and severities in words, and for a program."""

from __future__ import annotations

from collections.abc import Mapping

from restorekit.model.mixing import MixingWeights
from restorekit.plugin.catalog import Catalog

__all__ = ["SHOWN", "describe", "describe_severity", "rounded", "with_error"]

SHOWN = 0.05  # weights below it are summed up as "rest"


def rounded(values: Mapping[str, float]) -> dict[str, float]:
    """Values for a program, in order of name."""
    return {name: round(value, 4) for name, value in sorted(values.items())}


def describe(weights: MixingWeights, severities: Mapping[str, float], catalog: Catalog) -> str:
    """Weights as a person reads them: "noise 0.98 (sigma 24)  jpeg 0.93 (quality 31)  rest 0.01"."""
    shown = [name for name, value in weights.values.items() if value >= SHOWN]
    if not shown:
        return "nothing to restore"
    parts = []
    for name in sorted(shown, key=lambda n: -weights[n]):
        severity = f" ({describe_severity(name, severities[name], catalog)})" if name in severities else ""
        parts.append(f"{name} {weights[name]:.2f}{severity}")
    rest = [value for name, value in weights.values.items() if name not in shown]
    if rest:
        parts.append(f"rest {max(rest):.2f}")
    return "  ".join(parts)


def describe_severity(basis: str, value: float, catalog: Catalog) -> str:
    """A severity in the words of the degradation that a basis removes."""
    return catalog.degradation(catalog.basis(basis).degradation).severity.describe(value)


def with_error(basis: str, value: float, catalog: Catalog) -> str:
    """A severity in words with its measured error, "sigma 24 ± 2"; without it where none was measured."""
    words, error = describe_severity(basis, value, catalog), catalog.basis(basis).severity_error(value)
    if error is None:
        return words
    scale = catalog.degradation(catalog.basis(basis).degradation).severity
    digits = 0 if abs(scale.strong - scale.off) >= 20 else 1
    return f"{words} ± {max(error, 10.0**-digits):.{digits}f}"
