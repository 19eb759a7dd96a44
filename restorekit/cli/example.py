"""Options by which a pair of pictures, or a recipe that one gave, says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

__all__ = ["Examples", "Recipe", "SaveRecipe", "TakesPairs", "parse_examples"]

EXAMPLE = "--example"
Examples = Annotated[
    list[str] | None,
    typer.Option(
        EXAMPLE,
        metavar="BEFORE AFTER",
        help="Two pictures that show what to do, of one size; 256x256 is enough. Repeatable.",
    ),
]
SaveRecipe = Annotated[
    Path | None,
    typer.Option("--save-recipe", metavar="FILE.toml", help="File for the weights that --example shows."),
]
Recipe = Annotated[
    Path | None,
    typer.Option(
        "--recipe", metavar="FILE.toml", help="Weights to restore with: a file that --save-recipe wrote."
    ),
]


class TakesPairs(TyperCommand):
    """A command whose `--example` takes two values; typer itself knows no list of pairs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give each of the two values an option of its own."""
        return super().parse_args(ctx, one_by_one(args))


def one_by_one(arguments: Sequence[str]) -> list[str]:
    """`--example a b` as `--example a --example b`."""
    plain: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*plain, word, *rest]
        name, equals, value = word.partition("=")
        if name != EXAMPLE:
            plain.append(word)
            continue
        given = [value, *rest[:1]] if equals else rest[:2]
        if len(given) < 2 or any(text.startswith("-") for text in given):
            raise typer.BadParameter("--example takes two pictures, as in --example before.png after.png")
        del rest[: 1 if equals else 2]
        plain += [EXAMPLE, given[0], EXAMPLE, given[1]]
    return plain


def parse_examples(given: Sequence[str] | None) -> tuple[tuple[str, str], ...]:
    """Pairs of files, from one after the other."""
    names = list(given or ())
    return tuple(zip(names[::2], names[1::2], strict=True))
