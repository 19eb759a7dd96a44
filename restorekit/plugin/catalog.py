"""From installed packages to a catalogue of what they bring. The one file that knows pluggy's manager.

Nothing is global: every call of `load_plugins` makes a new manager. A plugin that cannot be imported or used is
left out and reported with the way to block it; the others go on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pluggy

from restorekit.basis import Basis
from restorekit.degradation import Degradation
from restorekit.errors import PluginError, RestorekitError
from restorekit.plugin.hookspecs import GROUP, BackboneCard, Hooks, Method

if TYPE_CHECKING:
    import typer

BLOCK = "RESTOREKIT_BLOCK_PLUGINS"
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
    """Something that was left out: a whole plugin, or one name that it brings."""

    plugin: str
    reason: str
    basis: str = ""  # if it is one basis that was left out

    def __str__(self) -> str:
        return f"{self.plugin}: {self.reason}. Set {BLOCK}={self.plugin} to go on without it."


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
    loaded: list[PluginInfo] = []
    failures: list[Failure] = []
    skipped: list[str] = []
    for entry in sorted(entry_points(group=GROUP) if found is None else found, key=lambda e: e.name):
        if entry.name in blocked:
            skipped.append(entry.name)
            continue
        try:
            manager.register(entry.load(), entry.name)
            manager.check_pending()
        except Exception as error:  # whatever a stranger's import may raise must not stop the others
            if manager.has_plugin(entry.name):
                manager.unregister(name=entry.name)
            failures.append(Failure(entry.name, f"{type(error).__name__}: {first_line(error)}"))
            continue
        plugin = manager.get_plugin(entry.name)
        hooks = tuple(sorted(caller.name for caller in manager.get_hookcallers(plugin) or []))
        distribution = entry.dist
        loaded.append(
            PluginInfo(
                entry.name,
                distribution.name if distribution else "",
                distribution.version if distribution else "",
                hooks,
            )
        )
    return Plugins(manager, tuple(loaded), tuple(failures), tuple(skipped))


def build_catalog(plugins: Plugins) -> Catalog:
    """Ask every plugin what it brings. A name that is taken is refused to the second who asks for it."""
    owners: dict[str, str] = {}
    failures = list(plugins.failures)

    def collect(kind: str, hook: pluggy.HookCaller, of: type[T]) -> dict[str, T]:
        things: dict[str, T] = {}
        # pluggy calls the last registered first; the catalogue is built in the order of names.
        for implementation in sorted(hook.get_hookimpls(), key=lambda i: i.plugin_name):
            owner = implementation.plugin_name
            for thing in answers(owner, cast(Any, implementation.function), of, failures):
                name = thing.name  # type: ignore[attr-defined]
                if name in things:
                    failures.append(
                        Failure(
                            owner, f"its {kind} {name!r} is refused: {owners[f'{kind} {name}']} brings one already"
                        )
                    )
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
            )
        )
        del bases[name]
    return Catalog(degradations, bases, backbones, owners, tuple(failures), methods)


def answers(owner: str, function: Callable[[], Iterable[T]], of: type[T], failures: list[Failure]) -> list[T]:
    """What one plugin's hook returns, less what is not of the right type."""
    try:
        things = list(function())
    except Exception as error:  # as above: a broken plugin is reported, not fatal
        failures.append(Failure(owner, f"{function.__name__} raised {type(error).__name__}: {first_line(error)}"))
        return []
    wrong = [t for t in things if not isinstance(t, of)]
    if wrong:
        failures.append(Failure(owner, f"{function.__name__} returned {wrong[0]!r}, not a {of.__name__}"))
    return [t for t in things if isinstance(t, of)]


def register_commands(plugins: Plugins, app: typer.Typer) -> tuple[Failure, ...]:
    """Let plugins add commands."""
    failures = []
    hook: Any = plugins.manager.hook
    for implementation in hook.register_commands.get_hookimpls():
        try:
            implementation.function(app)
        except Exception as error:  # as above
            failures.append(Failure(implementation.plugin_name, f"register_commands: {first_line(error)}"))
    return tuple(failures)


def mismatched_bases(catalog: Catalog, backbone: BackboneCard) -> tuple[Failure, ...]:
    """Bases that were made for other backbone weights than these."""
    failures, sha256 = [], backbone.sha256
    for name, basis in catalog.bases.items():
        try:
            made_for = basis.backbone_sha256
        except RestorekitError as error:
            failures.append(Failure(catalog.owners[f"basis {name}"], f"basis {name!r}: {error}", name))
            continue
        if made_for != sha256:
            failures.append(
                Failure(
                    catalog.owners[f"basis {name}"],
                    f"its basis {name!r} is refused: made for a backbone {made_for[:12]}, "
                    f"{backbone.name} is {sha256[:12]}",
                    name,
                )
            )
    return tuple(failures)


def first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
