"""`restorekit degrade`: test pictures from clean ones, the same from the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from restorekit.cli.printer import Printer
from restorekit.cli.terminal import plugins_of
from restorekit.composition import in_physical_order
from restorekit.degradation import Degradation
from restorekit.errors import PluginError
from restorekit.plugin.catalog import Catalog, build_catalog
from restorekit.work import degrade_file
from restorekit.work.synthesis import SEEDS, Wish

__all__ = ["EPILOG", "degrade", "range_of"]

EPILOG = """Examples:

restorekit degrade photo.png -o noisy.png --with noise=25

restorekit degrade photo.png -o bad.png --with blur=1.6:motion --with jpeg=30 --seed 1"""


def degrade(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="INPUT", help="A clean picture.")],
    out: Annotated[str, typer.Option("--out", "-o", help="The file to write, or a folder for it.")],
    settings: Annotated[
        list[str],
        typer.Option("--with", metavar="NAME=SEVERITY[:KIND]", help="A degradation and its severity; repeatable."),
    ],
    seed: Annotated[
        int, typer.Option(min=0, max=SEEDS - 1, help="Seed; the same one makes the same picture.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
) -> None:
    """Degrade a picture, to try restoration on.

    Degradations are applied as they happen in nature (scene, lens, sensor, file), whatever their order here. Each
    draws from the seed by itself: the noise is the same with and without the blur beside it. `restorekit plugins`
    lists names, ranges and kinds.
    """
    catalog = build_catalog(plugins_of(context))
    wishes = parse_wishes(settings, catalog)
    with Printer(as_json=as_json) as printer:
        summary = degrade_file(source, out, wishes, printer, catalog, seed=seed, overwrite=overwrite)
        printer.conclude(summary)


def parse_wishes(settings: Sequence[str], catalog: Catalog) -> tuple[Wish, ...]:
    """Read NAME=SEVERITY[:KIND], in physical order. A kind may hold colons itself."""
    wishes: dict[Degradation, Wish] = {}
    for setting in settings:
        name, _, rest = setting.partition("=")
        degradation = catalog.degradation(name)
        if degradation.paired:
            raise PluginError(
                f"--with {name}: it is known from pairs of photographs and cannot be made; leave it out"
            )
        if degradation in wishes:
            raise PluginError(f"--with names {name} twice; give one severity")
        text, colon, kind = rest.partition(":")
        scale = degradation.severity
        try:
            severity = float(text)
        except ValueError:
            raise PluginError(
                f"--with {setting} has no severity; write {name}={scale.typical:g}, {range_of(degradation)}"
            ) from None
        if not min(scale.off, scale.strong) <= severity <= max(scale.off, scale.strong):
            raise PluginError(f"--with {setting} is out of range; {name} takes {range_of(degradation)}")
        checked = degradation.check_kind(kind if colon else None, severity) or degradation.kinds[0]
        wishes[degradation] = Wish(degradation, severity, checked)
    return tuple(wishes[degradation] for degradation in in_physical_order(wishes))


def range_of(degradation: Degradation) -> str:
    """The range of a degradation's severity, as "sigma 0 (none) to 75"."""
    scale = degradation.severity
    unit = f" {scale.unit}" if scale.unit else ""
    return f"{scale.symbol} {scale.off:g} (none) to {scale.strong:g}{unit}"
