"""Values of the trainings' options, from text; an error names the option and what there is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from restorekit.errors import TrainingError
from restorekit.training.sets import names_in

__all__ = ["among", "minutes_in", "numbers", "pairs", "sets_of"]


def minutes_in(text: str, option: str) -> float:
    """Read a time with its unit, in minutes."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if found is None or float(found[1]) == 0:
        raise TrainingError(f"{option} must be a time with its unit, as 9m, 90s or 1.5h, got {text!r}")
    return float(found[1]) * {"s": 1 / 60, "m": 1.0, "h": 60.0}[found[2]]


def numbers(text: str, option: str) -> tuple[int, ...]:
    """Read whole numbers with commas between."""
    try:
        return tuple(int(n) for n in text.split(","))
    except ValueError:
        raise TrainingError(f"{option} wants whole numbers with commas between, got {text!r}") from None


def pairs(texts: Iterable[str], option: str) -> dict[str, float]:
    """Read NAME=NUMBER, each."""
    values = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            values[name] = float(value)
        except ValueError:
            raise TrainingError(f"{option} wants NAME=NUMBER, got {text!r}") from None
    return values


def sets_of(names: Iterable[str], texts: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Sets of degradations and their shares, their names checked."""
    for text, share in pairs(texts, "--together").items():
        unknown = sorted(set(names_in(text)) - set(names))
        if unknown:
            raise TrainingError(f"--together {text} names {', '.join(unknown)}; there are {', '.join(names)}")
        yield text, share


def among(known: Sequence[str], text: str, option: str) -> tuple[str, ...]:
    """The names in a list with commas, checked."""
    chosen = tuple(text.split(","))
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        raise TrainingError(f"{option} names {', '.join(unknown)}; there are {', '.join(known)}")
    return chosen
