"""Loose bases: a LoRA without a package, from a folder or an address that a user names.

    --basis haze/                            a folder that `restorekit train basis` wrote: its name is the folder's
    --basis fog=haze/                        under another name
    --basis https://host/haze.zip#sha256=... fetched once, then found in the cache

Its degradation is the one that `basis.json` names, if some plugin registers it; else it has no key, and its weight
is 0 until the user sets it. So it is with an adapter that peft wrote, which has no `basis.json`. A look stays one.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from restorekit.cache import CACHE, cache_folder, kept
from restorekit.errors import PluginError, WeightsError
from restorekit.model.adapter import ADAPTER, CONFIG
from restorekit.model.basis import RECORD, Basis
from restorekit.model.weights import save_json, write_sums
from restorekit.plugin.asking import key_of
from restorekit.plugin.catalog import Catalog
from restorekit.remote import Remote, fetch, is_address

if TYPE_CHECKING:
    from restorekit.model.key import BasisKey

__all__ = ["LOOSE", "LooseBasis", "absolute", "with_bases"]

LOOSE = "--basis"  # the owner of a loose basis in a catalogue
NAME = re.compile(r"\w[\w.-]*")
NAMED = re.compile(rf"({NAME.pattern})=(.+)", re.DOTALL)


@dataclass(frozen=True)
class LooseBasis(Basis):
    """A basis that the user brings. Without a degradation that somebody registers its key is not read."""

    def check(self) -> None:
        """Raise WeightsError unless every file is there and whole. Needs no torch."""
        self.check_files()

    def key(self, lengths: Sequence[int] = ()) -> BasisKey | None:
        """Key, bias and gauge, as in `Basis.key`; None without a degradation."""
        return super().key(lengths) if self.degradation else None


def with_bases(
    catalog: Catalog, given: Iterable[str | Path], fetching: Callable[[Remote], Path] = fetch
) -> Catalog:
    """The same catalogue with loose bases beside its model's.

    given: a folder, NAME=FOLDER, or an address with its sha256, each.
    fetching: gets the files of an address.
    Raises PluginError for a name that is taken or no name, WeightsError for files that are not whole or not made
    for the model.
    """
    words = [*map(str, given)]
    for remote in catalog.model.remotes if words else ():
        fetching(remote)
    for text in words:
        basis, model = loose(catalog, text, fetching), catalog.model.name
        if basis.name in catalog.cards:
            raise PluginError(
                f"{LOOSE} {text}: the name {basis.name!r} is taken by {catalog.owner('basis', basis.name)}; "
                f"give another one: {LOOSE} NAME={place_of(text)}"
            )
        catalog = replace(
            catalog,
            registered={**catalog.registered, (model, basis.name): basis},
            owners={**catalog.owners, key_of("basis", basis.name, model): LOOSE},
        )
    return catalog


def place_of(text: str) -> str:
    """The folder or address in the words of a user, without the name before it."""
    named = NAMED.fullmatch(text)
    return text if named is None or os.path.isdir(text) else named[2]


def absolute(text: str) -> str:
    """The same words of a user with a folder's whole path, for a process that works elsewhere."""
    place = place_of(text)
    if is_address(place):
        return text
    folder = Path(place).absolute()
    return f"{text[: len(text) - len(place)] or f'{folder.name}='}{folder}"


def loose(catalog: Catalog, text: str, fetching: Callable[[Remote], Path]) -> LooseBasis:
    """The basis that a user names in words, looked at as far as that needs no torch."""
    place = place_of(text)
    named = text[: len(text) - len(place)].rstrip("=")
    if is_address(place):
        remote = Remote.parse(place)
        name, folder = named or remote.name, fetching(remote)
    else:
        folder = Path(place)
        name = named or folder.absolute().name
    if not os.path.isdir(folder):  # which says no to a name that is too long
        raise WeightsError(
            f"{LOOSE} {text}: there is no folder {folder}; check the spelling and the working folder"
        )
    if not NAME.fullmatch(name):
        raise PluginError(f"{LOOSE} {text}: {name!r} is no name that can be typed; give one: {LOOSE} NAME={place}")
    backbone = catalog.model.backbone.sha256
    if not os.path.exists(folder / RECORD):
        folder = adopted(folder, backbone)
    basis = LooseBasis(name, "", folder, f"from {place}")
    removes = basis.record.get("degradation", "")
    if isinstance(removes, str) and removes in catalog.degradations:
        basis = LooseBasis(name, removes, folder, f"from {place}")
    if basis.backbone_sha256 != backbone:
        raise WeightsError(
            f"{LOOSE} {text}: it is made for a backbone {basis.backbone_sha256[:12]}, that of model "
            f"{catalog.model.name!r} is {backbone[:12]}; `restorekit train basis --again {place}` makes one for it"
        )
    basis.check()
    return basis


def adopted(folder: Path, backbone_sha256: str) -> Path:
    """A folder of the cache with an adapter that peft wrote and the records that a basis has. Nothing is written
    beside the adapter itself.

    backbone_sha256: digest of the model for which it is taken; whether its shapes fit is seen when it is loaded.
    """
    try:
        files = {name: (folder / name).read_bytes() for name in (CONFIG, ADAPTER)}
    except OSError as error:
        raise WeightsError(
            f"{folder} holds neither {RECORD} nor a whole adapter ({error.strerror}: {error.filename}); "
            f"give a folder that `restorekit train basis` or peft wrote, with {ADAPTER}"
        ) from error
    digest = hashlib.sha256(backbone_sha256.encode())
    for data in files.values():
        digest.update(hashlib.sha256(data).digest())

    def fill(place: Path) -> None:
        for name, data in files.items():
            (place / name).write_bytes(data)
        save_json(place / RECORD, {"backbone_sha256": backbone_sha256, "degradation": ""})
        write_sums(place)

    try:
        return kept(cache_folder() / "adopted" / digest.hexdigest(), fill)
    except OSError as error:
        raise WeightsError(
            f"{folder} cannot be taken over into {cache_folder()} ({error.strerror or error}); "
            f"set {CACHE} to a folder with room"
        ) from error
