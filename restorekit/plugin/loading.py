"""From the catalogue to bases that can be merged: each looked at in full, so that one that is broken costs only
itself, and one line that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from restorekit.errors import RestorekitError, WeightsError
from restorekit.plugin.catalog import Catalog, Failure, said
from restorekit.plugin.hookspecs import BackboneCard

if TYPE_CHECKING:
    from restorekit.basis import Basis, BasisKey, LoraLayer

__all__ = ["load_bases", "mismatched_bases"]

T = TypeVar("T")


@dataclass(frozen=True)
class LoadedBases:
    """Bases that fit a backbone.

    layers: of each basis, by layer.
    keys: of those that have one.
    failures: of those that were left out, or whose key was.
    """

    layers: Mapping[str, Mapping[str, LoraLayer]]
    keys: Mapping[str, BasisKey]
    failures: tuple[Failure, ...] = ()


def mismatched_bases(catalog: Catalog, backbone: BackboneCard) -> tuple[Failure, ...]:
    """Bases that were made for other backbone weights than these, or whose files are not whole. Needs no torch."""
    sha256 = backbone.sha256
    checked = [attempt(catalog, name, lambda b: check(b, backbone.name, sha256)) for name in catalog.bases]
    return tuple(outcome for outcome in checked if outcome is not None)


def load_bases(
    catalog: Catalog,
    backbone: BackboneCard,
    shapes: Mapping[str, Sequence[int]],
    dimension: int,
    encoder_sha256: str,
) -> LoadedBases:
    """Load every basis that fits.

    shapes: of the weights of the backbone's layers, by name.
    dimension: length of the encoder's query.
    encoder_sha256: digest of the encoder's weights; a key that was fitted to others is left out, and its basis is
        then at the user's command only.
    """
    sha256 = backbone.sha256
    layers: dict[str, Mapping[str, LoraLayer]] = {}
    keys: dict[str, BasisKey] = {}
    failures: list[Failure] = []

    def load(basis: Basis) -> tuple[Mapping[str, LoraLayer], BasisKey | None]:
        check(basis, backbone.name, sha256)
        return basis.layers_for(shapes), basis.key(dimension)

    for name, basis in catalog.bases.items():
        loaded = attempt(catalog, name, load)
        if isinstance(loaded, Failure):
            failures.append(loaded)
            continue
        layers[name], key = loaded
        if key is None:
            continue
        if basis.encoder_sha256 in ("", encoder_sha256):
            keys[name] = key
        else:
            failures.append(
                Failure(
                    catalog.owners[f"basis {name}"],
                    f"the key of its basis {name!r} reads an encoder {basis.encoder_sha256[:12]}, "
                    f"this one is {encoder_sha256[:12]}: without --set {name}=1 it does nothing",
                    name,
                    "Ask its author for a key for this version of restorekit.",
                )
            )
    return LoadedBases(layers, keys, tuple(failures))


def attempt(catalog: Catalog, name: str, action: Callable[[Basis], T]) -> T | Failure:
    """The result for one basis, or why it is refused."""
    try:
        return action(catalog.bases[name])
    except RestorekitError as error:
        reason = str(error)
    except Exception as error:  # the card may be a stranger's subclass, which raises anything
        reason = said(error)
    return Failure(catalog.owners[f"basis {name}"], f"its basis {name!r} is refused: {reason}", name)


def check(basis: Basis, backbone: str, sha256: str) -> None:
    """Raise unless the basis was made for the backbone of this name and digest, and its files are whole."""
    if basis.backbone_sha256 != sha256:
        raise WeightsError(f"made for a backbone {basis.backbone_sha256[:12]}, {backbone} is {sha256[:12]}")
    basis.check()
