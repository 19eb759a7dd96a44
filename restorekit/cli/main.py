"""The console entry point: built-in commands, those of plugins, and the one place that catches our errors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer
from typer.main import get_command

from restorekit import __version__
from restorekit.cli.basis_report import app as basis_app
from restorekit.cli.bench import app as bench_app
from restorekit.cli.degrade import EPILOG as DEGRADE_EPILOG
from restorekit.cli.degrade import degrade
from restorekit.cli.example import TakesPairs
from restorekit.cli.export import EPILOG as EXPORT_EPILOG
from restorekit.cli.export import export
from restorekit.cli.import_model import EPILOG as IMPORT_EPILOG
from restorekit.cli.import_model import import_model
from restorekit.cli.inspect import EPILOG as INSPECT_EPILOG
from restorekit.cli.inspect import inspect
from restorekit.cli.new_plugin import EPILOG as NEW_PLUGIN_EPILOG
from restorekit.cli.new_plugin import new_plugin
from restorekit.cli.plugins import EPILOG as PLUGINS_EPILOG
from restorekit.cli.plugins import plugins
from restorekit.cli.presets import EPILOG as PRESETS_EPILOG
from restorekit.cli.presets import presets
from restorekit.cli.restore import EPILOG as RESTORE_EPILOG
from restorekit.cli.restore import restore
from restorekit.cli.serve import EPILOG as SERVE_EPILOG
from restorekit.cli.serve import serve
from restorekit.cli.terminal import put, showable, tell
from restorekit.cli.train import app as train_app
from restorekit.cli.ui import EPILOG as UI_EPILOG
from restorekit.cli.ui import ui
from restorekit.errors import RestorekitError
from restorekit.machine import let_threads_rest
from restorekit.plugin.catalog import load_plugins, register_commands
from restorekit.plugin.failures import Failure
from restorekit.plugin.installed import Plugins

__all__ = ["build_app", "run"]

EPILOG = """Examples:

restorekit restore photo.jpg

restorekit restore holiday/ -o restored/

restorekit COMMAND --help"""


def show_version(wanted: bool) -> None:
    """Print the version and exit, if that is wanted."""
    if wanted:
        put(f"restorekit {__version__}")
        raise typer.Exit


def build_app() -> typer.Typer:
    """The built-in commands."""
    app = typer.Typer(
        name="restorekit",
        epilog=EPILOG,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",  # in which [brackets] are just brackets
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def root(
        version: Annotated[
            bool, typer.Option("--version", is_eager=True, callback=show_version, help="Print the version.")
        ] = False,
    ) -> None:
        """Restores degraded photographs: one LoRA per degradation, mixed by what the picture needs."""

    app.command(cls=TakesPairs, epilog=RESTORE_EPILOG)(restore)
    app.command(epilog=INSPECT_EPILOG)(inspect)
    app.command(epilog=DEGRADE_EPILOG)(degrade)
    app.command(epilog=SERVE_EPILOG)(serve)
    app.command(epilog=EXPORT_EPILOG)(export)
    app.command(epilog=UI_EPILOG)(ui)
    app.command(epilog=PLUGINS_EPILOG)(plugins)
    app.command(epilog=PRESETS_EPILOG)(presets)
    app.command("new-plugin", epilog=NEW_PLUGIN_EPILOG)(new_plugin)
    app.command("import-model", epilog=IMPORT_EPILOG)(import_model)
    app.add_typer(train_app, name="train")
    app.add_typer(bench_app, name="bench")
    app.add_typer(basis_app, name="basis")
    return app


def add_plugin_commands(group: Any, plugins: Plugins) -> tuple[Failure, ...]:
    """Add what plugins register to a command group. They get an app of their own, so that they cannot replace
    a built-in command; one that tries is left out and reported."""
    app = typer.Typer()
    app.callback()(lambda: None)  # makes it a group even with a single command in it
    failures = list(register_commands(plugins, app))
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        if name in group.commands:
            failures.append(Failure(owner_of(command, plugins), f"its command {name!r} is refused: built in"))
        else:
            group.add_command(command, name)
    return tuple(failures)


def owner_of(command: Any, plugins: Plugins) -> str:
    """The plugin whose package a command's function is from."""
    home = getattr(command.callback, "__module__", None) or ""
    for info in plugins.loaded:
        module = getattr(plugins.manager.get_plugin(info.name), "__name__", "")
        if "register_commands" in info.hooks and home.split(".")[0] == module.split(".")[0]:
            return info.name
    return home


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 an error in one line, 2 wrong usage, 3 done without a basis that
    could not be used, 130 interrupted."""
    let_threads_rest()
    given = list(sys.argv[1:] if arguments is None else arguments)
    for place, argument in enumerate(given):  # a file's name, taken for a command or an option, is shown as usage
        if (place == 0 or argument.startswith("-")) and showable(argument, sys.stderr) != argument:
            tell(f"error: no command or option is called {argument}; write a file of that name as ./{argument}")
            raise SystemExit(2)
    try:
        group = get_command(build_app())
        plugins = load_plugins()
        failures = add_plugin_commands(group, plugins)
        known = replace(plugins, failures=(*plugins.failures, *failures))
        group(given, prog_name="restorekit", obj=known)
    except RestorekitError as error:
        tell(f"error: {error}")
        raise SystemExit(1) from None
    except MemoryError:
        tell("error: not enough memory; close other programs first")
        raise SystemExit(1) from None
    except OSError as error:
        tell(f"error: {' '.join(str(error).split())}; check the disk and its permissions")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
