"""From installed packages to a catalogue of what they bring. The one file that knows pluggy's manager.

Nothing is global: every call of `load_plugins` makes a new manager. The plugins that come with restorekit are
asked first, the others in the order of their names: nobody takes a first-party name. A plugin that cannot be
imported or used is left out and reported with the remedy; the others go on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pluggy

from restorekit.basis import Basis
from restorekit.degradation import Degradation
from restorekit.errors import PluginError
from restorekit.plugin.checks import fault_in, name_of
from restorekit.plugin.hookspecs import GROUP, BackboneCard, Hooks, Method

if TYPE_CHECKING:
    import typer

__all__ = [
    "ANY",
    "BLOCK",
    "Catalog",
    "Failure",
    "PluginInfo",
    "Plugins",
    "build_catalog",
    "first_line",
    "load_plugins",
    "pick",
    "register_commands",
    "said",
]

BLOCK = "RESTOREKIT_BLOCK_PLUGINS"
CORE = "restorekit"  # the package whose plugins are first-party
ANY = "*"  # in place of a basis: those that the plugin brings, whatever their names
BASIS_HOOKS = ("register_bases", "register_degradations")  # without which a plugin's bases are missing
T = TypeVar("T")


@dataclass(frozen=True)
class PluginInfo:
    """A plugin that loaded. distribution: the package that brings it."""

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...]


@dataclass(frozen=True)
class Failure:
    """Something that was left out: a whole plugin, or one name that it brings.

    basis: the basis that a picture may miss for it; ANY for whatever bases the plugin brings, empty for none.
    remedy: a sentence; without one, how to block the plugin.
    """

    plugin: str
    reason: str
    basis: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        remedy = self.remedy or f"Set {BLOCK}={self.plugin} to go on without it."
        return f"{self.plugin}: {self.reason}. {remedy}"


@dataclass(frozen=True)
class Plugins:
    """The manager of one `load_plugins` call with what loaded, what failed and what was blocked."""

    manager: pluggy.PluginManager
    loaded: tuple[PluginInfo, ...]
    failures: tuple[Failure, ...]
    blocked: tuple[str, ...]


@dataclass(frozen=True)
class Catalog:
    """Everything that plugins registered, by name. owners: "kind name" to the plugin that brought it."""

    degradations: Mapping[str, Degradation]
    bases: Mapping[str, Basis]
    backbones: Mapping[str, BackboneCard]
    owners: Mapping[str, str]
    failures: tuple[Failure, ...] = field(default=())
    methods: Mapping[str, Method] = field(default_factory=dict)

    def degradation(self, name: str) -> Degradation:
        return pick("degradation", name, self.degradations)

    def basis(self, name: str) -> Basis:
        return pick("basis", name, self.bases)

    def backbone(self, name: str) -> BackboneCard:
        return pick("backbone", name, self.backbones)

    def method(self, name: str) -> Method:
        return pick("method", name, self.methods)


def pick(kind: str, name: str, things: Mapping[str, T]) -> T:
    """The thing of that name, or a PluginError that lists the names there are."""
    if name not in things:
        raise PluginError(f"no {kind} {name!r}; there are {', '.join(sorted(things)) or 'none'}")
    return things[name]


def load_plugins(found: Iterable[EntryPoint] | None = None) -> Plugins:
    """Load every installed plugin. found: entry points to use in place of the installed ones."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(Hooks)
    blocked = {name.strip() for name in os.environ.get(BLOCK, "").split(",") if name.strip()}
    loaded: dict[str, PluginInfo] = {}
    failures: list[Failure] = []
    skipped: list[str] = []
    for entry in sorted(entry_points(group=GROUP) if found is None else found, key=core_first):
        name, package = entry.name, package_of(entry)
        if name in blocked:
            skipped.append(name)
            continue
        if name in loaded:
            failures.append(
                Failure(
                    name,
                    f"package {package} brings a plugin of this name, which {loaded[name].distribution} has",
                    remedy=f"Uninstall {package}, or ask its author to rename its entry point.",
                )
            )
            continue
        try:
            plugin = entry.load()
            manager.register(plugin, name)
            manager.check_pending()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # what a stranger's import raises, sys.exit too, must not stop the others
            if manager.has_plugin(name):
                manager.unregister(name=name)
            failures.append(Failure(name, said(error), ANY))
            continue
        hooks = tuple(sorted(caller.name for caller in manager.get_hookcallers(plugin) or []))
        loaded[name] = PluginInfo(name, package, entry.dist.version if entry.dist else "", hooks)
        failures.extend(forgotten(name, plugin, hooks))
    return Plugins(manager, tuple(loaded.values()), tuple(failures), tuple(skipped))


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


