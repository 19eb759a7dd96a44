"""Laws of models: each is a bundle of backbone, encoder and bases; two live side by side and share nothing."""

import json
import shutil
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import torch

import restorekit
from restorekit.bench.methods import find_card, make, with_model
from restorekit.errors import PluginError
from restorekit.model.basis import RECORD, Basis
from restorekit.model.weights import digest, load_json, recorded_sums, write_sums
from restorekit.plugin import BackboneCard, ModelCard, catalog
from restorekit.plugin.bundles import models_of
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.running.restorer import Restorer
from tests.plugin.strangers import Entry, fog, fog_basis, plugin
from tests.tiny import BASES, FLOW, LOOK, tiny_weights

ARCHITECTURE = "restorekit.model.backbone.flow_unet:FlowUnet"
PICTURE = torch.rand(1, 3, 40, 36, generator=torch.Generator().manual_seed(0))


def model_in(folder: Path, name: str = "other") -> ModelCard:
    network = BackboneCard("net", ARCHITECTURE, folder / "backbone")
    return ModelCard(name, network, folder / "encoder", "for a test", "CC0")


def bases_in(folder: Path) -> list[Basis]:
    return [Basis(name, name if name in BASES else "", folder / name) for name in (*BASES, LOOK, FLOW)]


def with_plugins(*strangers):
    """The catalogue with packages of strangers beside the real plugins."""
    entries = [Entry(f"stranger{i}", each, f"stranger{i}") for i, each in enumerate(strangers)]
    return build_catalog(load_plugins([*entry_points(group="restorekit"), *entries]))


def restorer_of(model="", found=None):
    return Restorer.from_pretrained(model, device="cpu", precision="fp32", catalog=found)


def alter(folder: Path, **values) -> Path:
    path = folder / RECORD
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    write_sums(folder)
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Path:
    """Weights of a second model, with bases of the same names."""
    return tiny_weights(tmp_path_factory.mktemp("other"), seed=7)


@pytest.fixture
def two(tiny, other):
    """A catalogue of two models."""
    return with_plugins(plugin(register_models=lambda: [model_in(other)], register_bases=lambda: bases_in(other)))


@pytest.fixture
def installed(tiny, other, monkeypatch):
    """The second model beside the first on the command line."""
    bundle = plugin(register_models=lambda: [model_in(other)], register_bases=lambda: bases_in(other))
    found = [*entry_points(group="restorekit"), Entry("stranger", bundle, "restorekit-other")]
    monkeypatch.setattr(catalog, "entry_points", lambda group: found)


def test_two_models_side_by_side_restore_each_with_its_own_bases(two, other, monkeypatch):
    assert two.failures == () and two.strays == () and list(two.models) == ["base", "other"]
    beside = {name: restorer_of(name, two) for name in two.models}
    assert beside["base"].bases == beside["other"].bases and not beside["other"].failures
    results = {name: one.restore(PICTURE, weights={"noise": 1.0}) for name, one in beside.items()}
    alone = {"base": restorer_of()}
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(other))
    alone["other"] = restorer_of()
    for name, result in results.items():
        expected = alone[name].restore(PICTURE, weights={"noise": 1.0})
        assert torch.equal(result.image, expected.image) and result.weights == expected.weights, name
    assert not torch.equal(results["base"].image, results["other"].image)


def test_the_default_is_the_model_that_ships(two):
    assert restorer_of(found=two).catalog.model.name == two.model.name == "base"
    assert two.bases.keys() == two.of_model("other").bases.keys()
    assert two.bases["noise"].folder != two.of_model("other").bases["noise"].folder


def test_an_unknown_model_is_one_line_with_the_names_there_are(two):
    with pytest.raises(PluginError) as raised:
        restorer_of("nope", two)
    assert str(raised.value) == "no model 'nope'; there are base, other"


