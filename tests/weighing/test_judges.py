"""Laws of the judges: where a key is unsure, what its basis changes has the last word."""

import shutil
from dataclasses import replace

import pytest
import torch

from restorekit.model.basis import EVIDENCE, Basis, save_basis, save_key
from restorekit.model.encoder import weights_of
from restorekit.model.evidence import JUDGE_LENGTH, evidence
from restorekit.model.key import BasisKey, load_key, write_key
from restorekit.model.weights import write_sums
from restorekit.running.restorer import Restorer
from restorekit.weighing.halves import every_other
from restorekit.weighing.looks import look_twice, read_picture
from restorekit.weighing.origins import Origins

ORIGINS = Origins(late=("noise",), optical=("blur",), sparse=("rain",))


def keys(encoder, blur, noise=1e3):
    size = encoder.dimension
    nothing, gauge = torch.zeros(size), torch.zeros(size + 1)
    return {n: BasisKey(nothing, torch.tensor(bias), gauge) for n, bias in (("noise", noise), ("blur", blur))}


def saying(logit):
    return BasisKey(torch.zeros(JUDGE_LENGTH), torch.tensor(logit), torch.zeros(JUDGE_LENGTH + 1))


def darker(crops, weights):
    return crops * (1 - 0.2 * sum(weights.values()))


@pytest.mark.parametrize("logit", [-20.0, 20.0])
def test_a_judge_has_the_last_word_where_the_key_is_unsure(encoder, image, logit):
    seen = read_picture(encoder, keys(encoder, 0.0), ORIGINS, image, darker, judges={"blur": saying(logit)})
    assert seen.weights == {"noise": 1.0, "blur": float(logit > 0)}


@pytest.mark.parametrize("logit", [-1.4, 1.4])
def test_a_judge_in_doubt_leaves_the_word_to_the_key(encoder, image, logit):
    seen = read_picture(encoder, keys(encoder, 0.0), ORIGINS, image, darker, judges={"blur": saying(logit)})
    assert seen == read_picture(encoder, keys(encoder, 0.0), ORIGINS, image, darker)


@pytest.mark.parametrize(("blur", "weight"), [(-6.0, 0.0), (6.0, 1.0)])
def test_nothing_is_tried_where_the_key_is_sure(encoder, image, blur, weight):
    def remove(crops, weights):
        assert "blur" not in weights
        return crops

    judges = {"blur": saying(-20.0 if weight else 20.0)}
    assert (
        read_picture(encoder, keys(encoder, blur), ORIGINS, image, remove, judges=judges).weights["blur"] == weight
    )


def test_a_judge_of_the_lens_is_asked_only_beside_noise_or_jpeg(encoder, image):
    own = keys(encoder, 0.0, -20.0)
    seen = read_picture(encoder, own, ORIGINS, image, darker, judges={"blur": saying(20.0)})
    assert seen == read_picture(encoder, own, ORIGINS, image, darker) and 0 < seen.weights["blur"] < 1
    own["rain"] = own["blur"]
    seen = read_picture(encoder, own, ORIGINS, image, darker, judges={"rain": saying(20.0)})
    assert seen.weights["rain"] == 1


def test_the_level_between_streaks_is_kept_only_where_no_judge_was_asked(encoder, image):
    def weight(bias, judges):
        own = keys(encoder, bias)
        own["rain"] = own.pop("blur")
        return read_picture(encoder, own, ORIGINS, image, greyer, judges=judges).weights["rain"]

    def greyer(crops, weights):
        return crops - 0.02 * sum(weights.values())

    judges = {"rain": saying(20.0)}
    assert weight(4.0, {}) == pytest.approx(1.2 / 5.1, rel=0.01)
    assert weight(4.0, judges) == 1
    assert weight(6.0, judges) == weight(6.0, {}) < 1


def test_a_judge_of_what_is_late_or_unknown_is_not_asked(encoder, image):
    judges = {"noise": saying(-20.0), "rain": saying(20.0)}
    seen = read_picture(encoder, keys(encoder, -20.0, 2.0), ORIGINS, image, darker, judges=judges)
    assert seen == read_picture(encoder, keys(encoder, -20.0, 2.0), ORIGINS, image, darker)


def test_a_judge_reads_the_change_beside_what_was_found_and_the_keys_answers(encoder, image, monkeypatch):
    view = encoder.view(image)
    own = keys(encoder, 0.5)
    first = encoder.query_of(view)[0]
    asked = []

    def remove(crops, weights):
        asked.append(dict(weights))
        return darker(crops, weights)

    reader = replace(saying(0.0), key=torch.linspace(-0.01, 0.01, JUDGE_LENGTH))
    monkeypatch.setattr("restorekit.weighing.tries.DOUBT", 0.0)
    seen = read_picture(encoder, own, ORIGINS, image, remove, judges={"blur": reader}).weights["blur"]
    half = every_other(view, 0).crops
    numbers = evidence(darker(half, {"noise": 1.0}), darker(half, {"noise": 1.0, "blur": 1.0}))
    logit = reader.logit(torch.cat([numbers, torch.tensor([0.5, 0.5])]))
    assert {"noise": 1.0, "blur": 1.0} in asked
    assert seen == pytest.approx(float(weights_of(logit)))
    assert torch.equal(look_twice(encoder, own, ORIGINS, view, first, darker)[1], first)


def test_a_judge_goes_when_its_basis_or_its_key_is_another(tiny, tmp_path):
    folder = tmp_path / "blur"
    shutil.copytree(tiny / "blur", folder)
    basis = Basis("blur", "blur", folder)

    def judge():
        write_key(folder / EVIDENCE, saying(1.0))
        write_sums(folder)
        assert basis.judge() is not None

    def save(layers):
        save_basis(folder, layers, rank=basis.rank, backbone_sha256=basis.backbone_sha256, degradation="blur")
        basis.check_files()

    judge()
    save(basis.layers())
    assert basis.judge() is not None
    save({name: replace(layer, up=2 * layer.up) for name, layer in basis.layers().items()})
    assert basis.judge() is None
    judge()
    save_key(folder, load_key(folder / "basis.safetensors"), encoder_sha256=basis.encoder_sha256)
    basis.check_files()
    assert basis.judge() is None


def test_a_judge_comes_with_its_basis_and_one_of_another_length_costs_it(tiny, tmp_path, monkeypatch):
    shutil.copytree(tiny, tmp_path / "weights")
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(tmp_path / "weights"))
    folder = tmp_path / "weights" / "rain"
    write_key(folder / EVIDENCE, saying(1.0))
    write_sums(folder)
    restorer = Restorer.from_pretrained(device="cpu", precision="fp32")
    assert list(restorer.judges) == ["rain"] and restorer.blind.judges == restorer.judges
    assert "basis rain/evidence.safetensors" in restorer.provenance()
    short = BasisKey(torch.zeros(3), torch.zeros(()), torch.zeros(4))
    write_key(folder / EVIDENCE, short)
    write_sums(folder)
    left = Restorer.from_pretrained(device="cpu", precision="fp32")
    assert "rain" not in left.bases and any(
        "reads 3 numbers" in str(failure) and "restorekit.training.evidence" in str(failure)
        for failure in left.failures
    )
