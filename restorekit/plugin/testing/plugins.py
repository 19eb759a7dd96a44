"""Laws of an installed plugin: it loads quickly and without torch, brings what it promises, and may be used."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from restorekit.bench.datasets import brought_datasets
from restorekit.bench.protocol_files import brought_protocols
from restorekit.degradation import Degradation
from restorekit.model.basis import Basis
from restorekit.model.weights import recorded_sums, verify
from restorekit.plugin.catalog import (
    Catalog,
    build_catalog,
    found_plugins,
    load_plugins,
    pick,
    register_commands,
)
from restorekit.plugin.hookspecs import ModelCard
from restorekit.plugin.installed import CORE, PluginInfo, Plugins, core_first
from restorekit.plugin.testing.report import Broken, Rule

__all__ = ["PLUGIN_RULES", "Bringing"]

HEAVY = ("torch", "torchvision", "diffusers", "peft", "transformers", "kornia", "cv2", "scipy", "skimage", "PIL")
LONGEST = 120  # seconds for an import
LICENCE = re.compile(r"(?im)^[\W_]*licen[cs]e\b")
IMPORTING = """
import json, sys, time
from importlib import import_module
import restorekit.plugin
heavy, module = json.loads(sys.argv[1]), sys.argv[2]
begun = time.perf_counter()
plugin = import_module(module)
spent = time.perf_counter() - begun
imported = [name for name in heavy if name in sys.modules]
for hook in ("degradations", "bases", "models", "backbones", "methods", "protocols", "datasets"):
    for card in getattr(plugin, f"register_{hook}", list)():
        repr(card)
asked = [name for name in heavy if name in sys.modules and name not in imported]
print("FOUND", json.dumps({"ms": 1000 * spent, "imported": imported, "asked": asked}))
"""


@dataclass(frozen=True)
class Bringing:
    """A plugin under test, and all that is installed beside it."""

    name: str
    entry: EntryPoint
    plugins: Plugins
    catalog: Catalog

    @classmethod
    def installed(cls, name: str, found: Iterable[EntryPoint] | None = None) -> Bringing:
        """The installed plugin of a name; PluginError that lists them. found: as in `load_plugins`."""
        entries = found_plugins() if found is None else sorted(found, key=core_first)
        entry = pick("plugin", name, {entry.name: entry for entry in reversed(entries)})
        plugins = load_plugins(entries)
        return cls(name, entry, plugins, build_catalog(plugins))

    @property
    def info(self) -> PluginInfo:
        return next(info for info in self.plugins.loaded if info.name == self.name)

    @property
    def module(self) -> str:
        return self.entry.value.partition(":")[0].strip()

    def degradations(self) -> Iterator[Degradation]:
        """Its degradations."""
        for name, degradation in self.catalog.degradations.items():
            if self.catalog.owners[f"degradation {name}"] == self.name:
                yield degradation

    def bases(self) -> Iterator[tuple[str, Basis]]:
        """Its bases, each with the model that it is for."""
        for (model, name), basis in self.catalog.registered.items():
            if self.catalog.owners[f"basis {model}/{name}"] == self.name:
                yield model, basis

    def models(self) -> Iterator[ModelCard]:
        """Its models, those of backbones alone too."""
        for name, card in self.catalog.models.items():
            if self.catalog.owners[f"model {name}"] == self.name:
                yield card

    def folders(self) -> Iterator[Path]:
        """Folders of weights that it brings."""
        yield from (basis.folder for _, basis in self.bases())
        for card in self.models():
            yield card.backbone.folder


def is_loaded(its: Bringing) -> str:
    """Look for it among what loaded."""
    if its.name not in {info.name for info in its.plugins.loaded}:
        if its.name in its.plugins.blocked:
            raise Broken("it is blocked")
        reasons = [failure.reason for failure in its.plugins.failures if failure.plugin == its.name]
        raise Broken(reasons[0] if reasons else "it was not found")
    return f"{its.info.distribution} {its.info.version}".strip()


def is_taken(its: Bringing) -> str:
    """Look for what was refused of it."""
    if refused := [f.reason for f in (*its.plugins.failures, *its.catalog.failures) if f.plugin == its.name]:
        raise Broken("; ".join(dict.fromkeys(refused)))
    return ", ".join(hook.removeprefix("register_") for hook in its.info.hooks)


def imports_nothing_heavy(its: Bringing) -> str:
    """Import it in a new process, and read its cards there."""
    command = [sys.executable, "-c", IMPORTING, json.dumps(HEAVY), its.module]
    path = os.pathsep.join(dict.fromkeys(p or os.getcwd() for p in sys.path))
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LONGEST, env=os.environ | {"PYTHONPATH": path}
        )
    except subprocess.TimeoutExpired:
        raise Broken(f"its import takes more than {LONGEST} s") from None
    _, found, answer = done.stdout.rpartition("FOUND ")
    if not found:
        raise Broken(((done.stderr or done.stdout).strip() or f"exit code {done.returncode}").splitlines()[-1])
    record = json.loads(answer)
    took = f"{record['ms']:.0f} ms"
    if record["imported"]:
        raise Broken(f"its import loads {', '.join(record['imported'])} ({took})")
    if record["asked"]:
        raise Broken(f"making its cards loads {', '.join(record['asked'])}")
    return took


def data_are_in_place(its: Bringing) -> str:
    """Look for the files of weights in the package."""
    package = import_module(its.module.partition(".")[0])
    roots = [Path(root).resolve() for root in getattr(package, "__path__", [])]
    count = 0
    for folder in its.folders():
        inside = any(folder.resolve().is_relative_to(root) for root in roots)
        if not inside and its.info.distribution != CORE:  # whose weights lie beside it in a checkout
            raise Broken(f"{folder} is outside of the package {package.__name__}")
        for name in recorded_sums(folder):
            verify(folder / name)
            count += 1
    return f"{count} files"


def licence_is_known(its: Bringing) -> str:
    """Look into the package's metadata, the models' cards, and the model cards beside weights."""
    metadata = getattr(its.entry.dist, "metadata", None)
    classifiers = [] if metadata is None else metadata.get_all("Classifier") or []
    words = [] if metadata is None else [metadata.get("License-Expression"), metadata.get("License")]
    words += [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License :: ")]
    known = [word for word in words if word and word != "UNKNOWN"]
    if not known:
        raise Broken("the package's metadata name no licence")
    for card in its.models():
        if not card.licence and not states_licence(card.backbone.folder):
            raise Broken(f"model {card.name!r} names no licence")
    for _, basis in its.bases():
        if not states_licence(basis.folder):
            raise Broken(f"{basis.folder / 'README.md'} names no licence of the weights")
    return known[0].splitlines()[0]


def states_licence(folder: Path) -> bool:
    """Tell whether a folder's model card has a line on the licence."""
    card = folder / "README.md"
    return card.is_file() and bool(LICENCE.search(card.read_text(encoding="utf-8", errors="replace")))