def test_provenance_is_the_digests_of_the_files_that_were_read_whatever_becomes_of_them(two, other, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(other, copy)
    found = with_plugins(plugin(register_models=lambda: [model_in(copy)], register_bases=lambda: bases_in(copy)))
    restorer = restorer_of("other", found)
    folders = {"backbone": copy / "backbone", "encoder": copy / "encoder"}
    folders |= {f"basis {name}": copy / name for name in restorer.bases}
    expected = {f"{what}/{file}": digest(at / file) for what, at in folders.items() for file in recorded_sums(at)}
    assert restorer.provenance() == expected and len(expected) == 2 + 2 + 5 * 4 + 3
    shutil.rmtree(copy)
    assert restorer.provenance() == expected


def test_provenance_is_of_the_folder_that_was_chosen_when_it_was_loaded(tiny, other, monkeypatch):
    restorer = restorer_of()
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(other))
    assert restorer.provenance()["encoder/model.safetensors"] == digest(tiny / "encoder" / "model.safetensors")
    assert restorer_of().provenance()["encoder/model.safetensors"] == digest(
        other / "encoder" / "model.safetensors"
    )


def test_a_strangers_model_of_the_shipped_name_is_refused_and_told(tiny, other):
    found = with_plugins(plugin(register_models=lambda: [model_in(other, "base")]))
    assert found.model.backbone.folder == tiny / "backbone"
    (failure,) = found.failures
    assert str(failure).startswith("stranger0: its model 'base' is refused: flow-unet brings one already.")
    assert failure.basis == ""


@pytest.mark.parametrize("name", ["base", "flow-unet"])
def test_a_strangers_backbone_of_a_shipped_name_is_refused_and_told(tiny, other, name):
    card = BackboneCard(name, ARCHITECTURE, other / "backbone")
    found = with_plugins(plugin(register_backbones=lambda: [card]))
    assert list(found.models) == ["base"] and found.model.backbone.folder == tiny / "backbone"
    assert [f"{name!r} is refused: flow-unet" in str(failure) for failure in found.failures] == [True]


def test_a_backbone_that_comes_alone_is_a_model_with_the_shipped_encoder(tiny, other, tmp_path):
    shutil.copytree(other / "noise", tmp_path / "noise")
    reads = digest(tiny / "encoder" / "model.safetensors")
    basis = Basis("noise", "noise", alter(tmp_path / "noise", encoder_sha256=reads))
    card = BackboneCard("plain", ARCHITECTURE, other / "backbone")
    found = with_plugins(plugin(register_backbones=lambda: [card], register_bases=lambda: [basis]))
    restorer = restorer_of("plain", found)
    assert found.failures == restorer.failures == () and restorer.bases == ("noise",) == tuple(restorer.keys)
    assert restorer.provenance()["encoder/model.safetensors"] == reads


@pytest.mark.parametrize("stated", ["", "base"])
def test_a_strangers_basis_cannot_displace_one_of_the_shipped_model(tiny, stated):
    impostor = Basis("noise", "noise", tiny / "rain", model=stated)
    found = with_plugins(plugin(register_bases=lambda: [impostor]))
    assert found.basis("noise").folder == tiny / "noise"
    (failure,) = found.failures
    assert "'noise' of model 'base' is refused: denoise brings one already" in str(failure)


def test_what_is_refused_of_one_model_is_no_word_to_those_who_use_another(tiny, other):
    twice = [Basis("noise", "noise", other / "noise"), *bases_in(other)]
    found = with_plugins(plugin(register_models=lambda: [model_in(other)], register_bases=lambda: twice))
    assert len(found.failures) == 1 and found.failures[0].model == "other"
    assert restorer_of("base", found).failures == ()
    assert restorer_of("other", found).failures == found.failures


