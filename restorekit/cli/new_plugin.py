"""`restorekit new-plugin`: a package of one's own, ready to publish. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from restorekit.cli.terminal import plugins_of, put, put_json
from restorekit.plugin.template import NewPlugin, write_package

__all__ = ["EPILOG", "new_plugin"]

EPILOG = """Examples:

restorekit new-plugin varnish

restorekit new-plugin old-film --degradation scratches --author "A. Person" --directory film/"""


def new_plugin(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the plugin: small letters, digits and hyphens.")
    ],
    degradation: Annotated[
        str, typer.Option(metavar="NAME", help="Name of its degradation and of its basis; by default NAME.")
    ] = "",
    directory: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder to make; by default restorekit-NAME.")
    ] = None,
    author: Annotated[str, typer.Option(help="Holder of the copyright, in the licence.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make a plugin's package, ready to publish: with a degradation that works, to be replaced by yours.

    It installs and its tests pass as it is; the basis is trained by `restorekit train basis`, and the wheel then
    holds the weights. Nothing that exists is written over. plugins/README.md walks through it.
    """
    name = name.removeprefix("restorekit-")
    plugin = NewPlugin(name, degradation or name, author)
    folder = Path(plugin.distribution) if directory is None else directory
    files = write_package(plugin, folder, plugins_of(context))
    steps = walk(plugin, folder)
    if as_json:
        put_json(
            {
                "plugin": plugin.name,
                "degradation": plugin.degradation,
                "distribution": plugin.distribution,
                "package": plugin.package,
                "folder": str(folder),
                "files": [path.as_posix() for path in files],
                "next": [command for command, _ in steps],
            }
        )
        return
    put(f"{folder}/")
    for path in files:
        put(f"  {path.as_posix()}")
    put(f"Write your degradation into {plugin.package}/degradation.py, and then:")
    for command, purpose in steps:
        put(f"  {command}  # {purpose}")


def walk(plugin: NewPlugin, folder: Path) -> list[tuple[str, str]]:
    """List the steps to a published package: commands, and what each is for."""
    name, weights = plugin.degradation, f"{plugin.package}/weights"
    return [
        (f"cd {quote(str(folder))}", "where the rest is typed"),
        ('pip install -e ".[test]"', "install it"),
        ("pytest", "its laws"),
        (f"restorekit degrade photo.jpg -o worse.png --with {name}=35", "look at it"),
        (f"restorekit train basis {name} photos/ --minutes 30 --export {weights}", "train its basis"),
        (f"restorekit plugins --check {plugin.name}", "the laws of a basis, too"),
        ("pip wheel --no-deps -w dist .", "the file to publish"),
    ]
