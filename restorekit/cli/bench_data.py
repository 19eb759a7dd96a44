"""Protocols and data sets of all installed plugins, for the commands of the benchmark; what is refused is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from restorekit.cli.terminal import warn

if TYPE_CHECKING:
    from restorekit.bench.datasets import Dataset
    from restorekit.bench.protocol import Protocols
    from restorekit.plugin.catalog import Catalog

__all__ = ["brought"]


def brought(catalog: Catalog) -> tuple[Protocols, Mapping[str, Dataset]]:
    """Read what plugins bring, and warn of all that is left out."""
    from restorekit.bench.datasets import brought_datasets
    from restorekit.bench.protocol_files import brought_protocols

    datasets, without = brought_datasets(catalog)
    protocols, refused = brought_protocols(catalog, datasets)
    warn((*catalog.failures, *without, *refused))
    return protocols, datasets
