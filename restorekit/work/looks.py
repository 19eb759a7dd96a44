"""Looks in words: read from what a user types, and said in records and commands. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restorekit.errors import MixingError, unknown_name
from restorekit.model.flow import LOOK_STEPS
from restorekit.plugin.catalog import Catalog
from restorekit.work.request import Options

__all__ = ["look_record", "look_words", "read_look", "said_look"]


def read_look(text: str, catalog: Catalog, option: str = "--look") -> float | Mapping[str, float]:
    """Read [NAME=]NUMBER, a look for `Restorer.restore`.

    catalog: where looks are known by name; those at an address are known once they are fetched.
    option: as the user knows it, for messages.
    """
    name, equals, number = text.rpartition("=")
    try:
        amount = float(number)
    except ValueError:
        amount = -1.0
    if not 0 <= amount <= 1:
        raise MixingError(f"{option} must be a number from 0 to 1, or NAME=NUMBER, got {text}; 0.5 is half of it")
    if not equals:
        return amount
    card = catalog.cards.get(name)
    if name not in catalog.looks and (card is None or card.remote is None):
        raise MixingError(unknown_name("look", name, catalog.looks))
    return {name: amount}


def look_record(options: Options) -> dict[str, Any]:
    """The look of a run with its steps and its seed, for a program; empty where there is none."""
    wanted = options.look
    if not any(wanted.values()) if isinstance(wanted, Mapping) else not wanted:
        return {}
    look = dict(wanted) if isinstance(wanted, Mapping) else wanted
    steps = LOOK_STEPS if options.steps is None else options.steps
    return {"look": look, "steps": steps, "seed": options.seed or 0}


def look_words(options: Options) -> list[str]:
    """Options of the command that give the same look again, all three by number; empty where there is none."""
    return [word for name, value in look_record(options).items() for word in (f"--{name}", typed(value))]


def said_look(options: Options) -> str:
    """A look for a person: "look 0.50"; empty where there is none."""
    look = look_record(options).get("look")
    if look is None:
        return ""
    name, amount = next(iter(look.items())) if isinstance(look, Mapping) else ("look", look)
    return f"{name} {amount:.2f}"


def typed(value: Any) -> str:
    """A value as a user types it behind an option."""
    return (
        "".join(f"{name}={amount!r}" for name, amount in value.items()) if isinstance(value, dict) else repr(value)
    )