def test_keys_of_the_other_models_encoder_are_refused_with_reason_and_remedy(tiny, other, tmp_path):
    shutil.copytree(tiny, tmp_path / "mixed")
    shutil.rmtree(tmp_path / "mixed" / "encoder")
    shutil.copytree(other / "encoder", tmp_path / "mixed" / "encoder")
    bases = [Basis(name, name, tmp_path / "mixed" / name, model="other") for name in BASES]
    found = with_plugins(
        plugin(register_models=lambda: [model_in(tmp_path / "mixed")], register_bases=lambda: bases)
    )
    restorer = restorer_of("other", found)
    assert restorer.bases == BASES and not restorer.keys
    assert [failure.basis for failure in restorer.failures] == list(BASES)
    for failure in restorer.failures:
        assert "reads an encoder" in str(failure) and f"train basis {failure.basis}" in str(failure)
    assert not restorer.restore(PICTURE).weights[0].active


def test_of_two_models_with_one_backbone_a_basis_is_for_that_whose_encoder_its_key_reads(tiny, other, tmp_path):
    def model(name, encoder):
        return ModelCard(name, BackboneCard("net", ARCHITECTURE, tiny / "backbone"), encoder)

    models = {"ours": model("ours", tiny / "encoder"), "theirs": model("theirs", other / "encoder")}
    shutil.copytree(tiny / "noise", tmp_path / "noise")
    reads = digest(other / "encoder" / "model.safetensors")
    theirs = Basis("noise", "noise", alter(tmp_path / "noise", encoder_sha256=reads))
    assert models_of(Basis("noise", "noise", tiny / "noise"), models) == ("ours",)
    assert models_of(theirs, models) == ("theirs",)
    assert models_of(Basis(LOOK, "", tiny / LOOK), models) == ("ours", "theirs")  # it has no key


@pytest.fixture
def idle(tiny, tmp_path):
    """A plugin whose basis is for a backbone that nobody has."""
    folder = alter(fog_basis(tiny, tmp_path / "fog"), backbone_sha256="0" * 64)
    return plugin(register_degradations=lambda: [fog()], register_bases=lambda: [Basis("fog", "fog", folder)])


def test_a_basis_of_a_model_that_is_not_installed_is_told_once_and_not_at_each_run(idle):
    found = with_plugins(idle)
    (stray,) = found.strays
    assert "backbone 000000000000, which is not installed" in str(stray) and "Install the package" in str(stray)
    restorer = restorer_of(found=found)
    assert restorer.failures == () and "fog" not in restorer.bases
    with pytest.raises(PluginError, match="not installed"):
        found.basis("fog")


def test_the_command_line_tells_of_it_where_it_is_asked(idle, cli, photo, monkeypatch):
    found = [*entry_points(group="restorekit"), Entry("stranger", idle, "restorekit-fog")]
    monkeypatch.setattr(catalog, "entry_points", lambda group: found)
    photo("photo.png")
    outcome = cli("restore", "photo.png")
    assert outcome.code == 0 and outcome.err == ""
    assert "idle: stranger: its basis 'fog' is for a model" in cli("plugins").out
    assert json.loads(cli("plugins", "--json").out)["idle"][0]["remedy"].startswith("Install the package")
    outcome = cli("restore", "photo.png", "--set", "fog=1", "-o", "out.png")
    assert outcome.is_one_error() and "not installed" in outcome.err


def test_the_command_line_restores_and_inspects_with_the_model_that_is_named(installed, cli, photo, other):
    photo("photo.png")
    for name in ("base", "other"):
        run = ("--model", name, "--set", "noise=1", "-o", f"{name}.png", "--manifest", f"{name}.jsonl")
        assert cli("restore", "photo.png", *run).code == 0
    assert Path("base.png").read_bytes() != Path("other.png").read_bytes()
    heads = [json.loads(Path(f"{name}.jsonl").read_text().splitlines()[0]) for name in ("base", "other")]
    assert [head["model"] for head in heads] == ["base", "other"]
    assert heads[0]["fingerprint"] != heads[1]["fingerprint"]
    seen = [cli("inspect", "photo.png", "--json", *more).out for more in ((), ("--model", "other"))]
    assert seen[0] != seen[1]


