"""Asking plugins for their cards: each one checked, the first to bring a name keeps it, the others are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import pluggy

from restorekit.plugin.checks import fault_in, name_of
from restorekit.plugin.failures import ANY, Failure, said

__all__ = ["Asking", "key_of", "missing_for"]

BASIS_HOOKS = ("register_bases", "register_degradations")  # without which a plugin's bases are missing
T = TypeVar("T")


class Asking:
    """The questions to the plugins that build one catalogue.

    order: names of the plugins, the first to be asked first.
    failures: those that are known already.
    """

    def __init__(self, order: Sequence[str], failures: Iterable[Failure]) -> None:
        self.place = {name: i for i, name in enumerate(order)}
        self.failures = list(failures)
        self.owners: dict[str, str] = {}

    def named(self, kind: str, hook: pluggy.HookCaller, of: type[T]) -> dict[str, T]:
        """Ask for cards of one kind, by name."""
        things: dict[str, T] = {}
        for owner, card in self.cards(kind, hook, of):
            self.keep(things, kind, owner, card)
        return things

    def cards(self, kind: str, hook: pluggy.HookCaller, of: type[T]) -> Iterator[tuple[str, T]]:
        """Ask for cards of one kind: the plugin and the card, of those without a fault."""
        # pluggy calls the last registered first; the catalogue is built in the order in which plugins were loaded.
        last = len(self.place)
        for implementation in sorted(hook.get_hookimpls(), key=lambda i: self.place.get(i.plugin_name, last)):
            owner = implementation.plugin_name
            for card in self.answers(owner, cast(Any, implementation.function), of):
                if fault := fault_in(card):
                    missing = (name_of(card) or ANY) if kind == "basis" else ""
                    self.failures.append(Failure(owner, f"its {kind} {fault}", missing))
                else:
                    yield owner, card

    def paths(self, kind: str, hook: pluggy.HookCaller) -> tuple[tuple[str, Path], ...]:
        """Ask for files or folders of one kind: the plugin and the path, of those that are there."""
        last, found = len(self.place), []
        for implementation in sorted(hook.get_hookimpls(), key=lambda i: self.place.get(i.plugin_name, last)):
            owner = implementation.plugin_name
            for path in self.answers(owner, cast(Any, implementation.function), Path):
                if path.exists():
                    found.append((owner, path))
                else:
                    self.failures.append(Failure(owner, f"its {kind} are not there: {path} is missing"))
        return tuple(found)

    def keep(self, things: dict[Any, T], kind: str, owner: str, card: T, model: str = "") -> None:
        """Put a card among the things of its kind, unless its name is taken.

        things: by name; bases by model and name.
        model: of a basis.
        """
        name: str = card.name  # type: ignore[attr-defined]
        key = (model, name) if kind == "basis" else name
        if key in things:
            whose = f" of model {model!r}" if model else ""
            by = self.owners[key_of(kind, name, model)]
            taken = f"its {kind} {name!r}{whose} is refused: {by} brings one already"
            self.failures.append(Failure(owner, taken, name if kind == "basis" else "", model=model))
            return
        things[key] = card
        self.owners[key_of(kind, name, model)] = owner

    def answers(self, owner: str, function: Callable[[], Iterable[T]], of: type[T]) -> list[T]:
        """The things that one plugin's hook returns, less those of a wrong type."""
        hook = function.__name__
        try:
            returned = function()
            things = list(returned) if isinstance(returned, Iterable) else None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a broken plugin is reported, not fatal
            self.failures.append(Failure(owner, f"{hook} raised {said(error)}", missing_for(hook)))
            return []
        if things is None:
            asked = f"{hook} returned {returned!r}, not a list; return [{of.__name__}(...)]"
            self.failures.append(Failure(owner, asked, missing_for(hook)))
            return []
        wrong = [t for t in things if not isinstance(t, of)]
        if wrong:
            odd = f"{hook} returned {wrong[0]!r}, not a {of.__name__}"
            self.failures.append(Failure(owner, odd, missing_for(hook)))
        return [t for t in things if isinstance(t, of)]


def key_of(kind: str, name: str, model: str = "") -> str:
    """Key of a thing among the owners of a catalogue: "kind name", "basis model/name"."""
    return f"{kind} {model}/{name}" if kind == "basis" else f"{kind} {name}"


def missing_for(hook: str) -> str:
    """The bases that are missing where a plugin's hook cannot be asked."""
    return ANY if hook in BASIS_HOOKS else ""
