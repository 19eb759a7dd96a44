"""Laws of `restorekit train basis`, from the command line."""

import json

import numpy as np
import pytest
from PIL import Image

from restorekit.model.basis import KEY, Basis
from restorekit.model.weights import digest, load_json, verify
from restorekit.training.readout import ENOUGH


@pytest.fixture
def photos(tmp_path):
    """Sixteen photographs of nothing in particular."""
    random = np.random.default_rng(0)
    for i in range(16):
        coarse = random.integers(0, 255, (14, 14, 3), dtype=np.uint8)
        path = tmp_path / "photos" / f"{i:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(coarse).resize((210, 200), Image.Resampling.BICUBIC).save(path)
    return "photos"


@pytest.fixture(autouse=True)
def quick_keys(monkeypatch):
    """Fewer steps in the fit of a key, whose quality tests/training/test_key.py judges."""
    monkeypatch.setattr("restorekit.training.readout.STEPS", 80)


@pytest.fixture
def two_bases(monkeypatch):
    """Blur, which is trained anew, and noise."""
    monkeypatch.setenv("RESTOREKIT_BLOCK_PLUGINS", "derain,dejpeg,sr,detail")


SHORT = ("--iterations", "20", "--patch", "16", "--rank", "2", "--threads", "1")


@pytest.mark.parametrize("seed", range(2))
def test_a_basis_is_trained_beside_another_from_any_seed(cli, two_bases, photos, seed):
    outcome = cli("train", "basis", "blur", photos, *SHORT, "--seed", str(seed))
    assert outcome.code == 0, outcome.err
    assert "blur+noise" in outcome.err and "Traceback" not in outcome.err


def test_what_is_exported_says_how_good_its_key_is_and_what_it_reads(cli, tiny, two_bases, photos, tmp_path):
    outcome = cli("train", "basis", "blur", photos, *SHORT, "--looks", "40", "--export", "out")
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "out"
    for name in ("basis.json", "adapter_config.json", "adapter_model.safetensors"):
        verify(folder / name)
    record = load_json(folder / "basis.json")
    assert set(record["key"]) - {"kin"} == {"accuracy", "found", "false_alarms", "queries", "natural"}
    assert 100 < record["key"]["queries"] <= 160 and record["key"]["false_alarms"] <= 0.01
    good = record["key"]["found"] >= ENOUGH
    assert (folder / KEY).exists() == good == ("encoder_sha256" in record)
    if good:
        assert record["encoder_sha256"] == digest(tiny / "encoder" / "model.safetensors")
    word = "\nkey: finds" if good else "\nno key: it finds"
    assert word in outcome.err and f"{record['key']['found']:.1%}" in outcome.err
    Basis("blur", "blur", folder).check()


def test_a_key_that_finds_too_little_goes_and_one_that_finds_enough_comes(
    cli, tiny, two_bases, photos, tmp_path, monkeypatch
):
    arguments = ("train", "basis", "blur", photos, *SHORT, "--looks", "20", "--export", "out")
    monkeypatch.setattr("restorekit.training.readout.ENOUGH", 0.0)
    assert "\nkey: finds" in cli(*arguments).err
    record = load_json(tmp_path / "out" / "basis.json")
    assert record["encoder_sha256"] == digest(tiny / "encoder" / "model.safetensors")
    assert Basis("blur", "blur", tmp_path / "out").key() is not None
    monkeypatch.setattr("restorekit.training.readout.ENOUGH", 1.1)
    outcome = cli(*arguments)  # goes on from the checkpoint of a finished training
    assert "no key: it finds" in outcome.err and "--set blur=1" in outcome.err
    basis = Basis("blur", "blur", tmp_path / "out")
    basis.check()
    assert basis.key() is None and basis.encoder_sha256 == ""


def test_a_broken_basis_of_a_stranger_is_a_warning_and_the_training_goes_on(
    cli, tiny, two_bases, photos, tmp_path, monkeypatch
):
    import shutil

    copy = tmp_path / "weights"
    shutil.copytree(tiny, copy)
    (copy / "noise" / "adapter_config.json").write_text(json.dumps({}))
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(copy))
    outcome = cli("train", "basis", "blur", photos, *SHORT)
    assert outcome.code == 0 and "warning: denoise: its basis 'noise' is refused" in outcome.err
    assert "blur+noise" not in outcome.err