@pytest.mark.parametrize(
    "command",
    [
        ("restore", "photo.png"),
        ("inspect", "photo.png"),
        ("train", "check", "."),
        ("bench", "run", "-p", "set5-x2", "-m", "restorekit"),
    ],
    ids=" ".join,
)
def test_the_command_line_refuses_an_unknown_model_in_one_line(installed, cli, photo, command):
    photo("photo.png")
    outcome = cli(*command, "--model", "nope")
    assert outcome.is_one_error() and outcome.err == "error: no model 'nope'; there are base, other\n"


def test_a_basis_of_another_model_is_told_with_the_option_that_chooses_it(tiny, other):
    odd = plugin(
        register_models=lambda: [model_in(other)], register_bases=lambda: [Basis("crisp", "", other / LOOK)]
    )
    with pytest.raises(PluginError, match="no basis 'crisp' of model 'base'; other has one: add --model other"):
        with_plugins(odd).basis("crisp")


def test_plugins_lists_models_with_bases_size_licence_and_digests(installed, cli, tiny, other):
    models = json.loads(cli("plugins", "--json").out)["models"]
    assert [(m["name"], m["default"], m["licence"]) for m in models] == [
        ("base", True, "CC BY-SA 4.0"),
        ("other", False, "CC0"),
    ]
    for model, folder in zip(models, (tiny, other), strict=True):
        assert model["bases"] == sorted((*BASES, LOOK)) and model["looks"] == [FLOW]
        files = [p for p in folder.rglob("*") if p.is_file() and p.name != "sha256sums"]
        assert model["bytes"] == sum(p.stat().st_size for p in files)
        assert model["encoder_sha256"] == digest(folder / "encoder" / "model.safetensors")
        assert model["backbone_sha256"] == load_json(folder / "noise" / RECORD)["backbone_sha256"]
    assert "base (default)" in cli("plugins").out


def test_the_benchmark_runs_its_own_methods_with_the_model_that_is_named(two):
    assert with_model("restorekit", "other", two) == "restorekit@other"
    assert with_model("restorekit-steps:3", "other", two) == "restorekit-steps@other:3"
    assert with_model("restorekit@base", "other", two) == "restorekit@base"
    assert with_model("input", "other", two) == "input"
    assert find_card("restorekit-steps@other:3", two).name == "restorekit-steps"
    with pytest.raises(PluginError, match="no model 'nope'"):
        find_card("restorekit@nope", two)
    assert make("restorekit-steps@other:3", two).model == "other"


def test_the_name_of_the_embedded_network_is_in_its_own_package_only():
    package = Path(restorekit.__file__).parent
    naming = {path for path in package.rglob("*.py") if "flow-unet" in path.read_text()}
    assert {path.parent.name for path in naming} == {"backbone"}


class Moody(BackboneCard):
    """A card whose digest cannot be asked for."""

    sha256 = property(lambda self: 1 / 0)


@pytest.mark.parametrize(
    "network",
    [Moody("net", ARCHITECTURE, Path("nowhere")), BackboneCard("net", ARCHITECTURE, Path("nowhere"))],
    ids=["raises", "has no files"],
)
def test_a_broken_model_of_a_stranger_costs_itself_alone(tiny, cli, monkeypatch, network):
    broken = plugin(register_models=lambda: [ModelCard("other", network, Path("nowhere"))])
    found = [*entry_points(group="restorekit"), Entry("stranger", broken, "restorekit-other")]
    monkeypatch.setattr(catalog, "entry_points", lambda group: found)
    assert restorer_of().failures == ()
    outcome = cli("plugins")
    assert outcome.code == 0 and "unusable with other: stranger: " in outcome.out
    assert json.loads(cli("plugins", "--json").out)["models"][1]["bytes"] is None


def test_without_any_model_the_reason_is_said(cli, photo, monkeypatch):
    photo("photo.png")
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", "nowhere")
    outcome = cli("restore", "photo.png")
    assert outcome.is_one_error() and "RESTOREKIT_WEIGHTS=nowhere is not a folder" in outcome.err
    assert cli("plugins").code == 0
