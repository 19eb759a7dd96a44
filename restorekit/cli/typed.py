"""A command as it was typed, read back from what the parser made of it."""

from __future__ import annotations

from typing import Any

import typer

__all__ = ["typed"]


def typed(context: typer.Context) -> tuple[str, ...]:
    """Words of the command line: the command, its arguments, and every option that the user gave."""
    words: list[str] = []
    options: list[str] = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is None or source.name != "COMMANDLINE":
            continue
        values = said(context.params.get(parameter.name or ""))
        if parameter.param_type_name == "argument":
            words += [f"./{value}" if value.startswith("-") and value != "-" else value for value in values]
            continue
        name = max(parameter.opts, key=len)
        options += [name] if getattr(parameter, "is_flag", False) else [w for v in values for w in (name, v)]
    return (*context.command_path.split(), *words, *options)


def said(value: Any) -> list[str]:
    """A parameter's values as text."""
    return [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]
