"""Laws of the judges' training: drawn alike again, fitted to what is worth most, written beside their bases."""

import shutil
from dataclasses import replace

import pytest
import torch
from torch import Generator

from restorekit.model.amount import WEIGHTS, Amount
from restorekit.model.basis import EVIDENCE, Basis
from restorekit.model.evidence import EVIDENCE_LENGTH, JUDGE_LENGTH
from restorekit.training import evidence
from restorekit.training.evidence import Trial, draw, judge_of, lost, main, trials, tried
from restorekit.training.photos import Photos
from restorekit.weighing.tries import weight_by_change
from tests.scene import scene
from tests.training.recipes import CATALOG

PHOTO = (scene(360, 400)[0] * 255).byte()
PHOTOS = Photos((PHOTO,), (PHOTO,), (PHOTO,))
WINS, LOSES = ((30.0, 25.0),) * 2, ((25.0, 30.0),) * 2
NAMES = ("noise", "jpeg", "blur", "lowres", "rain")


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Two read-outs to a judge instead of five."""
    monkeypatch.setattr(evidence, "JUDGES", 2)


def some_trials(count, seed):
    """Pictures with the degradation where the first number is above 0; the key says yes to all."""
    numbers = torch.randn(count, JUDGE_LENGTH, generator=Generator().manual_seed(seed))
    return [
        Trial("rain", row, False, WINS, 1.0) if row[0] > 0 else Trial("rain", row, True, LOSES, 1.0)
        for row in numbers
    ]


def test_the_better_end_loses_nothing_and_the_other_all():
    some = [
        Trial("rain", torch.zeros(2), False, ((30.0, 25.0), (0.0, 0.0)), 0.0),
        Trial("rain", torch.zeros(2), False, ((25.0, 29.0), (0.0, 0.0)), 0.0),
    ]
    assert lost(some, [1.0, 0.0]) == pytest.approx(0)
    assert lost(some, [0.0, 1.0]) == pytest.approx(4.5)
    assert 0 < lost(some, [0.5, 0.5]) < 4.5


def test_a_judge_learns_what_the_change_tells_and_says_how_much_it_loses():
    training, held_out = some_trials(900, 1), some_trials(100, 2)
    judge, figures = judge_of(training, held_out)
    weights = [weight_by_change(judge, trial.numbers) for trial in held_out]
    weights = [1.0 if weight is None else weight for weight in weights]
    assert (figures["pictures"], figures["held_out"]) == (900, 100)
    assert figures["lost_by_judge"] == pytest.approx(lost(held_out, weights), abs=0.02)
    assert figures["lost_by_judge"] < 0.4 * figures["lost_by_key"]


def test_a_judge_spares_pictures_without_the_degradation_more_than_it_helps_the_others():
    """Numbers that tell nothing: each comes once with the degradation and once without, and the answer is no."""
    numbers = torch.randn(200, JUDGE_LENGTH, generator=Generator().manual_seed(3))
    some = [
        Trial("rain", row, spared, LOSES if spared else WINS, 0.5) for row in numbers for spared in (True, False)
    ]
    judge, _ = judge_of(some, some)
    assert judge.logit(numbers).median() < -0.5


def test_pictures_are_drawn_alike_again_with_what_can_happen_to_them():
    degradations = {name: CATALOG.degradation(name) for name in NAMES}
    seen = set()
    for seed in range(40):
        one, again = (draw((PHOTO,), degradations, Generator().manual_seed(seed)) for _ in range(2))
        assert torch.equal(one[0], again[0]) and torch.equal(one[1], again[1]) and one[2:] == again[2:]
        assert one[0].shape == one[1].shape
        seen |= set(one[2])
    assert seen == set(NAMES)


def test_bases_that_a_key_is_unsure_of_are_tried_but_for_what_is_late(restorer, monkeypatch):
    monkeypatch.setattr(evidence, "UNSURE", -1e6)
    monkeypatch.setattr("restorekit.weighing.tries.SURE", 1e6)
    monkeypatch.setattr(evidence, "may_be_tried", lambda name, origins, found: name not in origins.late)
    found, again = (tried(restorer, (PHOTO,), 3) for _ in range(2))
    assert {trial.basis for trial in found} == {
        name for name in restorer.keys if name not in restorer.origins.late
    }
    assert [trial.basis for trial in tried(restorer, (PHOTO,), 3, ["rain"])] == ["rain"]
    for one, other in zip(found, again, strict=True):
        assert torch.equal(one.numbers, other.numbers) and one.ends == other.ends
        assert one.numbers.shape == (JUDGE_LENGTH,) and len(one.ends) == 2


def test_bases_are_tried_beside_the_amounts_that_are_in_use(restorer, monkeypatch):
    monkeypatch.setattr(evidence, "UNSURE", -1e6)
    monkeypatch.setattr("restorekit.weighing.tries.SURE", 1e6)
    monkeypatch.setattr("restorekit.weighing.amounts.unsure", lambda *_: True)
    found = []
    for best in (0.0, 1.0):
        losses = torch.tensor([20 * (weight - best) ** 2 for weight in WEIGHTS])
        numbers = [torch.zeros(shape) for shape in ((0, 8), (0,), (EVIDENCE_LENGTH,), (EVIDENCE_LENGTH,))]
        nets = [torch.zeros(shape) for shape in ((1, EVIDENCE_LENGTH), (1,), (5, 1), (5, EVIDENCE_LENGTH))]
        monkeypatch.setattr(restorer, "judges", {"noise": Amount(*numbers, *nets, losses, torch.zeros(2))})
        found.append(tried(restorer, (PHOTO,), 3, ["rain"])[0])
    assert not torch.equal(found[0].numbers[:-2], found[1].numbers[:-2])
    assert found[0].ends[0] != found[1].ends[0] and found[0].ends[1] == found[1].ends[1]


def test_trying_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    asked = []

    def some(restorer, photos, seed, bases):
        asked.append(seed)
        return [replace(one, basis=("blur", "rain")[seed % 2]) for one in some_trials(seed % 3, seed)]

    monkeypatch.setattr(evidence, "tried", some)
    path = tmp_path / "run" / "trials.safetensors"
    first = trials(None, (), 7, path=path)
    both = trials(None, (), 12, path=path)
    assert sorted(asked) == list(range(12)) and len(first) == 6 and len(both) == 12
    for a, b in zip(both, trials(None, (), 12), strict=True):
        assert torch.equal(a.numbers, b.numbers)
        assert (a.basis, a.spared, a.ends, a.weight) == (b.basis, b.spared, b.ends, b.weight)


def test_a_basis_whose_judge_is_no_better_than_its_key_gets_none(tiny, tmp_path, monkeypatch, capsys):
    shutil.copytree(tiny, tmp_path / "weights")
    right = [Trial(t.basis, t.numbers, t.spared, t.ends, float(not t.spared)) for t in some_trials(40, 1)]
    monkeypatch.setattr(Photos, "load", lambda *_: PHOTOS)
    monkeypatch.setattr(evidence, "tried", lambda restorer, photos, seed, bases: right)
    words = ["judges", str(tmp_path), "--out", str(tmp_path / "weights"), "--pictures", "3", "--held-out", "2"]
    monkeypatch.setattr("sys.argv", words)
    main()
    assert '"kept": false' in capsys.readouterr().out
    assert not (tmp_path / "weights" / "rain" / EVIDENCE).exists()


def test_the_command_writes_a_judge_beside_each_basis(tiny, tmp_path, monkeypatch, capsys):
    shutil.copytree(tiny, tmp_path / "weights")
    monkeypatch.setattr(Photos, "load", lambda *_: PHOTOS)
    monkeypatch.setattr(evidence, "tried", lambda restorer, photos, seed, bases: some_trials(40, seed))
    words = ["judges", str(tmp_path), "--out", str(tmp_path / "weights"), "--pictures", "20", "--held-out", "2"]
    monkeypatch.setattr("sys.argv", words)
    threads = torch.get_num_threads()
    main()
    assert '"basis": "rain"' in capsys.readouterr().out and torch.get_num_threads() == threads
    folder = tmp_path / "weights" / "rain"
    Basis("rain", "rain", folder).check_files()
    assert (folder / EVIDENCE).exists() and Basis("rain", "rain", folder).judge() is not None


def test_a_basis_without_a_key_is_refused_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["judges", str(tmp_path), "--out", str(tmp_path), "--bases", "rain", "fog"])
    with pytest.raises(SystemExit):
        main()
    assert "no key of fog; there are those of blur, " in capsys.readouterr().err
