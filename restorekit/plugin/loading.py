"""From the catalogue to bases that can be merged: each looked at in full, so that one that is broken costs only
itself, and one line that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from restorekit.errors import RestorekitError, WeightsError
from restorekit.model.basis import KEY, Basis
from restorekit.model.weights import recorded_sums
from restorekit.plugin.catalog import Catalog
from restorekit.plugin.failures import Failure, said
from restorekit.plugin.hookspecs import ModelCard
from restorekit.plugin.loose import LOOSE
from restorekit.remote import Remote, fetch

if TYPE_CHECKING:
    from restorekit.model.amount import Judge
    from restorekit.model.basis import LoraLayer
    from restorekit.model.flow import LookFlow
    from restorekit.model.key import BasisKey

__all__ = ["LoadedBases", "LoadedLook", "load_bases", "unusable_bases"]

T = TypeVar("T")


@dataclass(frozen=True)
class LoadedLook:
    """A look that fits a model.

    layers: of its basis, by layer.
    flow: what its files say of it.
    sums: recorded sha256 of its files, by "look NAME/FILE".
    """

    layers: Mapping[str, LoraLayer]
    flow: LookFlow
    sums: Mapping[str, str]


@dataclass(frozen=True)
class LoadedBases:
    """Bases that fit a model.

    layers: of each basis, by layer.
    keys: of those that have one.
    failures: a line for each that was left out, or whose key was.
    sums: recorded sha256 of the files of each that was loaded, by "basis NAME/FILE".
    looks: by name, the default first; they are none of the bases above.
    judges: read-outs of what bases change, of those that bring one beside their key.
    """

    layers: Mapping[str, Mapping[str, LoraLayer]]
    keys: Mapping[str, BasisKey]
    failures: tuple[Failure, ...] = ()
    sums: Mapping[str, str] = field(default_factory=dict)
    looks: Mapping[str, LoadedLook] = field(default_factory=dict)
    judges: Mapping[str, Judge] = field(default_factory=dict)


def unusable_bases(catalog: Catalog) -> tuple[Failure, ...]:
    """Bases of the catalogue's model that are made for other weights than its own, wholly or in their keys, or
    whose files are not whole. Needs no torch, and fetches nothing."""
    model = catalog.model
    if not all(remote.there for remote in model.remotes):
        return ()  # nothing is fetched to be listed
    backbone, encoder = model.backbone.sha256, model.encoder_sha256
    failures: list[Failure] = []
    for name, basis in catalog.cards.items():
        if basis.remote is not None and not basis.remote.there:
            continue  # nothing is fetched to be listed
        outcome = attempt(catalog, name, lambda b: check(b, model.name, backbone))
        if isinstance(outcome, Failure):
            failures.append(outcome)
        elif (basis.folder / KEY).exists():
            failures += foreign_key(catalog, name, encoder)
    return tuple(failures)


def load_bases(
    catalog: Catalog,
    model: ModelCard,
    shapes: Mapping[str, Sequence[int]],
    lengths: Sequence[int],
    fetching: Callable[[Remote], Path] = fetch,
) -> LoadedBases:
    """Load every basis and look of the catalogue that fits a model. A key that was fitted to another encoder is
    left out, and its basis is then at the user's command only.

    model: backbone and encoder, whose digests the bases have to name.
    shapes: of the weights of the backbone's layers, by name.
    lengths: of the encoder's query, without and with the picture's statistics.
    fetching: gets the files of those that lie at an address.
    Raises WeightsError for a basis that the user brings (`restorekit.plugin.loose`) and that cannot be loaded.
    """
    backbone, encoder = model.backbone.sha256, model.encoder_sha256
    layers: dict[str, Mapping[str, LoraLayer]] = {}
    keys: dict[str, BasisKey] = {}
    failures: list[Failure] = []
    sums: dict[str, str] = {}
    looks: dict[str, LoadedLook] = {}
    judges: dict[str, Judge] = {}

    def load(basis: Basis) -> tuple[Mapping[str, LoraLayer], BasisKey | None, Judge | None, Mapping[str, str]]:
        if basis.remote is not None:
            fetching(basis.remote)
        check(basis, model.name, backbone)
        return basis.layers_for(shapes), basis.key(lengths), basis.judge(), recorded_sums(basis.folder)

    for name, basis in catalog.cards.items():
        loaded = attempt(catalog, name, load)
        if isinstance(loaded, Failure):
            if loaded.plugin == LOOSE:
                raise WeightsError(f"{LOOSE}: {loaded.reason}")
            failures.append(loaded)
            continue
        own, key, judge, read = loaded
        if (flow := basis.flow) is not None:
            looks[name] = LoadedLook(own, flow, {f"look {name}/{file}": sha256 for file, sha256 in read.items()})
            continue
        layers[name] = own
        sums |= {f"basis {name}/{file}": sha256 for file, sha256 in read.items()}
        if key is not None:
            foreign = foreign_key(catalog, name, encoder)
            failures += foreign
            if not foreign:
                keys[name] = key
                judges |= {} if judge is None else {name: judge}
    return LoadedBases(layers, keys, tuple(failures), sums, looks, judges)


def foreign_key(catalog: Catalog, name: str, encoder_sha256: str) -> list[Failure]:
    """A line on the key of a basis that reads another encoder, or does not say which it reads; else none."""
    read = catalog.cards[name].encoder_sha256
    if read == encoder_sha256:
        return []
    whose = f"reads an encoder {read[:12]}" if read else "does not say which encoder it reads"
    return [
        Failure(
            catalog.owner("basis", name),
            f"the key of its basis {name!r} {whose}, that of model {catalog.model.name!r} is "
            f"{encoder_sha256[:12]}: without --set {name}=1 it does nothing",
            name,
            f"Ask its author for a key for this encoder, or train it with `restorekit train basis {name}`.",
        )
    ]


def attempt(catalog: Catalog, name: str, action: Callable[[Basis], T]) -> T | Failure:
    """The result for one basis, or why it is refused."""
    try:
        return action(catalog.cards[name])
    except RestorekitError as error:
        reason = str(error)
    except Exception as error:  # the card may be a stranger's subclass, which raises anything
        reason = said(error)
    return Failure(catalog.owner("basis", name), f"its basis {name!r} is refused: {reason}", name)


def check(basis: Basis, model: str, sha256: str) -> None:
    """Raise unless the basis was made for the model whose backbone has this digest, and its files are whole.

    model: its name, for the message.
    """
    if basis.backbone_sha256 != sha256:
        made = basis.backbone_sha256[:12]
        raise WeightsError(f"made for a backbone {made}, that of model {model!r} is {sha256[:12]}")
    basis.check()
