"""`restorekit plugins`: what is installed, what it brings, and what was left out and why. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from restorekit.cli.degrade import range_of
from restorekit.cli.terminal import plugins_of, put, put_json, put_table
from restorekit.errors import RestorekitError
from restorekit.plugin.catalog import Catalog, Failure, PluginInfo, build_catalog
from restorekit.plugin.loading import mismatched_bases

__all__ = ["EPILOG", "plugins"]

EPILOG = """Examples:

restorekit plugins

restorekit plugins --json

RESTOREKIT_BLOCK_PLUGINS=derain restorekit plugins"""
BACKBONE = "flow-unet"


def plugins(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List every plugin with what it brings, and what failed to load and why.

    A plugin named in the environment variable RESTOREKIT_BLOCK_PLUGINS (commas between several) is not loaded.
    """
    installed = plugins_of(context)
    catalog = build_catalog(installed)
    refused = refused_bases(catalog)
    if as_json:
        record = {
            "plugins": [plugin_record(info, catalog) for info in installed.loaded],
            "degradations": [degradation_record(name, catalog) for name in sorted(catalog.degradations)],
            "failures": [failure_record(f) for f in catalog.failures],
            "refused": [failure_record(f) for f in refused],
            "blocked": list(installed.blocked),
        }
        put_json(record)
        return
    rows = []
    for info in installed.loaded:
        brought = [", ".join(brings(info.name, kind, catalog)) for kind in ("basis", "degradation", "backbone")]
        hooks = ", ".join(hook.removeprefix("register_") for hook in info.hooks)
        rows.append((info.name, f"{info.distribution} {info.version}".strip(), hooks, *brought))
    put_table(("plugin", "package", "hooks", "bases", "degradations", "backbones"), rows)
    scales = []
    for name, degradation in sorted(catalog.degradations.items()):
        scales.append((name, range_of(degradation), ", ".join(degradation.kinds)))
    put_table(("degradation", "severity", "kinds"), scales)
    for failure in catalog.failures:
        put(f"failed: {failure}")
    for failure in refused:
        put(f"unusable with {BACKBONE}: {failure.plugin}: {failure.reason}")
    for name in installed.blocked:
        put(f"blocked: {name}")


def brings(plugin: str, kind: str, catalog: Catalog) -> list[str]:
    """Names of one kind of thing that a plugin brings."""
    things: Mapping[str, object] = {
        "basis": catalog.bases,
        "degradation": catalog.degradations,
        "backbone": catalog.backbones,
    }[kind]
    return sorted(name for name in things if catalog.owners[f"{kind} {name}"] == plugin)


def refused_bases(catalog: Catalog) -> tuple[Failure, ...]:
    """Bases that do not belong to the default backbone, or one line on why that cannot be told."""
    if BACKBONE not in catalog.backbones:
        return ()
    card = catalog.backbones[BACKBONE]
    try:
        return mismatched_bases(catalog, card)
    except RestorekitError as error:
        return (Failure(catalog.owners[f"backbone {BACKBONE}"], str(error)),)


def plugin_record(info: PluginInfo, catalog: Catalog) -> dict[str, Any]:
    """A plugin, for a program."""
    return {
        "name": info.name,
        "package": info.distribution,
        "version": info.version,
        "hooks": list(info.hooks),
        "bases": brings(info.name, "basis", catalog),
        "degradations": brings(info.name, "degradation", catalog),
        "backbones": brings(info.name, "backbone", catalog),
    }


def degradation_record(name: str, catalog: Catalog) -> dict[str, Any]:
    """A degradation with its scale of severities, for a program."""
    degradation = catalog.degradations[name]
    scale = degradation.severity
    return {
        "name": name,
        "symbol": scale.symbol,
        "unit": scale.unit,
        "off": scale.off,
        "strong": scale.strong,
        "kinds": list(degradation.kinds),
    }


def failure_record(failure: Failure) -> dict[str, str]:
    """Something that was left out, for a program."""
    return {"plugin": failure.plugin, "reason": failure.reason}