def missing_for(hook: str) -> str:
    """The bases that are missing where a plugin's hook cannot be asked."""
    return ANY if hook in BASIS_HOOKS else ""


def build_catalog(plugins: Plugins) -> Catalog:
    """Ask every plugin what it brings. A name that is taken is refused to the second who asks for it."""
    owners: dict[str, str] = {}
    failures = list(plugins.failures)
    place = {info.name: i for i, info in enumerate(plugins.loaded)}

    def collect(kind: str, hook: pluggy.HookCaller, of: type[T]) -> dict[str, T]:
        things: dict[str, T] = {}
        # pluggy calls the last registered first; the catalogue is built in the order in which plugins were loaded.
        for implementation in sorted(hook.get_hookimpls(), key=lambda i: place.get(i.plugin_name, len(place))):
            owner = implementation.plugin_name
            for thing in answers(owner, cast(Any, implementation.function), of, failures):
                missing = (name_of(thing) or ANY) if kind == "basis" else ""
                if fault := fault_in(thing):
                    failures.append(Failure(owner, f"its {kind} {fault}", missing))
                    continue
                name = thing.name  # type: ignore[attr-defined]
                if name in things:
                    taken = f"its {kind} {name!r} is refused: {owners[f'{kind} {name}']} brings one already"
                    failures.append(Failure(owner, taken, missing))
                    continue
                things[name] = thing
                owners[f"{kind} {name}"] = owner
        return things

    hook: Any = plugins.manager.hook
    degradations = collect("degradation", hook.register_degradations, Degradation)  # type: ignore[type-abstract]
    bases = collect("basis", hook.register_bases, Basis)
    backbones = collect("backbone", hook.register_backbones, BackboneCard)
    methods = collect("method", hook.register_methods, Method)
    for name in [n for n, b in bases.items() if b.degradation and b.degradation not in degradations]:
        failures.append(
            Failure(
                owners[f"basis {name}"],
                f"its basis {name!r} is refused: nobody registers the degradation {bases[name].degradation!r}",
                name,
            )
        )
        del bases[name]
    return Catalog(degradations, bases, backbones, owners, tuple(failures), methods)


def answers(owner: str, function: Callable[[], Iterable[T]], of: type[T], failures: list[Failure]) -> list[T]:
    """The things that one plugin's hook returns, less those of a wrong type."""
    hook = function.__name__
    try:
        returned = function()
        things = list(returned) if isinstance(returned, Iterable) else None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # as above: a broken plugin is reported, not fatal
        failures.append(Failure(owner, f"{hook} raised {said(error)}", missing_for(hook)))
        return []
    if things is None:
        asked = f"{hook} returned {returned!r}, not a list; return [{of.__name__}(...)]"
        failures.append(Failure(owner, asked, missing_for(hook)))
        return []
    wrong = [t for t in things if not isinstance(t, of)]
    if wrong:
        failures.append(Failure(owner, f"{hook} returned {wrong[0]!r}, not a {of.__name__}", missing_for(hook)))
    return [t for t in things if isinstance(t, of)]


def register_commands(plugins: Plugins, app: typer.Typer) -> tuple[Failure, ...]:
    """Let plugins add commands."""
    failures = []
    hook: Any = plugins.manager.hook
    for implementation in hook.register_commands.get_hookimpls():
        try:
            implementation.function(app)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # as above
            failures.append(Failure(implementation.plugin_name, f"register_commands raised {said(error)}"))
    return tuple(failures)


def said(error: BaseException) -> str:
    """The kind of an error, and the first line of its message."""
    kind = type(error).__name__
    if isinstance(error, SystemExit):
        return f"{kind} {error.code}: it ends the program instead of raising an error"
    return f"{kind}: {first_line(error)}"


def first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
