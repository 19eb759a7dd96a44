"""Every law of a plugin is broken by a careless one, and `restorekit plugins --check` says so."""

import json
import sys
from importlib.metadata import EntryPoint

import pytest

from restorekit.errors import PluginError
from restorekit.plugin import catalog
from restorekit.plugin.testing import check_plugin
from restorekit.plugin.testing.pictures import leaves
from restorekit.plugin.testing.plugins import PLUGIN_RULES
from tests.plugin.strangers import fog_basis

LOADS, TAKEN, LIGHT, PLACE, LICENCE, METHODS, PROTOCOLS, COMMANDS = (rule.name for rule in PLUGIN_RULES)
PICTURES = (leaves(1, 40, 48),)

CARELESS = """
from pathlib import Path
import PIL
from restorekit.plugin import Basis, Degradation, Method, Realisation, Severity, hookimpl

HERE = Path(__file__).parent

@hookimpl
def register_degradations():
    return [3]

@hookimpl
def register_bases():
    return [Basis("crisp", "", HERE.parent / "elsewhere")]

@hookimpl
def register_methods():
    return [Method("magic", "", "", "restorekit_careless:magic")]

@hookimpl
def register_protocols():
    return [HERE]

@hookimpl
def register_commands(app):
    raise ValueError("no commands today")
"""

CAREFUL = """
from pathlib import Path
from restorekit.plugin import Basis, Degradation, Method, Realisation, Severity, hookimpl

HERE = Path(__file__).parent

def magic():
    return None

@hookimpl
def register_bases():
    return [Basis("crisp", "", HERE / "weights")]

@hookimpl
def register_methods():
    return [
        Method("magic", "", "", "restorekit_careful:magic"),
        Method("lost", "", "", "no_such_module:lost", needs=("no_such_module",)),
    ]

@hookimpl
def register_commands(app):
    app.command()(magic)
"""
EAGER = """
from restorekit.plugin import hookimpl

@hookimpl
def register_degradations():
    import PIL
    return []
"""


class Distribution:
    """Metadata of an installed package."""

    name, version = "restorekit-test", "1.0"

    def __init__(self, **fields):
        self.metadata = type("Metadata", (dict,), {"get_all": lambda self, key: self.get(key, [])})(fields)


@pytest.fixture
def install(tiny, tmp_path, monkeypatch):
    """Install a package beside the real ones; its plugin's name comes back."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name: str, code: str, **metadata) -> str:
        package = tmp_path / f"restorekit_{name}"
        package.mkdir()
        (package / "__init__.py").write_text(code)
        monkeypatch.delitem(sys.modules, package.name, raising=False)
        entry = EntryPoint(name, package.name, "restorekit")
        vars(entry)["dist"] = Distribution(**metadata)
        found = [*catalog.entry_points(group="restorekit"), entry]
        monkeypatch.setattr(catalog, "entry_points", lambda group: found)
        return name

    return install


def look_basis(tiny, folder, card=""):
    """A basis for a look, made of the tiny one."""
    fog_basis(tiny, folder)
    for file in folder.iterdir():
        file.unlink()
    for file in (tiny / "detail").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "README.md").write_text(card)


def broken(report):
    return [law.name for law in report.broken if law.of.startswith("plugin ")]


def test_a_careful_plugin_keeps_every_law(install, tiny, tmp_path):
    name = install("careful", CAREFUL, **{"License-Expression": "MIT"})
    look_basis(tiny, tmp_path / "restorekit_careful" / "weights", "---\nlicense: mit\n---\n")
    report = check_plugin(name, photographs=PICTURES)
    report.require()
    said = {law.name: law.detail for law in report.laws}
    assert (said[LICENCE], said[METHODS], said[PLACE]) == ("MIT", "1 methods", "3 files")
    assert said[LIGHT].endswith(" ms") and {"plugin careful", "basis crisp"} == {law.of for law in report.laws}


def test_a_careless_plugin_breaks_every_law_behind_the_first(install, tiny, tmp_path):
    name = install("careless", CARELESS)
    look_basis(tiny, tmp_path / "elsewhere")
    (tmp_path / "restorekit_careless" / "p.toml").write_text("[")
    report = check_plugin(name, photographs=PICTURES)
    assert broken(report) == [rule.name for rule in PLUGIN_RULES[1:]]
    with pytest.raises(AssertionError, match=r"(?s)loads PIL.*no licence.*no commands today") as raised:
        report.require()
    assert raised.value.args[0].count("\n") == len(report.broken) - 1


def test_a_plugin_that_does_not_load_is_asked_nothing_else(install):
    report = check_plugin(install("ill", "raise ImportError('no module named torchfog')"))
    (law,) = report.laws
    assert not law.ok and "torchfog" in law.detail and law.name == LOADS


def test_cards_that_load_something_heavy_are_told_from_an_import_that_does(install):
    (law,) = (law for law in check_plugin(install("eager", EAGER)).laws if law.name == LIGHT)
    assert not law.ok and "cards loads PIL" in law.detail


def test_weights_without_a_licence_break_the_law(install, tiny, tmp_path):
    name = install("secret", CAREFUL.replace("restorekit_careful", "restorekit_secret"), License="MIT")
    look_basis(tiny, tmp_path / "restorekit_secret" / "weights", "# Crisp\n")
    assert broken(check_plugin(name, photographs=PICTURES)) == [LICENCE]


def test_a_name_that_is_not_installed_is_refused_with_those_there_are(cli):
    with pytest.raises(PluginError, match="no plugin 'nope'; there are bench, deblur"):
        check_plugin("nope")
    assert cli("plugins", "--check", "nope").is_one_error()


def test_the_command_shows_every_law_and_its_exit_code_says_whether_all_are_kept(cli, install):
    good, bad = cli("plugins", "--check", "bench"), cli("plugins", "--check", install("ill", "import nowhere"))
    assert good.code == 0 and all(rule.name in good.out for rule in PLUGIN_RULES)
    assert f"{len(PLUGIN_RULES)} of {len(PLUGIN_RULES)} laws kept" in good.out
    assert bad.code == 1 and "NO" in bad.out and PLUGIN_RULES[0].remedy in bad.out
    outcome = cli("plugins", "--check", "ill", "--json")
    record = json.loads(outcome.out)
    assert outcome.code == 1 and not record["ok"] and record["checked"] == "plugin ill"
    assert record["laws"][0]["law"] == LOADS and "nowhere" in record["laws"][0]["found"]


def test_the_list_tells_the_time_of_each_import_and_names_that_nobody_has(cli, monkeypatch):
    monkeypatch.setenv("RESTOREKIT_BLOCK_PLUGINS", "nope")
    listed, record = cli("plugins"), json.loads(cli("plugins", "--json").out)
    assert " ms" in listed.out and "no plugin is called 'nope'" in listed.out
    assert all(plugin["milliseconds"] >= 0 for plugin in record["plugins"])
    warned = cli("bench", "list").err
    assert warned.count("warning: RESTOREKIT_BLOCK_PLUGINS: no plugin is called 'nope'") == 1
