"""Laws of strange pictures: a note tells of them, and nothing else changes."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Generator

from restorekit.image import read_image
from restorekit.model.encoder import DegradationEncoder
from restorekit.model.familiar import FAMILIAR, save_readout
from restorekit.model.key import BasisKey
from restorekit.model.weights import recorded_sums, shipped_weights
from restorekit.running.restorer import Restorer
from restorekit.training.strange import STRANGE

SAMPLE = Path(__file__).resolve().parents[2] / "benchmarks" / "samples" / "degraded.png"
PICTURE = torch.rand(1, 3, 64, 64, generator=Generator().manual_seed(0))


def readout(length, bias):
    return BasisKey(torch.zeros(length), torch.tensor(bias), torch.zeros(length + 1))


def length_of(encoder):
    return encoder.dimension + encoder.look.in_features


def beside(encoder_of, folder, bias):
    """A copy of an encoder with a read-out that calls every picture as strange as `bias` says."""
    shutil.copytree(encoder_of, folder)
    save_readout(folder, FAMILIAR, readout(length_of(DegradationEncoder.from_folder(folder)), bias), {})
    return folder


@pytest.fixture
def weights_with(tiny, tmp_path, monkeypatch):
    def made(bias):
        copy = tmp_path / "weights"
        shutil.copytree(tiny, copy)
        if bias is not None:
            shutil.rmtree(copy / "encoder")
            beside(tiny / "encoder", copy / "encoder", bias)
        monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(copy))
        return Restorer.from_pretrained(device="cpu", precision="fp32")

    return made


@pytest.mark.parametrize("strange", [-0.5, 4.0])
def test_a_read_out_changes_no_pixel_and_no_weight(restorer, weights_with, strange):
    before, after = restorer.restore(PICTURE), weights_with(strange).restore(PICTURE)
    assert torch.equal(before.image, after.image) and before.weights == after.weights


def test_a_note_says_so_of_a_strange_picture_and_of_no_other(restorer, weights_with):
    assert restorer.inspect(PICTURE)[0].notes == () and weights_with(-0.5).inspect(PICTURE)[0].notes == ()


def test_restoring_a_strange_picture_notes_it_but_not_where_the_user_gives_all_weights(weights_with):
    restorer = weights_with(0.1)
    assert "unlike" in restorer.inspect(PICTURE)[0].notes[0]
    assert any("unlike" in note for note in restorer.restore(PICTURE).notes)
    assert restorer.restore(PICTURE, weights={"noise": 1.0}, blind=False).notes == ()


def test_a_read_out_for_another_encoder_is_passed_over(tiny, tmp_path):
    folder = beside(tiny / "encoder", tmp_path / "encoder", 1.0)
    encoder = DegradationEncoder.from_folder(folder)
    assert encoder.familiar is not None
    with torch.no_grad():
        encoder.out.bias += 1
    encoder.save(folder)
    assert DegradationEncoder.from_folder(folder).familiar is None


@torch.no_grad()
def logit(encoder, picture):
    view = encoder.view(picture)
    features = encoder.features(encoder.see(view.crops), view.crops)
    query = encoder.read(features, view.owners, view.contexts)[0]
    return float(encoder.familiar.logit(torch.cat([query, features.mean(0)])))


def test_the_shipped_read_out_is_of_the_shipped_encoder_and_finds_a_spectrum_stranger_than_its_picture():
    folder = shipped_weights("encoder")
    assert f"{FAMILIAR}.safetensors" in recorded_sums(folder)
    encoder = DegradationEncoder.from_folder(folder)
    assert encoder.familiar is not None, "run python -m restorekit.training.familiar PHOTOS again"
    picture = read_image(SAMPLE).rgb[..., :256, :256]
    assert logit(encoder, picture) <= 0
    assert logit(encoder, STRANGE["spectra"](picture, Generator().manual_seed(0))) > logit(encoder, picture) + 1
