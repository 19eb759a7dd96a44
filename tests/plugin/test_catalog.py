"""Laws of the plugin seam."""

from pathlib import Path

import pytest

import restorekit_flow_unet as flow_unet_plugin
from restorekit.errors import PluginError
from restorekit.model.basis import Basis
from restorekit.model.weights import BACKBONE_TENSORS
from restorekit.plugin import BackboneCard, Method, ModelCard, Severity
from restorekit.plugin.catalog import build_catalog, load_plugins, register_commands
from restorekit.plugin.hookspecs import Hooks
from restorekit.plugin.loading import unusable_bases
from tests.plugin.strangers import Entry, fog, plugin

README = Path(__file__).resolve().parents[2] / "plugins" / "README.md"


def noise_like(name="noise"):
    from restorekit_denoise.noise import Noise

    return type("Fog", (Noise,), {"name": name})()


def test_first_party_plugins_are_found_through_their_entry_points():
    plugins = load_plugins()
    assert {"denoise", "deblur", "sr", "derain", "dejpeg", "flow-unet"} <= {p.name for p in plugins.loaded}
    catalog = build_catalog(plugins)
    assert {"noise", "blur", "lowres", "rain", "jpeg"} <= set(catalog.bases)
    assert list(catalog.models) == ["base"] and catalog.model.backbone.name == "flow-unet"
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
    monkeypatch.setenv("RESTOREKIT_BLOCK_PLUGINS", "bad, worse")
    entries = [Entry(name, RuntimeError("was imported")) for name in ("bad", "worse")]
    plugins = load_plugins(entries)
    assert plugins.blocked == ("bad", "worse")
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


def test_a_basis_that_names_a_model_but_was_made_for_another_backbone_is_refused(weights_folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "sha256sums").write_text(f"{'f' * 64}  {BACKBONE_TENSORS}\n")

    def refused(folder):
        card = ModelCard("same", BackboneCard("net", "x:Y", folder), weights_folder / "encoder")
        both = plugin(
            register_degradations=lambda: [noise_like("noise")],
            register_bases=lambda: [Basis("noise", "noise", weights_folder / "noise", model="same")],
            register_models=lambda: [card],
        )
        catalog = build_catalog(load_plugins([Entry("both", both)]))
        return catalog, unusable_bases(catalog)

    assert refused(weights_folder / "backbone")[1] == ()
    catalog, (failure,) = refused(other)
    assert failure.basis == "noise"
    assert "ffffff" in failure.reason
    assert catalog.bases["noise"].backbone_sha256[:12] in failure.reason


def test_a_first_party_name_is_kept_whatever_a_stranger_is_called():
    mine = noise_like()
    entries = [
        Entry("aaa", plugin(register_degradations=lambda: [noise_like()]), "aaa"),
        Entry("denoise", plugin(register_degradations=lambda: [mine]), "restorekit"),
    ]
    catalog = build_catalog(load_plugins(entries))
    assert catalog.degradation("noise") is mine
    (failure,) = catalog.failures
    assert failure.plugin == "aaa" and "denoise brings one already" in failure.reason


@pytest.mark.parametrize("turn", [1, -1])
def test_a_first_party_plugin_is_kept_where_a_stranger_has_its_entry_points_name(turn):
    mine = noise_like()
    entries = [
        Entry("denoise", plugin(register_degradations=lambda: [fog()]), "impostor"),
        Entry("denoise", plugin(register_degradations=lambda: [mine]), "restorekit"),
    ]
    plugins = load_plugins(entries[::turn])
    assert [(p.name, p.distribution) for p in plugins.loaded] == [("denoise", "restorekit")]
    assert build_catalog(plugins).degradations == {"noise": mine}
    (failure,) = plugins.failures
    assert "restorekit has" in failure.reason and "Uninstall impostor" in str(failure)


@pytest.mark.parametrize("error", [SystemExit(3), SystemExit(), GeneratorExit(), MemoryError(), OSError("disk")])
def test_a_plugin_that_ends_the_program_at_import_is_named_and_the_others_go_on(error):
    good = plugin(register_degradations=lambda: [noise_like()])
    plugins = load_plugins([Entry("bad", error), Entry("good", good)])
    assert [p.name for p in plugins.loaded] == ["good"]
    (failure,) = plugins.failures
    assert failure.plugin == "bad" and type(error).__name__ in failure.reason


def test_ctrl_c_at_import_ends_the_program():
    with pytest.raises(KeyboardInterrupt):
        load_plugins([Entry("slow", KeyboardInterrupt())])


def test_a_hook_that_ends_the_program_is_reported_and_the_others_go_on():
    entries = [
        Entry("a", plugin(register_bases=lambda: exit(1), register_commands=lambda app: exit(2))),
        Entry("b", plugin(register_degradations=lambda: [noise_like()])),
    ]
    plugins = load_plugins(entries)
    catalog = build_catalog(plugins)
    assert list(catalog.degradations) == ["noise"]
    assert "register_bases raised SystemExit 1: it ends the program" in catalog.failures[0].reason
    assert "SystemExit 2" in register_commands(plugins, None)[0].reason


