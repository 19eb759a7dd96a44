"""Laws of bases that want a pass of their own: alone they change nothing, beside others they come last."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Generator

from restorekit.errors import MixingError, WeightsError
from restorekit.model.basis import Basis, add_to_record
from restorekit.running.restorer import Restorer

PICTURE = torch.rand(1, 3, 60, 90, generator=Generator().manual_seed(0))
BOTH = {"noise": 1.0, "rain": 0.7}


@pytest.fixture
def apart(restorer, tiny, tmp_path, monkeypatch):
    """The tiny model with a basis for rain that wants a pass of its own; `restorer` was made before."""
    copy = shutil.copytree(tiny, tmp_path / "weights")
    add_to_record(copy / "rain", {"apart": True})
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(copy))
    return Restorer.from_pretrained(device="cpu", precision="fp32")


def test_beside_others_it_restores_what_they_leave(apart, restorer):
    def given(one, image, **weights):
        return one.restore(image, weights=weights, blind=False).image

    together = given(apart, PICTURE, **BOTH)
    in_turn = given(restorer, given(restorer, PICTURE, noise=1.0), rain=0.7)
    assert torch.equal(together, in_turn)
    assert (together - given(restorer, PICTURE, **BOTH)).abs().max() > 1e-4


@pytest.mark.parametrize("weights", [{"rain": 1.0}, {"noise": 1.0, "jpeg": 0.5}, {}])
def test_alone_it_has_one_pass_as_any_other(apart, restorer, weights):
    results = [one.restore(PICTURE, weights=weights, blind=False).image for one in (apart, restorer)]
    assert torch.equal(*results)


def test_nothing_is_rounded_to_eight_bits_between_the_passes(apart):
    eight = (PICTURE * 255).round().to(torch.uint8)
    exact = apart.restore(eight / 255, weights=BOTH, blind=False).image
    found = apart.restore(eight, weights=BOTH, blind=False).image
    assert found.dtype == torch.uint8 and (found / 255 - exact).abs().max() < 0.502 / 255


def test_progress_is_that_of_one_work(apart):
    told = []
    apart.restore(PICTURE, weights=BOTH, blind=False, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told) and told[-1][0] == told[-1][1] and len({total for _, total in told}) == 1


def test_one_exported_network_cannot_hold_two_passes(apart, tmp_path):
    exporting = pytest.importorskip("restorekit.running.exporting")
    pytest.importorskip("onnx")
    with pytest.raises(MixingError, match="rain has a pass of its own, after noise"):
        exporting.export_onnx(apart, BOTH, tmp_path / "both.onnx")


def test_what_is_neither_true_nor_false_is_refused(apart, tiny, tmp_path):
    folder = Path(shutil.copytree(tiny / "rain", tmp_path / "rain"))
    add_to_record(folder, {"apart": "yes"})
    with pytest.raises(WeightsError, match="true or false"):
        Basis("rain", "rain", folder).check()
