"""Laws of the training of amounts: drawn alike again, fitted to decibels, gone on with, written beside a basis."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from torch import Generator

from restorekit.model.amount import WEIGHTS, Amount
from restorekit.model.basis import Basis
from restorekit.model.evidence import EVIDENCE_LENGTH
from restorekit.training import amount_samples, amounts
from restorekit.training.amount_samples import Sample, sample, samples
from restorekit.training.amounts import TOGETHER, amount_of, compared, fit, least_of, lost, main
from restorekit.training.developed import MAKES, drawn, drawn_beside, drawn_file, shot
from restorekit.training.photos import Photos
from restorekit.training.runs import FIRST_PARTY
from tests.scene import scene
from tests.training.recipes import CATALOG

PHOTO = (scene(360, 400)[0] * 255).byte()
PHOTOS = Photos((PHOTO,), (PHOTO,), (PHOTO,))
KEYS = torch.zeros(6, 8), torch.zeros(6)
LENGTH = EVIDENCE_LENGTH + len(KEYS[0])


def some_samples(count, seed, weight=0.5):
    """Pictures that want all of the basis where the first number is above 0, and none where it is below."""
    numbers = torch.randn(count, LENGTH, generator=Generator().manual_seed(seed))
    best = (numbers[:, :1] > 0).float()
    errors = 10 ** (-3 + 0.6 * (torch.tensor(WEIGHTS) - best).square())
    makes = [m for m in MAKES if m.endswith("clean")], [m for m in MAKES if not m.endswith("clean")]
    names = [makes[int(wants)][i % len(makes[int(wants)])] for i, wants in enumerate(best[:, 0])]
    return [Sample(*row, weight, name) for *row, name in zip(numbers, errors, names, strict=True)]


@pytest.fixture(autouse=True)
def shorter(monkeypatch):
    monkeypatch.setattr(amounts, "NETS", 2)
    monkeypatch.setattr(amounts, "STEPS", 300)


def test_pictures_are_drawn_alike_again_with_noise_and_without():
    degradations = {name: CATALOG.degradation(name) for name in FIRST_PARTY}
    seen = set()
    for seed in range(24):
        for make in (drawn, drawn_beside, drawn_file, shot):
            one, again = (make((PHOTO,), degradations, Generator().manual_seed(seed)) for _ in range(2))
            assert torch.equal(one[0], again[0]) and torch.equal(one[1], again[1]) and one[2] == again[2]
            assert one[0].shape == one[1].shape and one[0].shape[-1] >= 160
            assert one[0].min() >= 0 and one[0].max() <= 1
            seen.add(one[2])
    assert len(seen) > 5 and seen <= set(MAKES)


def test_the_best_weight_loses_nothing_and_the_worst_all():
    errors = torch.tensor([1e-2, 4e-3, 2e-3, 1.2e-3, 1e-3])
    one = Sample(torch.zeros(LENGTH), errors, 0.0, "camera")
    assert lost([one], [1.0]) == pytest.approx(0, abs=0.05)
    assert lost([one], [0.0]) == pytest.approx(10, abs=0.1)
    assert 0 < lost([one], [0.6]) < lost([one], [0.3]) < 10


def test_a_net_learns_what_the_change_tells_and_says_how_much_it_loses():
    training, held_out = some_samples(900, 1), some_samples(120, 2)
    amount = fit(training, KEYS)
    figures = compared(amount, held_out)
    assert figures["pictures"] == 120 and figures["worse"] < 0.2 < 0.3 < figures["better"]
    assert figures["lost_by_amount"] < 0.7 * figures["lost_by_key"]
    again = fit(training, KEYS)
    assert torch.equal(amount.down, again.down) and torch.equal(amount.bias, again.bias)


def test_a_wrong_fit_has_to_promise_more_than_one_that_is_right():
    some = some_samples(400, 3)
    amount = fit(some, KEYS)
    wrong = replace(amount, straight=-0.1 * amount.straight, up=-0.1 * amount.up, bias=-0.1 * amount.bias)
    right, other = (least_of([(a, one) for one in some]) for a in (amount, wrong))
    assert float(right.max()) < 0.3 < float(other.min())


def test_each_make_of_noise_is_left_out_of_a_fit_and_the_figures_say_which(capsys):
    amount = amount_of(some_samples(240, 1), some_samples(120, 2), KEYS, print)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["makes"] for line in lines[:4]] == [" ".join(makes) for makes in TOGETHER]
    assert {line["fit"] for line in lines[:-1]} == {"left out", "all"} and lines[-1]["fitted_to"] == 240
    assert amount.least.shape == (2,) and lines[-1]["least"] == pytest.approx(amount.least.tolist(), abs=1e-3)


def test_a_picture_is_measured_alike_again_and_only_where_the_key_is_unsure(restorer, monkeypatch):
    monkeypatch.setattr(amount_samples, "unsure", lambda key, first, least: True)
    other = sample(restorer, (PHOTO,), 3, "beside")
    assert other.make.startswith("beside")
    one, again = (sample(restorer, (PHOTO,), 3) for _ in range(2))
    assert torch.equal(one.numbers, again.numbers) and torch.equal(one.errors, again.errors)
    assert one.numbers.shape == (LENGTH,) and one.errors.shape == (len(WEIGHTS),) and 0 <= one.weight <= 1
    monkeypatch.setattr(amount_samples, "unsure", lambda key, first, least: False)
    assert sample(restorer, (PHOTO,), 3) is None


def test_gathering_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    asked = []

    def one(restorer, photos, seed, lot):
        asked.append(seed)
        return some_samples(1, seed)[0] if seed % 3 else None

    monkeypatch.setattr(amount_samples, "sample", one)
    path = tmp_path / "run" / "samples.safetensors"
    lines = []
    first = samples(None, (), 7, path, lines.append)
    both = samples(None, (), 12, path, lines.append)
    assert [line.split(" ")[0] for line in lines] == ["7/7", "12/12"]
    assert sorted(asked) == list(range(12)) and len(first) == 4 and len(both) == 8
    for a, b in zip(both, samples(None, (), 12), strict=True):
        assert torch.equal(a.numbers, b.numbers) and torch.equal(a.errors, b.errors)
        assert (a.weight, a.make) == (b.weight, b.make)


def test_a_file_counts_only_where_the_key_sees_that_it_is_one(restorer, monkeypatch):
    monkeypatch.setattr(amount_samples, "unsure", lambda key, first, least: True)
    for others in ([], ["jpeg"]):
        monkeypatch.setattr(amount_samples, "others_found", lambda found, name, others=others: others)
        assert (sample(restorer, (PHOTO,), 5, "files") is not None) == bool(others)
        assert sample(restorer, (PHOTO,), 5) is not None


def command(tiny, folder, monkeypatch, *words):
    """Run the command on drawn samples; the noise basis, and the lots that were asked for, with their number."""
    if not (folder / "weights").exists():
        shutil.copytree(tiny, folder / "weights")
    asked = {}

    def drawn_alike(restorer, photos, count, path, tell, lot):
        asked[lot] = asked.get(lot, 0) + count
        return some_samples(count, count + len(lot))

    monkeypatch.setattr(Photos, "load", lambda *_: PHOTOS)
    monkeypatch.setattr(amounts, "samples", drawn_alike)
    monkeypatch.setattr(amounts, "STEPS", 40)  # what is learnt is another test's
    monkeypatch.setattr("sys.argv", ["amounts", str(folder), "--out", str(folder / "weights"), *words])
    main()
    basis = Basis("noise", "noise", folder / "weights" / "noise")
    basis.check_files()
    return basis.judge(), asked


def test_the_command_writes_an_amount_beside_the_basis_and_one_for_files_with_it(
    tiny, tmp_path, monkeypatch, capsys
):
    words = ["--pictures", "40", "--beside", "20", "--files", "24", "--held-out", "0.5"]
    both, asked = command(tiny, tmp_path, monkeypatch, *words)
    assert asked == {"developed": 60, "beside": 30, "files": 36}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["fitted_to"] for line in lines if "fitted_to" in line] == [60, 24]
    assert isinstance(both, Amount) and isinstance(both.beside, Amount)
    alone, asked = command(tiny, tmp_path, monkeypatch, "--pictures", "0", "--files", "32", "--held-out", "0.5")
    assert asked == {"files": 48} and torch.equal(alone.down, both.down)
    assert not torch.equal(alone.beside.down, both.beside.down)
    again, _ = command(tiny, tmp_path, monkeypatch, *words[:4], "--files", "0", "--held-out", "0.5")
    assert torch.equal(again.down, both.down) and torch.equal(again.beside.down, alone.beside.down)


def test_files_alone_want_an_amount_that_is_there(tiny, tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        command(tiny, tmp_path, monkeypatch, "--pictures", "0")
    assert "give --pictures" in capsys.readouterr().err


def test_a_number_of_held_out_pictures_is_refused_where_a_share_is_asked_for(tiny, tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        command(tiny, tmp_path, monkeypatch, "--held-out", "1200")
    assert "a share between 0 and 1, not 1200" in capsys.readouterr().err
