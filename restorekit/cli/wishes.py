"""Options by which a user decides what is restored, where, and how much of it, read into a wish and masks."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from restorekit.errors import ImageError, MixingError, unknown_name
from restorekit.model.mixing import Mixture
from restorekit.plugin.catalog import Catalog
from restorekit.weighing.control import Wish

__all__ = [
    "Adjusted",
    "Feather",
    "Kept",
    "Masked",
    "Only",
    "Settings",
    "Strength",
    "Without",
    "parse_masks",
    "parse_wish",
]

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=WEIGHT",
        help="Weight of a basis, in place of the encoder's: 0 is off, 1 removes all, at most 1.5.",
    ),
]
Adjusted = Annotated[
    list[str] | None,
    typer.Option("--adjust", metavar="NAME=FACTOR", help="Factor of the weight that is seen: blur=0.5 halves it."),
]
Only = Annotated[
    bool,
    typer.Option(
        "--only",
        help="Use the bases that --set and --adjust name alone. Without --adjust the encoder is not asked.",
    ),
]
Without = Annotated[
    list[str] | None, typer.Option("--without", metavar="NAME", help="Basis to leave out; repeatable.")
]
Strength = Annotated[
    float,
    typer.Option(
        min=0, max=1.5, metavar="0..1", help="Factor of all weights; 0 is the input, above 1 (to 1.5) overdoes it."
    ),
]
Kept = Annotated[
    list[str] | None,
    typer.Option(
        "--keep", metavar="WORD", help="Thing that stays, as grain or bokeh; `restorekit presets` lists them."
    ),
]
Masked = Annotated[
    list[str] | None,
    typer.Option(
        "--mask",
        metavar="[NAME=]FILE",
        help="Picture that is white where to restore, black where not, grey for a part; of one basis by NAME=.",
    ),
]

Feather = Annotated[
    int,
    typer.Option(
        min=0,
        max=200,
        metavar="PX",
        help="Width, to both sides, over which the edges of masks fade; further into the black nothing changes.",
    ),
]


def parse_wish(
    catalog: Catalog,
    *,
    settings: Sequence[str] | None,
    adjusted: Sequence[str] | None,
    only: bool,
    without: Sequence[str] | None,
    strength: float,
    kept: Sequence[str] | None,
) -> Wish:
    """Read the options, checked against the bases and presets there are."""
    chosen = parse_numbers("--set", "weight", settings or (), catalog)
    factors = parse_numbers("--adjust", "factor", adjusted or (), catalog)
    if only and not (chosen or factors):
        raise MixingError("--only leaves every basis at 0; name what to remove, as in --set noise=1")
    for name, weight in chosen.items():
        catalog.basis(name).check_weight(weight)
    for name in without or ():
        catalog.basis(name)
    for name in kept or ():
        if name not in catalog.presets:
            raise MixingError(unknown_name("preset", name, catalog.presets))
    return Wish(
        keep=tuple(dict.fromkeys(kept or ())),
        adjust=factors,
        set=dict(Mixture(chosen).values),
        only=(*chosen, *factors) if only else (),
        without=tuple(dict.fromkeys(without or ())),
        strength=strength,
    )


def parse_numbers(option: str, what: str, given: Sequence[str], catalog: Catalog) -> dict[str, float]:
    """Read NAME=NUMBER, each name once and a basis. what: the number is, for messages."""
    numbers: dict[str, float] = {}
    for text in given:
        name, _, number = text.partition("=")
        basis = catalog.basis(name)
        if name in numbers:
            raise MixingError(f"{option} names {name} twice; give one {what}")
        try:
            numbers[name] = float(number)
        except ValueError:
            example = f"{name}=1, from 0 to {basis.largest:g}" if option == "--set" else f"{name}=0.5"
            raise MixingError(f"{option} {text} has no {what}; write {example}") from None
    return numbers


def parse_masks(
    given: Sequence[str] | None, catalog: Catalog, there: Callable[[str], bool], feather: int = 0
) -> dict[str, str]:
    """Read [NAME=]FILE: absolute paths of masks, by name of the basis, empty for the mask of all.

    there: tells whether a file exists.
    feather: px; without a mask it is refused.
    """
    masks: dict[str, str] = {}
    for text in given or ():
        name, equals, path = text.partition("=")
        if not equals or (there(text) and name not in catalog.bases):
            name, path = "", text
        if name:
            catalog.basis(name)
        if name in masks:
            raise MixingError(f"--mask names {name or 'the whole picture'} twice; give one file")
        if not there(path):
            raise ImageError(f"the mask {path} does not exist; check the path")
        masks[name] = os.path.abspath(path)
    if feather and not masks:
        raise ImageError("--feather softens the edges of masks; add --mask FILE")
    return masks
