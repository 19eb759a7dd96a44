"""`restorekit train RECIPE.toml`: a run as a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from restorekit.cli.runs import perform

__all__ = ["NAME", "RecipeGroup", "recipe"]

NAME = "recipe"


class RecipeGroup(TyperGroup):
    """Commands among which a file with the ending .toml is one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Take a file's name for the command that runs it."""
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
    from restorekit.training.runs import read_run

    perform(*read_run(path, changes or []), began)
