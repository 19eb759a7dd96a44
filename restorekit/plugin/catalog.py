"""From installed packages to a catalogue of what they bring. The one file that knows pluggy's manager.

Nothing is global: every call of `load_plugins` makes a new manager. The plugins that come with restorekit are
asked first, the others in the order of their names: nobody takes a first-party name. A plugin that cannot be
imported or used is left out and reported with the remedy; the others go on.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from restorekit.degradation import Degradation
from restorekit.errors import PluginError, WeightsError
from restorekit.model.basis import Basis
from restorekit.plugin.asking import Asking, key_of, missing_for
from restorekit.plugin.bundles import models_of
from restorekit.plugin.failures import ANY, BLOCK, Failure, first_line, said
from restorekit.plugin.hookspecs import GROUP, BackboneCard, Hooks, Method, ModelCard

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

CORE = "restorekit"  # the package whose plugins are first-party
T = TypeVar("T")


@dataclass(frozen=True)
class PluginInfo:
    """A plugin that loaded. distribution: the package that brings it."""

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...]


@dataclass(frozen=True)
class Plugins:
    """The manager of one `load_plugins` call with what loaded, what failed and what was blocked."""

    manager: pluggy.PluginManager
    loaded: tuple[PluginInfo, ...]
    failures: tuple[Failure, ...]
    blocked: tuple[str, ...]


@dataclass(frozen=True)
class Catalog:
    """Everything that plugins registered, seen from one model: `bases` are that model's.

    degradations, methods: by name.
    registered: bases by (model, name).
    models: by name, the default first.
    owners: the plugin that brought a thing, by `key_of`.
    strays: bases of models that are not installed, which nothing needs.
    chosen: name of the model that it is seen from; empty for the default.
    """

    degradations: Mapping[str, Degradation] = field(default_factory=dict)
    registered: Mapping[tuple[str, str], Basis] = field(default_factory=dict)
    models: Mapping[str, ModelCard] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    methods: Mapping[str, Method] = field(default_factory=dict)
    strays: tuple[Failure, ...] = ()
    chosen: str = ""

    @property
    def model(self) -> ModelCard:
        """The model that the catalogue is seen from."""
        if not self.chosen and not self.models:
            found = [str(failure) for failure in self.failures if failure.reason.startswith("register_models")]
            raise PluginError(
                f"no model is installed; {found[0] if found else '`restorekit plugins` tells what was left out'}"
            )
        return pick("model", self.chosen or next(iter(self.models)), self.models)

    def of_model(self, name: str = "") -> Catalog:
        """The same catalogue, seen from another model. name: empty for the one that it is seen from already."""
        if not name:
            return self
        return replace(self, chosen=pick("model", name, self.models).name)

    @cached_property
    def bases(self) -> Mapping[str, Basis]:
        """Bases of the model, by name."""
        chosen = self.chosen or next(iter(self.models), "")
        return {name: basis for (model, name), basis in self.registered.items() if model == chosen}

    def owner(self, kind: str, name: str) -> str:
        """Name of the plugin that brought a thing of this kind; a basis is the model's."""
        chosen = self.chosen or next(iter(self.models), "")
        return self.owners[key_of(kind, name, chosen)]

    def degradation(self, name: str) -> Degradation:
        """The degradation of that name; PluginError if there is none."""
        return pick("degradation", name, self.degradations)

    def basis(self, name: str) -> Basis:
        """The basis of that name, or a PluginError that says which there are, or whose it is."""
        if name not in self.bases:
            for stray in self.strays:
                if stray.basis == name:
                    raise PluginError(str(stray).removesuffix("."))
            others = [model for model, other in self.registered if other == name]
            if others:
                here, there = self.model.name, others[0]
                raise PluginError(f"no basis {name!r} of model {here!r}; {there} has one: add --model {there}")
        return pick("basis", name, self.bases)

    def method(self, name: str) -> Method:
        """The benchmark's method of that name; PluginError if there is none."""
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


def build_catalog(plugins: Plugins) -> Catalog:
    """Ask every plugin for its things. A name that is taken is refused to the second who asks for it."""
    asking = Asking([info.name for info in plugins.loaded], plugins.failures)
    hook: Any = plugins.manager.hook
    degradations = asking.named("degradation", hook.register_degradations, Degradation)  # type: ignore[type-abstract]
    models = asking.named("model", hook.register_models, ModelCard)
    known = {card.backbone.name: asking.owners[key_of("model", name)] for name, card in models.items()}
    for owner, backbone in asking.cards("backbone", hook.register_backbones, BackboneCard):
        if backbone.name in known:
            taken = f"its backbone {backbone.name!r} is refused: {known[backbone.name]} brings one already"
            asking.failures.append(Failure(owner, taken))
            continue
        try:
            asking.keep(models, "model", owner, ModelCard.of_backbone(backbone))
        except WeightsError as error:  # there is no shipped encoder
            asking.failures.append(Failure(owner, f"its backbone {backbone.name!r} is refused: {error}"))
    registered, strays = ask_for_bases(asking, hook.register_bases, degradations, models)
    methods = asking.named("method", hook.register_methods, Method)
    return Catalog(degradations, registered, models, asking.owners, tuple(asking.failures), methods, strays)


def ask_for_bases(
    asking: Asking,
    hook: pluggy.HookCaller,
    degradations: Mapping[str, Degradation],
    models: Mapping[str, ModelCard],
) -> tuple[dict[tuple[str, str], Basis], tuple[Failure, ...]]:
    """Ask for bases: those of the models there are, by model and name, and a line for each of the others."""
    registered: dict[tuple[str, str], Basis] = {}
    strays = []
    for owner, basis in asking.cards("basis", hook, Basis):
        if basis.degradation and basis.degradation not in degradations:
            nobody = f"nobody registers the degradation {basis.degradation!r}"
            refused = f"its basis {basis.name!r} is refused: {nobody}"
            asking.failures.append(Failure(owner, refused, basis.name, model=basis.model))
            continue
        homes = models_of(basis, models)
        for model in homes:
            asking.keep(registered, "basis", owner, basis, model)
        if not homes:
            strays.append(stray(owner, basis))
    return registered, tuple(strays)


def stray(owner: str, basis: Basis) -> Failure:
    """A line on a basis whose model is not installed."""
    model = repr(basis.model) if basis.model else f"with the backbone {basis.backbone_sha256[:12]}"
    wanted = basis.degradation or basis.name
    return Failure(
        owner,
        f"its basis {basis.name!r} is for a model {model}, which is not installed",
        basis.name,
        f"Install the package that brings that model, or one of the basis for yours (`restorekit train basis "
        f"{wanted}` makes it).",
    )


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
