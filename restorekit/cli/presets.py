"""`restorekit presets`: words for what stays in a picture, and what each does to the weights. Needs no torch."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from restorekit.cli.options import Model
from restorekit.cli.terminal import plugins_of, put_json, put_table, warn
from restorekit.plugin.catalog import Catalog, build_catalog

__all__ = ["EPILOG", "presets"]

EPILOG = """Examples:

restorekit presets

restorekit presets --json

restorekit restore scan.tif --keep grain"""


def presets(
    context: typer.Context,
    model: Model = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the words behind --keep: what stays in the picture, and which weights are held back for it.

    A word acts on what the encoder sees; --set has the last word on its basis. Plugins may bring further ones.
    """
    catalog = build_catalog(plugins_of(context)).of_model(model)
    records = [preset_record(name, catalog) for name in sorted(catalog.presets)]
    if as_json:
        put_json({"presets": records})
        return
    warn(catalog.failures)
    rows = []
    for record in records:
        held = [f"{name} 0" for name in record["without"]]
        held += [f"{name} times {factor:g}" for name, factor in record["adjust"].items()]
        rows.append((record["name"], ", ".join(held) or "nothing here", record["summary"], record["plugin"]))
    put_table(("preset", "weights", "what stays", "plugin"), rows)


def preset_record(name: str, catalog: Catalog) -> dict[str, Any]:
    """A preset as it acts on the bases of the catalogue's model, for a program."""
    preset = catalog.presets[name]
    return {
        "name": name,
        "summary": preset.summary,
        "without": [basis for basis in preset.without if basis in catalog.bases],
        "adjust": {basis: factor for basis, factor in preset.adjust.items() if basis in catalog.bases},
        "plugin": catalog.owner("preset", name),
    }
