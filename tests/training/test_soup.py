"""Laws of going part of the way that trainings went: no share changes nothing, all of it is the training."""

import shutil
from dataclasses import replace

import pytest
import torch

from restorekit.errors import TrainingError
from restorekit.model.basis import Basis, LoraLayer, save_basis
from restorekit.model.weights import digest
from restorekit.training.soup import main, souped

START = {
    "a": LoraLayer(torch.zeros(2, 3), torch.ones(4, 2)),
    "b": LoraLayer(torch.ones(1, 3, 3, 3), torch.ones(5, 1)),
}


def moved(by):
    return {name: LoraLayer(layer.down + by, layer.up - by) for name, layer in START.items()}


def test_shares_add_up_factor_by_factor():
    mixed = souped(START, [(moved(1.0), 0.5), (moved(2.0), 0.25)])
    assert mixed.keys() == START.keys()
    for name, layer in mixed.items():
        assert torch.equal(layer.down, START[name].down + 1) and torch.equal(layer.up, START[name].up - 1)


def test_a_training_of_another_basis_is_refused_by_the_layer():
    other = {"a": START["a"], "b": replace(START["b"], up=torch.ones(6, 1))}
    for wrong in (other, {"a": START["a"]}, START | {"c": START["a"]}):
        with pytest.raises(TrainingError, match=r"layer [bc] is another one"):
            souped(START, [(wrong, 0.5)])


@pytest.fixture
def folders(tiny, tmp_path):
    """A basis with its key, and a training of it as a run exports it."""
    shutil.copytree(tiny / "noise", tmp_path / "noise")
    basis = Basis("noise", "noise", tmp_path / "noise")
    layers = {name: replace(layer, up=layer.up + 0.5) for name, layer in basis.layers().items()}
    digests = {"backbone_sha256": basis.backbone_sha256, "degradation": "noise"}
    save_basis(tmp_path / "run", layers, rank=basis.rank, **digests)
    return basis, tmp_path / "run"


def test_the_command_goes_part_of_the_way_and_keeps_the_key(folders):
    basis, run = folders
    before, key = basis.layers(), digest(basis.folder / "basis.safetensors")
    main([str(basis.folder), f"{run}=0.5"])
    after = Basis("noise", "noise", basis.folder)
    after.check_files()
    assert digest(basis.folder / "basis.safetensors") == key and after.encoder_sha256 == basis.encoder_sha256
    for name, layer in after.layers().items():
        assert torch.allclose(layer.up, before[name].up + 0.25, atol=1e-3)
        assert torch.equal(layer.down, before[name].down)


def test_what_cannot_be_mixed_is_said_and_nothing_is_changed(folders, tmp_path, capsys):
    basis, run = folders
    before = digest(basis.folder / "adapter_model.safetensors")
    other = tmp_path / "other"
    save_basis(other, basis.layers(), rank=basis.rank, backbone_sha256="0" * 64, degradation="noise")
    for words, said in (
        ([str(run)], "is no FOLDER=SHARE"),
        ([f"{other}=0.5"], "is for another backbone"),
        ([f"{tmp_path / 'none'}=0.5"], "there is no folder"),
    ):
        with pytest.raises(SystemExit):
            main([str(basis.folder), *words])
        assert said in capsys.readouterr().err
    assert digest(basis.folder / "adapter_model.safetensors") == before
