"""Laws of finding plugins: what is blocked, what wants a newer restorekit, how long an import takes."""

import time
import types

import pytest

from restorekit.plugin import INTERFACE
from restorekit.plugin.catalog import build_catalog, load_plugins
from tests.plugin.strangers import Entry, fog, plugin


def foggy(**attributes):
    module = plugin(register_degradations=lambda: [fog()])
    vars(module).update(attributes)
    return module


def test_all_blocks_every_stranger_and_leaves_what_came_with_restorekit(monkeypatch):
    monkeypatch.setenv("RESTOREKIT_BLOCK_PLUGINS", "all")
    strangers = [Entry(name, RuntimeError("was imported"), package) for name, package in (("a", "a"), ("b", ""))]
    plugins = load_plugins([*strangers, Entry("denoise", foggy(), "restorekit")])
    assert plugins.blocked == ("a", "b")
    assert [info.name for info in plugins.loaded] == ["denoise"] and plugins.failures == ()


def test_a_blocked_name_that_nobody_has_is_told_with_those_there_are(monkeypatch):
    monkeypatch.setenv("RESTOREKIT_BLOCK_PLUGINS", "fog, haze ,")
    plugins = load_plugins([Entry("fog", foggy()), Entry("dust", foggy())])
    assert plugins.blocked == ("fog",)
    (failure,) = plugins.failures
    assert str(failure).startswith("RESTOREKIT_BLOCK_PLUGINS: no plugin is called 'haze'")
    assert "dust, fog, all" in failure.remedy and failure.basis == ""


def test_a_plugin_that_wants_a_newer_interface_is_left_out_in_one_line():
    newer = foggy(restorekit_interface=INTERFACE + 1)
    plugins = load_plugins([Entry("newer", newer), Entry("same", foggy(restorekit_interface=INTERFACE))])
    assert [info.name for info in plugins.loaded] == ["same"]
    (failure,) = plugins.failures
    assert f"version {INTERFACE + 1}" in failure.reason and "Update restorekit" in failure.remedy
    assert "\n" not in str(failure) and build_catalog(plugins).owners["degradation fog"] == "same"


@pytest.mark.parametrize("wanted", ["1", None, True, 0, 1.5])
def test_an_interface_that_is_no_version_is_refused(wanted):
    (failure,) = load_plugins([Entry("odd", foggy(restorekit_interface=wanted))]).failures
    assert f"restorekit_interface is {wanted!r}" in failure.reason


def test_a_plugin_that_imports_a_name_of_a_newer_interface_is_told_to_update(tmp_path, monkeypatch):
    (tmp_path / "tomorrows_plugin.py").write_text("from restorekit.plugin import Telescope\n")
    monkeypatch.syspath_prepend(tmp_path)
    entry = Entry("tomorrow", None)
    entry.load = lambda: __import__("tomorrows_plugin")
    (failure,) = load_plugins([entry]).failures
    assert "Telescope" in failure.reason and failure.remedy.startswith("Update restorekit")


def test_the_time_of_a_plugins_import_is_known():
    slow = Entry("slow", None)
    slow.load = lambda: (time.sleep(0.02), foggy())[1]
    plugins = load_plugins([slow, Entry("quick", foggy())])
    times = {info.name: info.milliseconds for info in plugins.loaded}
    assert times["slow"] >= 20 and times["quick"] >= 0


def test_paths_that_are_not_there_or_no_paths_are_refused(tmp_path):
    odd = plugin(register_protocols=lambda: [tmp_path / "none"], register_datasets=lambda: ["datasets.toml"])
    catalog = build_catalog(load_plugins([Entry("odd", odd)]))
    assert (catalog.protocols, catalog.datasets) == ((), ())
    assert ["is missing" in catalog.failures[0].reason, "not a Path" in catalog.failures[1].reason] == [True, True]


def test_what_is_no_module_has_no_hook():
    assert "no hook" in load_plugins([Entry("empty", types.SimpleNamespace())]).failures[0].reason
