"""Weights of a run that come of examples, or of a recipe that was found by some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from restorekit.errors import RestorekitError
from restorekit.plugin.catalog import Catalog
from restorekit.plugin.loose import with_bases
from restorekit.work.listener import Listener
from restorekit.work.recipe import MixtureRecipe, check_place, fingerprint_of, read_recipe
from restorekit.work.request import Options, Request
from restorekit.work.setup import fetcher
from restorekit.work.streams import read_picture
from restorekit.work.words import describe

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.running.restorer import Restorer

__all__ = ["settled"]

LITTLE = 0.5  # share of a change, below which the bases may not be for it


def settled(request: Request, catalog: Catalog, listener: Listener, loaded: Callable[[], Restorer]) -> Request:
    """The request with the weights that its recipe names or its examples show; the encoder is then not asked.

    catalog: seen from the model.
    listener: told what was found.
    loaded: gives the restorer that the examples are looked at with.
    """
    options = request.options
    if request.recipe is not None:
        return with_weights(request, recipe_for(request.recipe, catalog, options, listener))
    if request.save_recipe is not None:
        check_place(request.save_recipe, overwrite=options.overwrite)
    restorer = loaded()
    recipe = found_by(restorer, request.examples, listener)
    if request.save_recipe is not None:
        recipe.save(request.save_recipe, overwrite=options.overwrite)
    return with_weights(request, recipe)


def with_weights(request: Request, recipe: MixtureRecipe) -> Request:
    return replace(request, options=replace(request.options, chosen=recipe.mixture.active, blind=False))


def recipe_for(path: Path, catalog: Catalog, options: Options, listener: Listener) -> MixtureRecipe:
    """Read a recipe, and check that its weights are for the model and the bases there are."""
    recipe = read_recipe(path)
    fetching = fetcher(offline=options.offline, tell=listener.note)
    seen = with_bases(catalog.of_model(options.model), options.bases, fetching)
    active = recipe.fitted(seen, path, fetching)
    if recipe.fingerprint != fingerprint_of(seen, active):
        listener.note(f"{path} was found with other weights than those installed; find it again with --example")
    return recipe


def found_by(restorer: Restorer, names: Sequence[tuple[str, str]], listener: Listener) -> MixtureRecipe:
    """Find the mixture of examples, and tell of it. names: of the files before and after."""
    pairs, masks = [], []
    for before, after in names:
        first, second, mask = read_example(Path(before), Path(after), listener)
        pairs.append((first, second))
        masks.append(mask)
    match = restorer.by_example(pairs, masks)
    for number, (down, right) in enumerate(match.shifts, start=1):
        if down or right:
            listener.note(
                f"example {number}: the picture after lies {down} px below and {right} px right of before"
            )
    found = describe(match.mixture, {}, restorer.catalog)
    listener.note(f"by example: {found}; explains {match.explained:.0%} of the change", "plain")
    if match.explained < LITTLE:
        listener.note(
            "detail that strong compression or reduction took cannot be explained; if the change is of another "
            "kind, train a basis for it: restorekit train basis NAME --pairs BEFORE/ AFTER/"
        )
    fingerprint = fingerprint_of(restorer.catalog, match.mixture.active)
    return MixtureRecipe(match.mixture, restorer.catalog.model.name, fingerprint, match.explained)


def read_example(before: Path, after: Path, listener: Listener) -> tuple[Tensor, Tensor, Tensor | None]:
    """Read the pictures before and after, and where both can be seen; None for everywhere."""
    first, second = read_picture(before), read_picture(after)
    if first.values.shape != second.values.shape:
        sizes = ["{1}x{0}".format(*picture.values.shape[2:]) for picture in (first, second)]
        raise RestorekitError(
            f"--example: {before} has {sizes[0]} px and {after} has {sizes[1]}; crop or scale them to one size"
        )
    if first.icc_profile != second.icc_profile:
        listener.note(f"{before} and {after} have different colour profiles; the change may hold their difference")
    masks = [mask for mask in (first.visible, second.visible) if mask is not None]
    return first.values, second.values, masks[0] & masks[-1] if masks else None
