"""From installed packages to a catalogue of what they bring. The one file that knows pluggy's manager.

Nothing is global: every call of `load_plugins` makes a new manager. The plugins that come with restorekit are
asked first, the others in the order of their names: nobody takes a first-party name. A plugin that cannot be
imported or used is left out and reported with the remedy; the others go on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from restorekit.degradation import Degradation
from restorekit.errors import MixingError, PluginError, WeightsError, not_mixed, unknown_name
from restorekit.model.basis import Basis
from restorekit.plugin.asking import Asking, key_of
from restorekit.plugin.bundles import is_look, models_of
from restorekit.plugin.failures import ANY, BLOCK, Failure, first_line, said
from restorekit.plugin.hookspecs import GROUP, BackboneCard, Hooks, Method, ModelCard
from restorekit.plugin.installed import (
    Blocking,
    PluginInfo,
    Plugins,
    core_first,
    forgotten,
    interface_fault,
    package_of,
    wants_newer,
)
from restorekit.weighing.control import Preset

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
    "found_plugins",
    "load_plugins",
    "pick",
    "register_commands",
    "said",
]

SEAM = "restorekit.plugin"  # the module that plugins import from
T = TypeVar("T")


@dataclass(frozen=True)
class Catalog:
    """Everything that plugins registered, seen from one model: `bases` and `looks` are that model's.

    degradations, methods, presets: by name.
    registered: bases by (model, name).
    models: by name, the default first.
    owners: the plugin that brought a thing, by `key_of`.
    strays: bases of models that are not installed, which nothing needs.
    chosen: name of the model that it is seen from; empty for the default.
    protocols, datasets: folders of protocol files, catalogues of data sets, each with the plugin that brought it.
    """

    degradations: Mapping[str, Degradation] = field(default_factory=dict)
    registered: Mapping[tuple[str, str], Basis] = field(default_factory=dict)
    models: Mapping[str, ModelCard] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    methods: Mapping[str, Method] = field(default_factory=dict)
    strays: tuple[Failure, ...] = ()
    chosen: str = ""
    protocols: tuple[tuple[str, Path], ...] = ()
    presets: Mapping[str, Preset] = field(default_factory=dict)
    datasets: tuple[tuple[str, Path], ...] = ()

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
    def cards(self) -> Mapping[str, Basis]:
        """Bases and looks of the model, by name."""
        chosen = self.chosen or next(iter(self.models), "")
        return {name: basis for (model, name), basis in self.registered.items() if model == chosen}

    @cached_property
    def looks(self) -> Mapping[str, Basis]:
        """Looks of the model, by name, the default first: bases whose files say that they are a flow."""
        return {name: basis for name, basis in self.cards.items() if is_look(basis)}

    @cached_property
    def bases(self) -> Mapping[str, Basis]:
        """Bases of the model's mixture, by name."""
        return {name: basis for name, basis in self.cards.items() if name not in self.looks}

    def owner(self, kind: str, name: str) -> str:
        """Name of the plugin that brought a thing of this kind; a basis is the model's."""
        chosen = self.chosen or next(iter(self.models), "")
        return self.owners[key_of(kind, name, chosen)]

    def degradation(self, name: str) -> Degradation:
        """The degradation of that name; PluginError if there is none."""
        return pick("degradation", name, self.degradations)

    def basis(self, name: str) -> Basis:
        """The basis of that name in the mixture, or a PluginError that says which there are, or whose it is;
        MixingError for a look."""
        if name in self.looks:
            raise MixingError(not_mixed(name))
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
        raise PluginError(unknown_name(kind, repr(name), things))
    return things[name]


def found_plugins() -> list[EntryPoint]:
    """Entry points of all installed plugins, the first-party ones first."""
    return sorted(entry_points(group=GROUP), key=core_first)


def load_plugins(found: Iterable[EntryPoint] | None = None) -> Plugins:
    """Load every installed plugin. found: entry points to use in place of the installed ones."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(Hooks)
    entries = found_plugins() if found is None else sorted(found, key=core_first)
    blocking = Blocking.from_environment()
    loaded: dict[str, PluginInfo] = {}
    failures = [*blocking.unknown(entries)]
    skipped: list[str] = []
    for entry in entries:
        name, package = entry.name, package_of(entry)
        if blocking.holds(entry):
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
        begun = time.perf_counter()
        try:
            plugin = entry.load()
            took = 1000 * (time.perf_counter() - begun)
            if unfit := interface_fault(name, plugin):
                failures.append(unfit)
                continue
            manager.register(plugin, name)
            manager.check_pending()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # what a stranger's import raises, sys.exit too, must not stop the others
            if manager.has_plugin(name):
                manager.unregister(name=name)
            lacks = isinstance(error, ImportError) and error.name == SEAM  # a name that this version has not
            failures.append(wants_newer(name, first_line(error)) if lacks else Failure(name, said(error), ANY))
            continue
        hooks = tuple(sorted(caller.name for caller in manager.get_hookcallers(plugin) or []))
        version = entry.dist.version if entry.dist else ""
        loaded[name] = PluginInfo(name, package, version, hooks, took)
        failures.extend(forgotten(name, plugin, hooks))
    return Plugins(manager, tuple(loaded.values()), tuple(failures), tuple(skipped))


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
    protocols = asking.paths("protocols", hook.register_protocols)
    datasets = asking.paths("data sets", hook.register_datasets)
    presets = asking.named("preset", hook.register_presets, Preset)
    failures = tuple(asking.failures)
    return Catalog(
        degradations,
        registered,
        models,
        asking.owners,
        failures,
        methods,
        strays,
        protocols=protocols,
        presets=presets,
        datasets=datasets,
    )


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
