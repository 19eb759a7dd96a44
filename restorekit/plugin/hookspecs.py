"""The hooks. A plugin implements any of them; each returns plain cards that load no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from restorekit.model.weights import ENCODER_TENSORS, digest_of_weights, recorded_sums, shipped_weights
from restorekit.remote import Remote

if TYPE_CHECKING:
    import typer

    from restorekit.degradation import Degradation
    from restorekit.model.basis import Basis
    from restorekit.weighing.control import Preset

__all__ = [
    "GROUP",
    "INTERFACE",
    "WANTED",
    "BackboneCard",
    "Hooks",
    "Method",
    "ModelCard",
    "hookimpl",
    "hookspec",
]

GROUP = "restorekit"
INTERFACE = 2  # version of all that plugins may rely on: the names in restorekit.plugin, the hooks, the cards
WANTED = "restorekit_interface"  # by which a plugin's module says which version it needs
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@dataclass(frozen=True)
class BackboneCard:
    """A backbone that can be loaded.

    name: of the network, for people.
    architecture: "module:Class" with a `from_folder(path)` class method whose result fulfils
        `restorekit.model.backbone.Backbone`.
    folder: its `config.json` and `diffusion_pytorch_model.safetensors`, or several files of tensors.
    summary: a line about it.
    remote: address of its files, in place of a folder; they are fetched when the model is loaded.
    """

    name: str
    architecture: str
    folder: Path = Path()
    summary: str = ""
    remote: Remote | None = None

    def __post_init__(self) -> None:
        if self.remote is not None:
            object.__setattr__(self, "folder", self.remote.folder)

    @property
    def sha256(self) -> str:
        """Recorded digest of the tensors, by which a basis names its backbone. WeightsError without a record."""
        return digest_of_weights(self.folder)


@dataclass(frozen=True)
class ModelCard:
    """A model: a backbone, the encoder that looks at pictures for it, and the bases that name the digests of both.

    name: as users type it behind `--model`.
    backbone: the network that the bases are merged into.
    encoder: folder with the encoder's `config.json` and `model.safetensors`.
    summary: a line about it.
    licence: of the weights.
    remote: address of the encoder's files, in place of a folder; see `BackboneCard`. Bases of a model that is not
        in the package name it in their cards, since nothing is fetched to read digests.
    """

    name: str
    backbone: BackboneCard
    encoder: Path = Path()
    summary: str = ""
    licence: str = ""
    remote: Remote | None = None

    def __post_init__(self) -> None:
        if self.remote is not None:
            object.__setattr__(self, "encoder", self.remote.folder)

    @property
    def remotes(self) -> tuple[Remote, ...]:
        """Addresses that its files are fetched from."""
        return tuple(remote for remote in (self.backbone.remote, self.remote) if remote is not None)

    @classmethod
    def of_backbone(cls, backbone: BackboneCard) -> ModelCard:
        """Make a model of a backbone that comes alone: with the shipped encoder, under the backbone's name."""
        return cls(backbone.name, backbone, shipped_weights("encoder"), backbone.summary)

    @property
    def encoder_sha256(self) -> str:
        """Recorded digest of the encoder, by which a basis names what its key reads. WeightsError without a
        record."""
        return recorded_sums(self.encoder).get(ENCODER_TENSORS, "")

    @property
    def sums(self) -> dict[str, str]:
        """Recorded sha256 of the files of backbone and encoder, by "backbone/FILE" and "encoder/FILE"."""
        parts = {"backbone": self.backbone.folder, "encoder": self.encoder}
        return {
            f"{part}/{file}": sha256 for part, at in parts.items() for file, sha256 in recorded_sums(at).items()
        }


@dataclass(frozen=True)
class Method:
    """A restorer that the benchmark can run.

    name: as users type it.
    factory: "module:callable" that makes a `restorekit.bench.methods.BenchMethod`.
    takes: "PATH" or the like where users type NAME:PATH, and the callable gets the text behind the colon.
    degradations: those that it removes; empty means anything.
    scales: of super-resolution, if it does only some.
    needs: modules that must be importable, from the packages in `install`.
    oracle: a fact that it is told and that nobody knows of a real photograph; empty for an honest method.
    of_model: it runs one of the installed models, which users name by NAME@MODEL: the instance has a `model`.
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
    of_model: bool = False


class Hooks:
    """The seam between the core and everything that can be added to it."""

    @hookspec
    def register_degradations(self) -> Iterable[Degradation]:  # type: ignore[empty-body]
        """Kinds of degradation: how a picture is made worse, and the scale of its severity."""

    @hookspec
    def register_bases(self) -> Iterable[Basis]:  # type: ignore[empty-body]
        """Basis LoRAs, each of which removes one degradation."""

    @hookspec
    def register_models(self) -> Iterable[ModelCard]:  # type: ignore[empty-body]
        """Models: backbones with their encoders; bases come by `register_bases`."""

    @hookspec
    def register_backbones(self) -> Iterable[BackboneCard]:  # type: ignore[empty-body]
        """Backbones alone: each becomes a model of its name, with the shipped encoder."""

    @hookspec
    def register_methods(self) -> Iterable[Method]:  # type: ignore[empty-body]
        """Other restorers, for the benchmark."""

    @hookspec
    def register_protocols(self) -> Iterable[Path]:  # type: ignore[empty-body]
        """Folders of protocol files (`*.toml`), for the benchmark."""

    @hookspec
    def register_datasets(self) -> Iterable[Path]:  # type: ignore[empty-body]
        """Catalogues of data sets (`datasets.toml`), for the benchmark."""

    @hookspec
    def register_presets(self) -> Iterable[Preset]:  # type: ignore[empty-body]
        """Words for what stays in a picture, behind `--keep`."""

    @hookspec
    def register_commands(self, app: typer.Typer) -> None:
        """Commands for the `restorekit` command line; add them to `app`."""
