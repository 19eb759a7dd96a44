"""Laws of loose bases: a folder without a package is a basis like any other, under a name of its own."""

import json
import os
import shutil
from importlib.metadata import entry_points

import pytest
import torch

from restorekit.cache import CACHE
from restorekit.errors import PluginError, WeightsError
from restorekit.model.adapter import CONFIG
from restorekit.model.basis import KEY, RECORD
from restorekit.model.weights import SUMS, write_sums
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.plugin.loose import LOOSE, absolute, with_bases
from restorekit.running.restorer import Restorer
from restorekit.work.cluster import Worker
from restorekit.work.request import Options
from tests.plugin.strangers import Entry, fog, fog_basis, plugin

PICTURE = torch.rand(1, 3, 40, 36, generator=torch.Generator().manual_seed(0))


def catalog_of(*hooks):
    entries = [Entry(f"stranger{i}", each) for i, each in enumerate(hooks)]
    return build_catalog(load_plugins([*entry_points(group="restorekit"), *entries]))


def restorer_of(bases, found=None):
    return Restorer.from_pretrained(device="cpu", precision="fp32", catalog=found, bases=bases)


def plain_adapter(folder):
    """A folder as peft leaves it."""
    for name in (RECORD, KEY, SUMS):
        (folder / name).unlink()
    return folder


@pytest.fixture
def folder(tiny, tmp_path):
    return fog_basis(tiny, tmp_path / "fog")


def test_a_loose_basis_restores_as_one_of_a_package_does(folder):
    card = plugin(register_degradations=lambda: [fog()])
    found = catalog_of(card)
    loose = restorer_of([folder], found)
    assert "fog" in loose.keys and loose.catalog.basis("fog").degradation == "fog"
    assert loose.catalog.owner("basis", "fog") == LOOSE and "fog" not in found.bases and not loose.failures
    from restorekit.plugin import Basis

    packed = catalog_of(card, plugin(register_bases=lambda: [Basis("fog", "fog", folder)]))
    expected = restorer_of((), packed).restore(PICTURE)
    result = loose.restore(PICTURE)
    assert torch.equal(result.image, expected.image) and result.weights == expected.weights


def test_without_its_degradation_it_has_no_key_and_its_weight_is_the_users(folder):
    restorer = restorer_of([f"mist={folder}"])
    assert "mist" in restorer.bases and "mist" not in restorer.keys and not restorer.failures
    assert restorer.restore(PICTURE).weights[0]["mist"] == 0
    assert not torch.equal(restorer.restore(PICTURE, weights={"mist": 1.0}, blind=False).image, PICTURE)


def test_an_adapter_of_peft_is_taken_as_it_is_and_nothing_is_written_beside_it(folder, tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    expected = restorer_of([folder]).restore(PICTURE, weights={"fog": 1.0}, blind=False).image
    before = sorted(path.name for path in plain_adapter(folder).iterdir())
    restorer = restorer_of([folder])
    assert torch.equal(restorer.restore(PICTURE, weights={"fog": 1.0}, blind=False).image, expected)
    assert "fog" not in restorer.keys and sorted(path.name for path in folder.iterdir()) == before
    assert "basis fog/adapter_model.safetensors" in restorer.provenance()
    (tmp_path / "cache").rename(tmp_path / "old")
    (tmp_path / "cache").write_text("no folder")
    with pytest.raises(WeightsError, match=f"set {CACHE}"):
        restorer_of([folder])


def test_an_adapter_for_another_network_is_refused_in_one_line(folder, tmp_path, monkeypatch):
    from safetensors.torch import load_file, save_file

    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    path = plain_adapter(folder) / "adapter_model.safetensors"
    save_file({name.replace("head", "foot"): tensor for name, tensor in load_file(path).items()}, path)
    with pytest.raises(WeightsError, match=r"--basis: .*layers that the backbone lacks.*foot"):
        restorer_of([folder])


def refuse(change, said, error, folder, found=None, given=None):
    change(folder)
    with pytest.raises(error, match=said) as raised:
        with_bases(found or catalog_of(), [given or folder])
    assert "\n" not in str(raised.value)


def alter(**values):
    def change(folder):
        record = json.loads((folder / RECORD).read_text()) | values
        (folder / RECORD).write_text(json.dumps(record))
        write_sums(folder)

    return change


def test_what_cannot_be_a_basis_is_refused_with_the_remedy(folder, tiny):
    refuse(lambda f: None, r"taken by denoise; .*NAME=", PluginError, folder, given=tiny / "noise")
    refuse(lambda f: None, "no folder", WeightsError, folder, given="nowhere")
    refuse(lambda f: None, "no folder", WeightsError, folder, given="x" * 5000)
    refuse(lambda f: f.rename(f.parent / "a b"), "NAME=", PluginError, folder, given=folder.parent / "a b")
    folder = (folder.parent / "a b").rename(folder)
    refuse(lambda f: (f / CONFIG).write_text("{}"), "sha256", WeightsError, folder)
    refuse(alter(backbone_sha256="0" * 64), "--again", WeightsError, folder)
    refuse(lambda f: shutil.rmtree(f) or f.mkdir(), "neither basis.json nor", WeightsError, folder)


def test_a_degradation_that_is_no_name_is_none(folder):
    alter(degradation=["fog"])(folder)
    assert with_bases(catalog_of(), [folder]).basis("fog").degradation == ""


def test_two_of_them_have_two_names(folder):
    found = with_bases(catalog_of(), [folder, f"thin={folder}"])
    assert {"fog", "thin"} <= set(found.bases)
    with pytest.raises(PluginError, match="taken by --basis"):
        with_bases(found, [folder])


def test_the_commands_carry_it_to_the_manifest_and_a_clusters_workers(cli, photo, folder, tmp_path, monkeypatch):
    photo("photo.png")
    given = ("--basis", "mist=fog")
    outcome = cli("restore", "photo.png", *given, "--set", "mist=1", "--manifest", "run.jsonl")
    assert outcome.code == 0, outcome.err
    head, line = map(json.loads, (tmp_path / "run.jsonl").read_text().splitlines())
    assert head["options"]["bases"] == ["mist=fog"] and "mist" in head["bases"] and line["weights"]["mist"] == 1
    assert "mist" in cli("inspect", "photo.png", *given).out
    refused = cli("restore", "photo.png", "--basis", "noise=fog", "--overwrite")
    assert refused.is_one_error() and "taken by denoise" in refused.err
    options = Options(bases=tuple(map(absolute, ("mist=fog", "fog"))), device="cpu")
    monkeypatch.chdir(os.sep)
    assert {"mist", "fog"} <= set(Worker(options, 1, None).about["facts"]["bases"])


def test_words_of_a_user_are_made_absolute_and_addresses_stay(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert absolute("fog") == f"fog={tmp_path / 'fog'}" and absolute("a=b/c") == f"a={tmp_path / 'b' / 'c'}"
    assert absolute("https://x/y.zip#sha256=0") == "https://x/y.zip#sha256=0"
    assert absolute("z=https://x/y.zip#sha256=0") == "z=https://x/y.zip#sha256=0"
