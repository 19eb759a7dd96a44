"""A basis once more, for a model whose weights have changed: the recipe beside it, run again into a new folder.

    fog/ -> fog-1a2b3c4d/        the first digits of the digest that is new: of the backbone, else of the encoder

The new basis begins at the old one where the shapes fit. Both stay: each names its model by digests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from restorekit.errors import TrainingError
from restorekit.model.basis import Basis
from restorekit.plugin.catalog import Catalog
from restorekit.remote import fetch
from restorekit.training.published import RECIPE
from restorekit.training.runs import Settings, model_of, read_run

__all__ = ["once_more"]

BUDGETS = ("minutes", "iterations", "deadline")  # of which a run has one


def once_more(
    folder: Path,
    catalog: Catalog,
    changes: Mapping[str, Any],
    given: Mapping[str, Any],
    photos: Sequence[str] = (),
) -> tuple[Settings, dict[str, Any]]:
    """The settings and the recipe's fields with which a basis is trained for another model.

    folder: of the old basis, with its recipe.toml.
    catalog: has the models.
    changes: settings in place of the recipe's.
    given: fields in place of the recipe's.
    photos: folders in place of the recipe's.
    Raises TrainingError where there is no recipe of a basis, or the model is the one that the old basis is for.
    """
    path = folder / RECIPE
    if not path.is_file():
        raise TrainingError(
            f"--again {folder}: there is no {path}; train it anew with `restorekit train basis NAME`"
        )
    settings, fields = read_run(path, [])
    if settings.training != "basis":
        raise TrainingError(
            f"--again {folder}: its recipe is of a training {settings.training}; `restorekit train {path}` runs it"
        )
    both = settings.photos and settings.pairs  # one for the basis, the other for its key
    if photos:
        changes = {**changes, "photos": tuple(photos), **({} if both else {"pairs": ()})}
    elif changes.get("pairs") and not both:
        changes = {**changes, "photos": ()}
    if any(changes.get(key) is not None for key in BUDGETS):
        changes = {**dict.fromkeys(BUDGETS), **changes}
    if changes.get("model"):
        changes = {"weights": None, **changes}
    elif changes.get("weights"):
        changes = {"model": "", **changes}
    settings = replace(settings, from_weights=str(folder), **changes)
    model = model_of(settings, catalog.of_model(settings.model))
    for remote in model.remotes:
        fetch(remote)
    old = Basis(folder.name, "", folder)
    new = [
        now
        for was, now in (
            (old.backbone_sha256, model.backbone.sha256),
            (old.encoder_sha256, model.encoder_sha256),
        )
        if now != was
    ]
    if not new or (not old.encoder_sha256 and old.backbone_sha256 == model.backbone.sha256):
        raise TrainingError(
            f"--again {folder}: it is for this model already ({model.name}); name another --model, or run "
            f"`restorekit train {path} run=FOLDER` to train it further"
        )
    name = f"{folder.absolute().name}-{new[0][:8]}"
    export = settings.export or str(folder.parent / name)
    if Path(export).exists() and Path(export).samefile(folder):
        raise TrainingError(f"--again {folder}: --export is the old basis's own folder; name another one")
    return replace(settings, export=export, run=settings.run or f"runs/{name}"), {**fields, **given}
