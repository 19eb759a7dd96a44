"""`restorekit train RECIPE.toml`: a run as a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from restorekit.cli.terminal import tell, warn
from restorekit.cli.training import about_key, go, load_photos, make_budget, make_engine, shipped

if TYPE_CHECKING:
    from restorekit.training.base import Training

NAME = "recipe"


class RecipeGroup(TyperGroup):
    """Commands among which a file with the ending .toml is one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0].endswith(".toml"):
            return NAME, self.commands[NAME], args
        return super().resolve_command(ctx, args)


def recipe(
    path: Annotated[Path, typer.Argument(metavar="RECIPE.toml", help="The run.")],
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Keys to change, as deadline=9m.")
    ] = None,
) -> None:
    """Run a training as a file says. Its keys are the fields of `restorekit.training.runs.Settings` and of the
    training's recipe; an unknown one is refused with those there are."""
    began = time.monotonic()
    from restorekit.training.runs import make_recipe, read_run

    settings, given = read_run(path, changes or [])
    budget = make_budget(settings.minutes, settings.iterations, settings.deadline, settings.threads, began)
    engine = make_engine(settings.device, settings.compile, settings.checkpoint)
    chosen = make_recipe(settings, given)
    from restorekit.plugin.catalog import build_catalog, load_plugins
    from restorekit.training.start import start_backbone, start_basis, start_detail, start_encoder

    catalog, training = build_catalog(load_plugins()), settings.training
    run = Path(settings.run or f"runs/{chosen.names[0] if training == 'basis' else training}")
    weights = shipped() if settings.weights is None else Path(settings.weights)
    start = None if settings.from_weights is None else Path(settings.from_weights)
    export = None if settings.export is None else Path(settings.export)
    smallest = chosen.picture if training in ("encoder", "basis") else chosen.patch
    photos = load_photos([Path(folder) for folder in settings.photos], settings.limit, smallest)
    started: Training
    if training == "backbone":
        started = start_backbone(chosen, catalog, photos, run, start, engine)
    elif training == "encoder":
        started = start_encoder(chosen, catalog, photos, run, weights, start, engine)
    elif training == "detail":
        started = start_detail(chosen, catalog, photos, run, weights, engine)
    else:
        later = start_basis(chosen.names[0], chosen, catalog, photos, run, weights, engine)
        warn((*catalog.failures, *later.failures))
        started = later
    go(started, budget, run, export, settings.checkpoint_minutes)
    if training == "basis" and export is not None:
        tell(about_key(export, chosen.names[0]))
