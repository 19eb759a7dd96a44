"""Laws of the command line as a whole: help, plugins and their commands, and what is not imported."""

import json
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
from typer.main import get_command

import restorekit
from restorekit.cli.main import build_app
from restorekit.model.weights import write_sums
from restorekit.plugin import catalog

HEAVY = {"torch", "torchvision", "diffusers", "peft", "kornia", "pyiqa"}


def commands(group, path=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield pytest.param((*path, name), command, id=" ".join((*path, name)))


@pytest.mark.parametrize(("path", "command"), [*commands(get_command(build_app()))])
def test_every_command_has_help_with_an_example_under_both_names(cli, path, command):
    assert f"restorekit {' '.join(path)} " in f"{command.epilog} {command.help} ", "no example"
    short, long = cli(*path, "-h"), cli(*path, "--help")
    assert short.code == 0 and short.out == long.out and "Usage" in short.out


def test_the_version_is_the_packages(cli):
    assert cli("--version").out == f"restorekit {restorekit.__version__}\n"


def test_wrong_usage_exits_with_2(cli):
    assert cli("nonsense").code == 2
    assert cli("restore").code == 2
    assert cli("restore", "a.png", "--steps", "0").code == 2


def heavy_after(*arguments: str) -> set[str]:
    code = f"""
import sys
from restorekit.cli.main import run
try:
    run({list(arguments)!r})
except SystemExit:
    pass
print("HEAVY", *({HEAVY!r} & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.rsplit("HEAVY", 1)[1].split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("plugins",),
        ("train", "--help"),
        ("bench", "--help"),
        ("restore", "missing.png"),
    ],
    ids=" ".join,
)
def test_what_restores_nothing_imports_no_torch(tiny, arguments):
    assert heavy_after(*arguments) == set()


def test_making_a_plugins_package_imports_no_torch(tiny, tmp_path):
    assert heavy_after("new-plugin", "fog", "--directory", str(tmp_path / "fog")) == set()
    assert (tmp_path / "fog" / "pyproject.toml").is_file()


def test_restoring_imports_torch_and_nothing_heavier(tiny, photo, tmp_path):
    path = photo("photo.png")
    assert heavy_after("restore", str(path)) == {"torch"}
    assert (tmp_path / "photo.restored.png").exists()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a plugin beside the real ones."""

    def install(name: str, code: str) -> None:
        module = f"{name}_plugin"
        folder = tmp_path / "site"
        folder.mkdir(exist_ok=True)
        (folder / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, module, raising=False)
        found = [*entry_points(group="restorekit"), EntryPoint(name, module, "restorekit")]
        monkeypatch.setattr(catalog, "entry_points", lambda group: found)

    return install


COMMANDS = """
from restorekit.plugin import hookimpl

@hookimpl
def register_commands(app):
    @app.command()
    def greet():
        print("hello")

    @app.command()
    def restore():
        print("mine now")
"""


def test_a_plugin_adds_commands_but_cannot_replace_a_built_in_one(cli, install):
    install("greeter", COMMANDS)
    assert "greet" in cli("--help").out
    assert cli("greet").out == "hello\n"
    assert "mine now" not in cli("restore", "missing.png").out
    failures = json.loads(cli("plugins", "--json").out)["failures"]
    assert [f["plugin"] for f in failures] == ["greeter"] and "'restore'" in failures[0]["reason"]


def test_plugins_lists_what_each_brings(cli):
    outcome = cli("plugins", "--json")
    record = json.loads(outcome.out)
    plugins = {p["name"]: p for p in record["plugins"]}
    assert plugins["denoise"].pop("milliseconds") >= 0
    assert plugins["denoise"] == {
        "name": "denoise",
        "package": "restorekit",
        "version": restorekit.__version__,
        "hooks": ["register_bases", "register_degradations", "register_presets"],
        "bases": ["noise"],
        "degradations": ["noise"],
        "models": [],
    }
    assert plugins["flow-unet"]["models"] == ["base"]
    assert record["failures"] == record["refused"] == record["blocked"] == []
    table = cli("plugins").out
    assert all(name in table for name in (*plugins, "sigma 0 (none) to 75", "4:2:0"))


def test_plugins_tells_what_failed_and_why_and_what_was_blocked(cli, install, monkeypatch):
    install("broken", "raise ImportError('no such library: fog')")
    monkeypatch.setenv("RESTOREKIT_BLOCK_PLUGINS", "derain")
    outcome = cli("plugins")
    assert outcome.code == 0
    assert "failed: broken: ImportError: no such library: fog." in outcome.out
    assert "RESTOREKIT_BLOCK_PLUGINS=broken" in outcome.out
    assert "blocked: derain" in outcome.out
    record = json.loads(cli("plugins", "--json").out)
    assert record["blocked"] == ["derain"] and [f["plugin"] for f in record["failures"]] == ["broken"]
    assert "derain" not in {p["name"] for p in record["plugins"]}


def test_a_broken_plugin_is_one_warning_and_the_rest_goes_on(cli, install, photo):
    install("broken", "raise ImportError('no such library: fog')")
    photo("photo.png")
    outcome = cli("degrade", "photo.png", "-o", "out.png", "--with", "noise=5")
    assert outcome.code == 0 and outcome.err.startswith("warning: broken: ") and outcome.err.count("\n") == 1


ENDINGS = {
    "sys.exit": "import sys; sys.exit('fog needs a licence')",
    "SystemExit without a word": "raise SystemExit",
    "a degradation without a name or severity": """
from restorekit.plugin import Degradation, hookimpl
class Fog(Degradation):
    kinds, order = ("even",), 5
    def draw(self, shape, generator, *, severity=None, kind=None): ...
    def apply(self, image, realisation): ...
@hookimpl
def register_degradations():
    return [Fog()]
""",
    "a hook without its decorator": "def register_bases():\n    return []",
}


@pytest.mark.parametrize("code", ENDINGS.values(), ids=ENDINGS)
def test_no_plugin_ends_a_command(cli, install, photo, code):
    install("broken", code)
    photo("photo.png")
    outcome = cli("plugins")
    assert outcome.code == 0 and outcome.out.count("failed: broken: ") == 1 and "denoise" in outcome.out
    outcome = cli("restore", "photo.png")
    may_lack_a_basis = "Fog" not in code  # a degradation alone is nothing that a picture is treated with
    assert outcome.code == (3 if may_lack_a_basis else 0) and Path("photo.restored.png").exists()
    assert outcome.err.startswith("warning: broken: ") and outcome.err.count("\n") == 1


def test_bases_for_another_backbone_are_listed_as_refused(cli, tiny, tmp_path, monkeypatch):
    import shutil

    copy = tmp_path / "weights"
    shutil.copytree(tiny, copy)
    (copy / "rain" / "basis.json").write_text(json.dumps({"backbone_sha256": "0" * 64}))
    write_sums(copy / "rain")
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(copy))
    refused = json.loads(cli("plugins", "--json").out)["refused"]
    assert [f["plugin"] for f in refused] == ["derain"] and "000000" in refused[0]["reason"]
    assert "unusable with base: derain: " in cli("plugins").out


def test_without_weights_the_commands_say_so_in_one_line(cli, photo, tmp_path, monkeypatch):
    photo("photo.png")
    empty = tmp_path / "none"
    Path(empty).mkdir()
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(empty))
    outcome = cli("restore", "photo.png")
    assert outcome.is_one_error() and "is missing" in outcome.err
    assert cli("plugins").code == 0