def test_a_hook_without_its_decorator_gets_a_word():
    module = plugin(register_degradations=lambda: [fog()])
    module.register_bases = lambda: []
    plugins = load_plugins([Entry("careless", module)])
    assert [p.name for p in plugins.loaded] == ["careless"]
    (failure,) = plugins.failures
    assert "register_bases" in failure.reason and "@hookimpl" in failure.reason


def test_a_plugin_without_any_hook_gets_a_word():
    (failure,) = load_plugins([Entry("empty", plugin())]).failures
    assert "no hook" in failure.reason


@pytest.mark.parametrize("returned", [None, 7, fog()], ids=["None", "a number", "one card"])
def test_a_hook_that_returns_no_list_is_refused(returned):
    catalog = build_catalog(load_plugins([Entry("odd", plugin(register_degradations=lambda: returned))]))
    assert catalog.degradations == {}
    assert "not a list" in catalog.failures[0].reason


SCALE = {"symbol": "opacity", "unit": "%", "off": 0, "mild": 10, "strong": 70, "typical": 35}
ODD_DEGRADATIONS = {
    "without a name": ({"name": None}, "no name"),
    "with a name that is no word": ({"name": "a=b"}, "'a=b'"),
    "without a severity": ({"severity": None}, "no severity"),
    "with a number for severity": ({"severity": 3}, "no severity"),
    "with a severity of words": ({"severity": Severity(**SCALE | {"strong": "much"})}, "strong 'much'"),
    "with an infinite severity": ({"severity": Severity(**SCALE | {"strong": float("inf")})}, "strong inf"),
    "that is off when mild": ({"severity": Severity(**SCALE | {"mild": 0})}, "mild at 0"),
    "that is typical when beyond strong": ({"severity": Severity(**SCALE | {"typical": 90})}, "typical at 90"),
    "without kinds": ({"kinds": None}, "kinds None"),
    "with no kind": ({"kinds": ()}, "kinds ()"),
    "with one kind": ({"kinds": "even"}, "kinds 'even'"),
    "without an order": ({"order": None}, "order None"),
    "with a summary of another type": ({"summary": 3}, "summary 3"),
    "that raises when asked": ({"severity": property(lambda self: 1 / 0)}, "ZeroDivisionError"),
}


@pytest.mark.parametrize(("fields", "said"), ODD_DEGRADATIONS.values(), ids=ODD_DEGRADATIONS)
def test_a_degradation_with_wrong_fields_is_refused_and_the_others_go_on(fields, said):
    odd = plugin(register_degradations=lambda: [fog(**fields), noise_like()])
    catalog = build_catalog(load_plugins([Entry("odd", odd)]))
    assert list(catalog.degradations) == ["noise"]
    (failure,) = catalog.failures
    assert failure.plugin == "odd" and said in failure.reason and "\n" not in str(failure)


NET = BackboneCard("net", "x:Y", README)
ODD_CARDS = {
    "a basis in words": (Basis("fog", "", "weights"), "pathlib.Path"),
    "a basis without a name": (Basis("", "", README), "name ''"),
    "a basis for a thing": (Basis("fog", None, README), "degradation None"),
    "a backbone in words": (BackboneCard("net", "x:Y", "weights"), "pathlib.Path"),
    "a backbone of no class": (BackboneCard("net", "torch", README), "'module:name'"),
    "a model of a backbone in words": (ModelCard("model", "net", README), "give a BackboneCard"),
    "a model of a broken backbone": (
        ModelCard("model", BackboneCard("n", "x", README), README),
        "a backbone that",
    ),
    "a model with an encoder in words": (ModelCard("model", NET, "encoder"), "the encoder 'encoder'"),
    "a model with a licence of no words": (ModelCard("model", NET, README, licence=None), "the licence None"),
    "a basis for a model of no name": (Basis("fog", "", README, model=3), "the model 3"),
    "a method of no callable": (Method("m", "", "", "torch"), "'module:name'"),
}


@pytest.mark.parametrize(("card", "said"), ODD_CARDS.values(), ids=ODD_CARDS)
def test_a_card_with_wrong_fields_is_refused(card, said):
    hooks = {Basis: "bases", BackboneCard: "backbones", ModelCard: "models", Method: "methods"}
    hook = f"register_{hooks[type(card)]}"
    catalog = build_catalog(load_plugins([Entry("odd", plugin(**{hook: lambda: [card]}))]))
    assert not (catalog.registered or catalog.models or catalog.methods)
    assert said in catalog.failures[0].reason


def test_an_unknown_name_is_refused_with_the_names_there_are():
    catalog = build_catalog(load_plugins([Entry("unet", flow_unet_plugin)]))
    with pytest.raises(PluginError, match="there are base"):
        catalog.of_model("other")
    with pytest.raises(PluginError, match="none"):
        catalog.basis("noise")


def test_every_hook_appears_in_the_plugin_guide():
    text = README.read_text()
    hooks = [name for name in vars(Hooks) if name.startswith("register_")]
    assert len(hooks) >= 4
    for name in hooks:
        assert name in text, f"plugins/README.md does not mention {name}"
