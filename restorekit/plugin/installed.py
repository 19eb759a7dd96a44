"""Plugins as they are found and loaded: in which order, which are blocked, and which want a newer restorekit."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pluggy

from restorekit.plugin.asking import missing_for
from restorekit.plugin.failures import ANY, BLOCK, Failure
from restorekit.plugin.hookspecs import INTERFACE, WANTED, Hooks

__all__ = [
    "ALL",
    "CORE",
    "Blocking",
    "PluginInfo",
    "Plugins",
    "core_first",
    "forgotten",
    "interface_fault",
    "package_of",
    "wants_newer",
]

CORE = "restorekit"  # the package whose plugins are first-party
ALL = "all"  # in BLOCK: every plugin but those


@dataclass(frozen=True)
class PluginInfo:
    """A plugin that loaded.

    distribution: the package that brings it.
    milliseconds: spent on its import.
    """

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...]
    milliseconds: float = 0.0


@dataclass(frozen=True)
class Plugins:
    """The manager of one `load_plugins` call with what loaded, what failed and what was blocked."""

    manager: pluggy.PluginManager
    loaded: tuple[PluginInfo, ...]
    failures: tuple[Failure, ...]
    blocked: tuple[str, ...]

    @property
    def core(self) -> frozenset[str]:
        """Names of the first-party plugins."""
        return frozenset(info.name for info in self.loaded if info.distribution == CORE)


@dataclass(frozen=True)
class Blocking:
    """The plugins that the user wants left out. names: of RESTOREKIT_BLOCK_PLUGINS; ALL for those of strangers."""

    names: frozenset[str]

    @classmethod
    def from_environment(cls) -> Blocking:
        """Read the environment variable, commas between several names."""
        return cls(frozenset(name.strip() for name in os.environ.get(BLOCK, "").split(",") if name.strip()))

    def holds(self, entry: EntryPoint) -> bool:
        """Tell whether a plugin is left out."""
        return entry.name in self.names or (ALL in self.names and package_of(entry) != CORE)

    def unknown(self, entries: Sequence[EntryPoint]) -> Iterator[Failure]:
        """Give a line for each name that no installed plugin has."""
        there = sorted({entry.name for entry in entries})
        for name in sorted(self.names - {ALL, *there}):
            known = ", ".join([*there, ALL])
            yield Failure(
                BLOCK, f"no plugin is called {name!r}", remedy=f"Correct or unset {BLOCK}; it may name {known}."
            )


def interface_fault(name: str, plugin: object) -> Failure | None:
    """A line on a plugin that wants another interface than this one, by its module's `restorekit_interface`."""
    wanted = getattr(plugin, WANTED, INTERFACE)
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
        return Failure(name, f"its {WANTED} is {wanted!r}; give a whole number from 1 to {INTERFACE}", ANY)
    return wants_newer(name, f"version {wanted} of the plugin interface") if wanted > INTERFACE else None


def wants_newer(name: str, what: str) -> Failure:
    """A line on a plugin that needs what only a newer restorekit has."""
    reason = f"it wants {what}, this restorekit has version {INTERFACE} of it"
    return Failure(name, reason, ANY, f"Update restorekit, or set {BLOCK}={name} to go on without the plugin.")


def core_first(entry: EntryPoint) -> tuple[bool, str, str]:
    """Sorting key of entry points."""
    return package_of(entry) != CORE, entry.name, package_of(entry)


def package_of(entry: EntryPoint) -> str:
    """Name of the package that declares an entry point; empty where that is not known."""
    return (entry.dist.name if entry.dist else "") or ""


def forgotten(name: str, plugin: object, hooks: Collection[str]) -> Iterator[Failure]:
    """Yield a failure for each function that is called like a hook and has no `@hookimpl`, or for a plugin without
    any hook.

    name: of the plugin.
    hooks: those that it implements.
    """
    known = [name for name in vars(Hooks) if name.startswith("register_")]
    bare = [hook for hook in known if hook not in hooks and callable(getattr(plugin, hook, None))]
    for hook in bare:
        yield Failure(name, f"its {hook} is not asked: put @hookimpl above it", missing_for(hook))
    if not hooks and not bare:
        wanted = ", ".join(known)
        yield Failure(name, f"it has no hook; its entry point should name a module with one of {wanted}", ANY)
