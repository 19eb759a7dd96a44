"""Loading of a model: its backbone, its encoder, and every basis that was made for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name

from restorekit.errors import PluginError, WeightsError
from restorekit.model.backbone import Backbone
from restorekit.model.encoder import DegradationEncoder
from restorekit.model.lora import layer_shapes
from restorekit.plugin.catalog import Catalog
from restorekit.plugin.hookspecs import BackboneCard
from restorekit.plugin.loading import LoadedBases, load_bases
from restorekit.remote import Remote, fetch

__all__ = ["LoadedModel", "load_backbone", "load_model"]


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory.

    backbone, encoder: its networks.
    bases: those that fit, and a line for each that does not.
    sums: recorded sha256 of all files that were read, by "backbone/FILE", "encoder/FILE" and "basis NAME/FILE".
    """

    backbone: Backbone
    encoder: DegradationEncoder
    bases: LoadedBases
    sums: Mapping[str, str]


def load_backbone(card: BackboneCard) -> Backbone:
    """Load the network that a card names, whatever its class."""
    try:
        architecture = resolve_name(card.architecture)
    except (ImportError, AttributeError) as error:
        raise PluginError(
            f"backbone {card.name!r} names the class {card.architecture}, which cannot be imported ({error}); "
            "install the package that brings it, with its extras"
        ) from error
    backbone: Backbone = architecture.from_folder(card.folder)
    return backbone


def load_model(catalog: Catalog, fetching: Callable[[Remote], Path] = fetch) -> LoadedModel:
    """Load the catalogue's model with its bases.

    fetching: gets the files that lie at an address.
    Raises PluginError where no basis fits, WeightsError for files that are not whole or change meanwhile.
    """
    card = catalog.model
    for remote in card.remotes:
        fetching(remote)
    sums = card.sums
    backbone = load_backbone(card.backbone)
    encoder = DegradationEncoder.from_folder(card.encoder)
    bases = load_bases(catalog, card, layer_shapes(backbone.network), encoder.lengths, fetching)
    if not bases.layers:
        raise PluginError(f"no basis fits model {card.name!r}; `restorekit plugins` tells what was left out")
    if card.sums != sums:
        raise WeightsError(f"the weights of model {card.name!r} changed while they were read; try again")
    return LoadedModel(backbone, encoder, bases, {**sums, **bases.sums})
