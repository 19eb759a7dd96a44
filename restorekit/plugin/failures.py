"""Failures of plugins: one line each that names the plugin, the reason and the remedy."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ANY", "BLOCK", "Failure", "first_line", "said"]

BLOCK = "RESTOREKIT_BLOCK_PLUGINS"
ANY = "*"  # in place of a basis: those that the plugin brings, whatever their names


@dataclass(frozen=True)
class Failure:
    """Something that was left out: a whole plugin, or one name that it brings.

    basis: the basis that a picture may miss for it; ANY for whatever bases the plugin brings, empty for none.
    remedy: a sentence; without one, how to block the plugin.
    model: the one that the basis is for; empty where it may be any.
    """

    plugin: str
    reason: str
    basis: str = ""
    remedy: str = ""
    model: str = ""

    def __str__(self) -> str:
        remedy = self.remedy or f"Set {BLOCK}={self.plugin} to go on without it."
        return f"{self.plugin}: {self.reason}. {remedy}"


def said(error: BaseException) -> str:
    """The kind of an error, and the first line of its message."""
    kind = type(error).__name__
    if isinstance(error, SystemExit):
        return f"{kind} {error.code}: it ends the program instead of raising an error"
    return f"{kind}: {first_line(error)}"


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its kind where there is none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
