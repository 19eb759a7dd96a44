"""`restorekit plugins`: what is installed, what it brings, and what was left out and why. Needs no torch but for a
check."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from restorekit.cli.degrade import range_of
from restorekit.cli.terminal import plugins_of, put, put_json, put_table
from restorekit.errors import RestorekitError
from restorekit.model.weights import size_of
from restorekit.plugin.catalog import Catalog, build_catalog
from restorekit.plugin.failures import BLOCK, Failure, said
from restorekit.plugin.installed import PluginInfo
from restorekit.plugin.loading import unusable_bases

__all__ = ["EPILOG", "plugins"]

EPILOG = """Examples:

restorekit plugins

restorekit plugins --json

restorekit plugins --check derain

RESTOREKIT_BLOCK_PLUGINS=derain restorekit plugins"""


def plugins(
    context: typer.Context,
    check: Annotated[
        str, typer.Option("--check", metavar="NAME", help="Plugin whose laws are checked, in place of the list.")
    ] = "",
    device: Annotated[str, typer.Option(help="Device for --check: auto, cpu, cuda, cuda:N or mps.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List every plugin with what it brings, the models with their bases, and what failed to load and why.

    A plugin named in the environment variable RESTOREKIT_BLOCK_PLUGINS (commas between several) is not loaded;
    `all` blocks those that did not come with restorekit.

    With --check, ask one plugin and all that it brings for the laws of plugins; exit code 1 if one is broken.
    """
    if check:
        from restorekit.cli import plugin_check

        plugin_check.check(check, device=device, as_json=as_json)
        return
    installed = plugins_of(context)
    catalog = build_catalog(installed)
    refused = {name: refused_bases(catalog.of_model(name)) for name in catalog.models}
    if as_json:
        record = {
            "plugins": [plugin_record(info, catalog) for info in installed.loaded],
            "degradations": [degradation_record(name, catalog) for name in sorted(catalog.degradations)],
            "models": [model_record(view) for view in seen(catalog)],
            "failures": [failure_record(f) for f in catalog.failures],
            "refused": [failure_record(f) | {"model": name} for name, lines in refused.items() for f in lines],
            "idle": [failure_record(f) | {"remedy": f.remedy} for f in catalog.strays],
            "blocked": list(installed.blocked),
        }
        put_json(record)
        return
    rows = []
    for info in installed.loaded:
        brought = [", ".join(brings(info.name, kind, catalog)) for kind in ("basis", "degradation", "model")]
        hooks = ", ".join(hook.removeprefix("register_") for hook in info.hooks)
        package, took = f"{info.distribution} {info.version}".strip(), f"{info.milliseconds:.0f} ms"
        rows.append((info.name, package, took, hooks, *brought))
    put_table(("plugin", "package", "import", "hooks", "bases", "degradations", "models"), rows)
    columns = ("model", "bases", "looks", "size", "licence", "backbone", "encoder")
    put_table(columns, [*map(model_row, seen(catalog))])
    scales = []
    for name, degradation in sorted(catalog.degradations.items()):
        scales.append((name, range_of(degradation), ", ".join(degradation.kinds)))
    put_table(("degradation", "severity", "kinds"), scales)
    for failure in catalog.failures:
        put(str(failure) if failure.plugin == BLOCK else f"failed: {failure}")
    for model, lines in refused.items():
        for failure in lines:
            put(f"unusable with {model}: {failure.plugin}: {failure.reason}")
    for failure in catalog.strays:
        put(f"idle: {failure}")
    for name in installed.blocked:
        put(f"blocked: {name}")


def seen(catalog: Catalog) -> list[Catalog]:
    """The catalogue as seen from each of its models, the default first."""
    return [catalog.of_model(name) for name in catalog.models]


def brings(plugin: str, kind: str, catalog: Catalog) -> list[str]:
    """Names of one kind of thing that a plugin brings; a basis for several models is named once."""
    start = f"{kind} "
    owned = [
        key.removeprefix(start)
        for key, owner in catalog.owners.items()
        if owner == plugin and key.startswith(start)
    ]
    return sorted({name.rpartition("/")[2] for name in owned})


def refused_bases(catalog: Catalog) -> tuple[Failure, ...]:
    """Bases of the catalogue's model that cannot be used with it, or one line on why that cannot be told."""
    try:
        return unusable_bases(catalog)
    except Exception as error:  # the card may be a stranger's subclass, which raises anything
        reason = str(error) if isinstance(error, RestorekitError) else said(error)
        return (Failure(catalog.owner("model", catalog.model.name), reason),)


def model_record(catalog: Catalog) -> dict[str, Any]:
    """The model that a catalogue is seen from, for a program; digests and bytes are null where its files do not
    tell."""
    card = catalog.model
    folders = [card.backbone.folder, card.encoder, *(basis.folder for basis in catalog.cards.values())]
    size: int | None = None
    backbone = encoder = None
    try:
        backbone, encoder = card.backbone.sha256, card.encoder_sha256
        size = sum(map(size_of, folders))
    except Exception:  # as above; `refused_bases` says why
        size = None
    return {
        "name": card.name,
        "summary": card.summary,
        "plugin": catalog.owner("model", card.name),
        "default": card.name == next(iter(catalog.models)),
        "bases": sorted(catalog.bases),
        "looks": list(catalog.looks),
        "bytes": size,
        "licence": card.licence,
        "backbone": card.backbone.name,
        "backbone_sha256": backbone,
        "encoder_sha256": encoder,
    }


def model_row(catalog: Catalog) -> tuple[str, ...]:
    """The same for a person."""
    record = model_record(catalog)
    name = f"{record['name']} (default)" if record["default"] else record["name"]
    size = "?" if record["bytes"] is None else f"{record['bytes'] / 1e6:.1f} MB"
    backbone = f"{record['backbone']} {(record['backbone_sha256'] or '?')[:12]}"
    encoder = (record["encoder_sha256"] or "?")[:12]
    return name, ", ".join(record["bases"]), ", ".join(record["looks"]), size, record["licence"], backbone, encoder


def plugin_record(info: PluginInfo, catalog: Catalog) -> dict[str, Any]:
    """A plugin, for a program."""
    return {
        "name": info.name,
        "package": info.distribution,
        "version": info.version,
        "hooks": list(info.hooks),
        "milliseconds": round(info.milliseconds, 1),
        "bases": brings(info.name, "basis", catalog),
        "degradations": brings(info.name, "degradation", catalog),
        "models": brings(info.name, "model", catalog),
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
