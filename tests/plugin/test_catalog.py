"""Laws of the plugin seam."""

import types
from pathlib import Path

import pytest

from restorekit.backbone import plugin as flow_unet_plugin
from restorekit.basis import Basis
from restorekit.errors import PluginError
from restorekit.plugin import BackboneCard, hookimpl
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.plugin.hookspecs import Hooks
from restorekit.plugin.loading import mismatched_bases
from restorekit.weights import BACKBONE_TENSORS

README = Path(__file__).resolve().parents[2] / "plugins" / "README.md"


class Entry:
    """An entry point whose target is at hand."""

    dist = None

    def __init__(self, name, target):
        self.name, self.target = name, target

    def load(self):
        if isinstance(self.target, Exception):
            raise self.target
        return self.target


def plugin(**hooks):
    module = types.ModuleType("stranger")
    for name, function in hooks.items():
        function.__name__ = name
        setattr(module, name, hookimpl(function))
    return module


def noise_like(name="noise"):
    from restorekit_denoise.noise import Noise

    return type("Fog", (Noise,), {"name": name})()


def test_first_party_plugins_are_found_through_their_entry_points():
    plugins = load_plugins()
    assert {"denoise", "deblur", "sr", "derain", "dejpeg", "flow-unet"} <= {p.name for p in plugins.loaded}
    catalog = build_catalog(plugins)
    assert {"noise", "blur", "lowres", "rain", "jpeg"} <= set(catalog.bases)
    assert "flow-unet" in catalog.backbones
    assert catalog.failures == ()


def test_every_call_builds_a_new_manager():
    assert load_plugins([]).manager is not load_plugins([]).manager


def test_a_plugin_that_cannot_be_imported_is_named_and_the_others_go_on():
    good = plugin(register_degradations=lambda: [noise_like()])
    plugins = load_plugins([Entry("bad", ImportError("no module named torchfog")), Entry("good", good)])
    assert [p.name for p in plugins.loaded] == ["good"]
    (failure,) = plugins.failures
    assert "torchfog" in str(failure)
    assert "RESTOREKIT_BLOCK_PLUGINS=bad" in str(failure)


def test_a_blocked_plugin_is_not_imported(monkeypatch):
    monkeypatch.setenv("RESTOREKIT_BLOCK_PLUGINS", "bad, other")
    plugins = load_plugins([Entry("bad", RuntimeError("was imported"))])
    assert plugins.blocked == ("bad",)
    assert plugins.failures == ()


def test_a_misspelt_hook_is_refused():
    plugins = load_plugins([Entry("typo", plugin(register_basis=lambda: []))])
    assert plugins.loaded == ()
    assert "register_basis" in plugins.failures[0].reason


def test_a_hook_that_raises_is_reported_and_the_others_go_on():
    def broken():
        raise ValueError("no data")

    entries = [
        Entry("a", plugin(register_degradations=broken)),
        Entry("b", plugin(register_degradations=lambda: [noise_like()])),
    ]
    catalog = build_catalog(load_plugins(entries))
    assert list(catalog.degradations) == ["noise"]
    assert "no data" in catalog.failures[0].reason


def test_a_name_that_is_taken_is_refused_naming_both():
    entries = [Entry(n, plugin(register_degradations=lambda: [noise_like()])) for n in ("first", "second")]
    catalog = build_catalog(load_plugins(entries))
    (failure,) = catalog.failures
    assert failure.plugin == "second"
    assert "first" in failure.reason
    assert "'noise'" in failure.reason


def test_what_is_not_a_card_is_refused():
    catalog = build_catalog(load_plugins([Entry("odd", plugin(register_bases=lambda: ["noise"]))]))
    assert catalog.bases == {}
    assert "not a Basis" in catalog.failures[0].reason


def test_a_basis_without_its_degradation_is_refused(tmp_path):
    odd = plugin(register_bases=lambda: [Basis("fog", "fog", tmp_path)])
    catalog = build_catalog(load_plugins([Entry("odd", odd)]))
    assert catalog.bases == {}
    assert "degradation 'fog'" in catalog.failures[0].reason


def test_a_basis_for_a_look_needs_no_degradation(tmp_path):
    look = plugin(register_bases=lambda: [Basis("crisp", "", tmp_path)])
    catalog = build_catalog(load_plugins([Entry("look", look)]))
    assert list(catalog.bases) == ["crisp"]
    assert catalog.failures == ()


def test_a_basis_for_another_backbone_is_refused_with_the_reason(weights_folder, tmp_path):
    both = plugin(
        register_degradations=lambda: [noise_like("noise")],
        register_bases=lambda: [Basis("noise", "noise", weights_folder / "noise")],
    )
    catalog = build_catalog(load_plugins([Entry("both", both)]))
    assert mismatched_bases(catalog, BackboneCard("same", "x:Y", weights_folder / "backbone")) == ()
    other = tmp_path / "other"
    other.mkdir()
    (other / "sha256sums").write_text(f"{'f' * 64}  {BACKBONE_TENSORS}\n")
    (failure,) = mismatched_bases(catalog, BackboneCard("other", "x:Y", other))
    assert failure.basis == "noise"
    assert "ffffff" in failure.reason
    assert catalog.bases["noise"].backbone_sha256[:12] in failure.reason


def test_an_unknown_name_is_refused_with_the_names_there_are():
    catalog = build_catalog(load_plugins([Entry("unet", flow_unet_plugin)]))
    with pytest.raises(PluginError, match="flow-unet"):
        catalog.backbone("other")
    with pytest.raises(PluginError, match="none"):
        catalog.basis("noise")


def test_every_hook_appears_in_the_plugin_guide():
    text = README.read_text()
    hooks = [name for name in vars(Hooks) if name.startswith("register_")]
    assert len(hooks) >= 4
    for name in hooks:
        assert name in text, f"plugins/README.md does not mention {name}"
