"""Requests: everything that a run is asked for, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from restorekit.errors import RestorekitError
from restorekit.weighing.control import Wish
from restorekit.work.companions import Companions

__all__ = ["LOCAL", "Cluster", "Options", "Request"]

LOCAL = "local"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Wishes that hold for all pictures of a run.

    model, device, precision: as in `Restorer.from_pretrained`.
    seed: of the look's noise, 0 by default, and of backbones that draw random numbers.
    bases: further bases without a package: folders, NAME=FOLDER or addresses (`restorekit.plugin.loose`).
    offline: never touch the network; what lies at an address has to be in the cache.
    chosen: weights of bases, in place of the encoder's.
    blind: whether the encoder is asked.
    wish: what to change of the weights that come of it.
    masks: files of masks, by name of the basis, empty for the mask of all.
    scale, steps, tile, ensemble, guidance, look: as in `Restorer.restore`.
    overwrite: replace outputs that exist.
    quality: 1 to 100, of formats that lose something; None is the source's own.
    strip: leave EXIF, XMP, IPTC and text out of the output.
    salvage: take what can be read of damaged files.
    report: places of a page about each picture; None for none.
    command: words that the user typed, for that page.
    """

    model: str = ""
    device: str = "auto"
    precision: str = "auto"
    bases: tuple[str, ...] = ()
    offline: bool = False
    seed: int | None = None
    chosen: Mapping[str, float] = field(default_factory=dict)
    blind: bool = True
    wish: Wish = field(default_factory=Wish)
    masks: Mapping[str, str] = field(default_factory=dict)
    scale: int = 1
    steps: int | None = None
    tile: int | None = None
    ensemble: bool = False
    guidance: float = 1.0
    look: float | Mapping[str, float] = 0.0
    overwrite: bool = False
    quality: int | None = None
    strip: bool = False
    salvage: bool = False
    report: Companions | None = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster.

    address: HOST:PORT, "auto" for the one on this machine, or "local" for one of our own.
    workers: number of restorers; None is one for each GPU, or else for every two processors.
    """

    address: str = LOCAL
    workers: int | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """Files to restore.

    inputs: files, folders and patterns, or "-" for standard input.
    out: a file for one input, else a folder, or "-"; None is NAME.restored.EXT beside the input.
    options: wishes for each of the pictures.
    recursive: take folders with all that is below them, mirrored below out.
    skip_existing: pass over inputs whose output is there.
    watch: stay, and restore what is put into the folders, until KeyboardInterrupt.
    examples: files before and after, which show what to do to the pictures.
    recipe: file of weights that were found by example; None for none.
    save_recipe: file for the weights that the examples show; None for none.
    manifest: file to which a line of JSON is added for each picture.
    cluster: a Ray cluster to work on; None is this process.
    """

    inputs: tuple[str, ...]
    out: str | None = None
    options: Options = field(default_factory=Options)
    recursive: bool = False
    skip_existing: bool = False
    watch: bool = False
    examples: tuple[tuple[str, str], ...] = ()
    recipe: Path | None = None
    save_recipe: Path | None = None
    manifest: Path | None = None
    cluster: Cluster | None = None

    def __post_init__(self) -> None:
        if self.options.overwrite and (self.skip_existing or self.watch):
            raise RestorekitError("--overwrite and --skip-existing or --watch contradict each other; choose one")
        if self.examples and self.recipe is not None:
            raise RestorekitError("--example and --recipe both say what to do; choose one")
        if self.save_recipe is not None and not self.examples:
            raise RestorekitError("--save-recipe keeps what an example shows; add --example BEFORE AFTER")
