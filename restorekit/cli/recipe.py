"""`restorekit train RECIPE.toml`: a run as a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from restorekit.cli.terminal import tell, warn
from restorekit.cli.training import about_key, go, load_photos, make_budget, make_engine

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
    from restorekit.training.runs import make_recipe, read_run, run_folder, smallest_photo, start_run

    settings, given = read_run(path, changes or [])
    budget = make_budget(settings.minutes, settings.iterations, settings.deadline, settings.threads, began)
    engine = make_engine(settings.device, settings.compile, settings.checkpoint)
    chosen = make_recipe(settings, given)
    from restorekit.plugin.catalog import build_catalog, load_plugins
    from restorekit.training.basis import BasisTraining

    catalog, training = build_catalog(load_plugins()), settings.training
    export = None if settings.export is None else Path(settings.export)
    smallest = smallest_photo(settings, chosen)
    photos = load_photos([Path(folder) for folder in settings.photos], settings.limit, smallest)
    started = start_run(settings, chosen, catalog, photos, engine)
    if isinstance(started, BasisTraining):
        warn((*catalog.failures, *started.failures))
    go(started, budget, run_folder(settings, chosen), export, settings.checkpoint_minutes)
    if training == "basis" and export is not None:
        tell(about_key(export, chosen.names[0]))