def methods_are_there(its: Bringing) -> str:
    """Import the factories of its methods, where what they need is installed."""
    names = []
    for name, method in its.catalog.methods.items():
        if its.catalog.owners[f"method {name}"] != its.name:
            continue
        if all(find_spec(need) for need in method.needs):
            module, _, factory = method.factory.partition(":")
            if not callable(getattr(import_module(module), factory, None)):
                raise Broken(f"method {name!r} has no {method.factory}")
            names.append(name)
    return f"{len(names)} methods" if names else "no methods"


def protocols_are_read(its: Bringing) -> str:
    """Read its protocols and data sets beside those of others."""
    mine = [path for owner, path in (*its.catalog.protocols, *its.catalog.datasets) if owner == its.name]
    datasets, without = brought_datasets(its.catalog)
    _, refused = brought_protocols(its.catalog, datasets)
    if wrong := [f.reason for f in (*without, *refused) if f.plugin == its.name]:
        raise Broken("; ".join(wrong))
    return ", ".join(path.name for path in mine) or "none"


def commands_can_be_added(its: Bringing) -> str:
    """Add its commands to an app of their own."""
    if "register_commands" not in its.info.hooks:
        return "no commands"
    import typer

    app = typer.Typer()
    if failed := [f.reason for f in register_commands(its.plugins, app) if f.plugin == its.name]:
        raise Broken(failed[0])
    return ""


PLUGIN_RULES: tuple[Rule[Bringing], ...] = (
    Rule(
        "it loads",
        is_loaded,
        "Correct its import or the entry point in pyproject.toml, and install it again.",
        gate=True,
    ),
    Rule("everything that it brings is taken", is_taken, "Correct the hook or the card that is named."),
    Rule(
        "its import and its cards load nothing heavy",
        imports_nothing_heavy,
        "Import torch and the like inside make, apply and from_folder.",
    ),
    Rule(
        "its files are in the package",
        data_are_in_place,
        "Put the folder into the package, and name it as package data where the build backend asks for that.",
    ),
    Rule(
        "its licence is known",
        licence_is_known,
        'Write license = "..." into pyproject.toml, and a line "license: ..." into the README.md beside weights.',
    ),
    Rule("its methods can be made", methods_are_there, 'Correct factory, "module:callable", or list its needs.'),
    Rule(
        "its protocols and data sets can be read",
        protocols_are_read,
        "Correct the file that is named, as benchmarks/protocols and benchmarks/datasets.toml are.",
    ),
    Rule("its commands can be added", commands_can_be_added, "Correct register_commands."),
)
