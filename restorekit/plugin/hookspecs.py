"""The hooks. A plugin implements any of them; each returns plain cards that load no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from restorekit.weights import BACKBONE_TENSORS, recorded_sums

if TYPE_CHECKING:
    import typer

    from restorekit.basis import Basis
    from restorekit.degradation import Degradation

__all__ = ["GROUP", "BackboneCard", "Hooks", "Method", "hookimpl"]

GROUP = "restorekit"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@dataclass(frozen=True)
class BackboneCard:
    """A backbone that can be loaded.

    name: what users type.
    architecture: "module:Class" with a `from_folder(path)` class method whose result fulfils
        `restorekit.backbone.Backbone`.
    folder: its `config.json` and `diffusion_pytorch_model.safetensors`.
    """

    name: str
    architecture: str
    folder: Path
    summary: str = ""

    @property
    def sha256(self) -> str:
        """Recorded digest of the tensors: what a basis names as its backbone. WeightsError without a record."""
        return recorded_sums(self.folder).get(BACKBONE_TENSORS, "")


@dataclass(frozen=True)
class Method:
    """A restorer that the benchmark can run.

    name: what users type.
    factory: "module:callable" that makes a `restorekit.bench.methods.BenchMethod`.
    takes: if not empty ("PATH"), users type NAME:PATH and the callable gets what follows the colon.
    degradations: what it removes; empty means anything.
    scales: of super-resolution, if it does only some.
    needs: modules that must be importable, from the packages in `install`.
    oracle: what it is told that nobody knows of a real photograph; empty for an honest method.
    """

    name: str
    summary: str
    licence: str
    factory: str
    takes: str = ""
    degradations: tuple[str, ...] = ()
    scales: tuple[int, ...] = ()
    needs: tuple[str, ...] = ()
    install: str = ""
    oracle: str = ""


class Hooks:
    """The seam between the core and everything that can be added to it."""

    @hookspec
    def register_degradations(self) -> Iterable[Degradation]:  # type: ignore[empty-body]
        """Kinds of degradation: how a picture is made worse, and the scale of its severity."""

    @hookspec
    def register_bases(self) -> Iterable[Basis]:  # type: ignore[empty-body]
        """Basis LoRAs: what removes one degradation."""

    @hookspec
    def register_backbones(self) -> Iterable[BackboneCard]:  # type: ignore[empty-body]
        """Backbones that bases are merged into."""

    @hookspec
    def register_methods(self) -> Iterable[Method]:  # type: ignore[empty-body]
        """Other restorers, for the benchmark."""

    @hookspec
    def register_commands(self, app: typer.Typer) -> None:
        """Commands for the `restorekit` command line; add them to `app`."""
