"""Names of sets, degradations that come together in training: "rain+noise", "rain/noise" with only the rain to go,
"noise:camera+jpeg" with noise of that kind."""

from __future__ import annotations

__all__ = ["names_in", "parts_of"]

Part = tuple[str, str]  # a degradation and its kind, "" for any


def parts_of(text: str) -> tuple[list[Part], list[Part]]:
    """Read the name of a set: what is to be removed of it, and what is named after the bar."""
    removed, bar, kept = text.partition("/")
    return read_side(removed), read_side(kept.replace("/", "+")) if bar else []


def read_side(text: str) -> list[Part]:
    """Read what stands on one side of the bar."""
    pairs = (part.partition(":") for part in text.split("+"))
    return [(name, kind) for name, _, kind in pairs]


def names_in(text: str) -> list[str]:
    """Name the degradations of a set."""
    removed, kept = parts_of(text)
    return [name for name, _ in removed + kept]
