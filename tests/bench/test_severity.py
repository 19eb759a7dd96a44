"""Laws of the accuracy of severities: what is measured, what is written down, and what `inspect` shows of it."""

import json
import shutil

import pytest
import torch
from torch import Generator

from restorekit.bench.severity import Estimate, as_markdown, errors_by_estimate, estimates
from restorekit.errors import WeightsError
from restorekit.model.basis import SEVERITY, Basis, drop_key, save_key, save_severity
from restorekit.model.weights import save_json, write_sums
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.running.restorer import Restorer
from restorekit.work.words import with_error


@pytest.fixture
def basis(tiny, tmp_path):
    folder = tmp_path / "noise"
    shutil.copytree(tiny / "noise", folder)

    def made(pairs):
        save_json(folder / SEVERITY, {"errors": pairs})
        write_sums(folder)
        return Basis("noise", "noise", folder)

    return made


def test_two_of_three_pictures_lie_within_the_error_that_is_recorded():
    truths = torch.linspace(5, 75, 300).tolist()
    wrong = torch.randn(300, generator=Generator().manual_seed(0)).tolist()
    found = [Estimate("noise", t, t + w * t / 20, 1.0) for t, w in zip(truths, wrong, strict=True)]
    pairs = errors_by_estimate(found)
    assert pairs == sorted(pairs) and pairs[-1][1] > 2 * pairs[0][1]
    nearest = [min(pairs, key=lambda pair, one=one: abs(pair[0] - one.estimate))[1] for one in found]
    within = sum(one.error <= error for one, error in zip(found, nearest, strict=True)) / len(found)
    assert 0.6 < within < 0.75


def test_pictures_whose_weight_is_near_zero_count_for_nothing():
    assert errors_by_estimate([Estimate("noise", 25.0, 99.0, 0.0)] * 9) == []


def test_an_error_lies_between_those_of_the_neighbouring_estimates(basis):
    noise = basis([[10, 1.0], [20, 3.0]])
    assert [noise.severity_error(value) for value in (0, 10, 15, 20, 99)] == [1, 1, 2, 3, 3]
    assert basis([]).severity_error(5) is None


@pytest.mark.parametrize(
    "pairs", [[[2, 1], [1, 1]], [[1, -1]], [[1, "much"]], [1], 7, [[1, float("nan")]]], ids=str
)
def test_errors_that_make_no_sense_are_refused_with_the_remedy(basis, pairs):
    with pytest.raises(WeightsError, match=r"restorekit.bench.severity"):
        basis(pairs).check_files()


def test_a_new_key_makes_the_old_errors_untrue(basis):
    noise = basis([[10, 1.0]])
    save_key(noise.folder, noise.key())
    assert Basis("noise", "noise", noise.folder).severity_errors == ()


def test_without_a_key_there_are_no_errors_of_its_gauge(basis):
    noise = basis([[10, 1.0]])
    drop_key(noise.folder, figures={"found": 0.1})
    assert not (noise.folder / SEVERITY).exists()
    made = Basis("noise", "noise", noise.folder)
    made.check_files()  # the sums too
    assert made.key() is None and made.severity_errors == ()


def test_a_severity_is_shown_with_its_error_in_its_unit_and_never_as_exact(tiny, basis):
    catalog = build_catalog(load_plugins())
    assert with_error("jpeg", 24.2, catalog) == "quality 24"  # nobody has measured the tiny weights
    catalog.bases["noise"].__dict__["severity_errors"] = ((10.0, 0.01), (30.0, 2.4))
    assert (
        with_error("noise", 30.0, catalog) == "sigma 30 ± 2" and with_error("noise", 10, catalog) == "sigma 10 ± 1"
    )


def test_inspect_tells_the_error_to_a_program(cli, tiny, photo, tmp_path, monkeypatch):
    copy = tmp_path / "weights"
    shutil.copytree(tiny, copy)
    save_severity(copy / "noise", [(0, 1.5), (75, 1.5)])
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(copy))
    photo("photo.png")
    assert json.loads(cli("inspect", "photo.png", "--json").out)["severity_errors"] == {"noise": 1.5}


def test_every_keyed_basis_is_measured_from_mild_to_strong_alone_and_beside_others(tiny):
    restorer = Restorer.from_pretrained(device="cpu", precision="fp32")
    photos = list(torch.rand(2, 3, 40, 40, generator=Generator().manual_seed(0)).split(1))
    found = list(estimates(restorer, photos, 4))
    for name in restorer.keys:
        scale = restorer.catalog.degradation(name).severity
        mine = [one for one in found if one.basis == name]
        assert [bool(one.beside) for one in mine] == [False, True] * 2 and len({one.true for one in mine}) == 4
        assert all(min(scale.mild, scale.strong) <= one.true <= max(scale.mild, scale.strong) for one in mine)
    assert "| noise | all |" in as_markdown([Estimate("noise", 9, 9, 1, b) for b in ("", "rain")], restorer, 2)


def test_measured_errors_change_nothing_of_what_a_result_says_of_its_weights(tiny, tmp_path, monkeypatch):
    copy = tmp_path / "weights"
    shutil.copytree(tiny, copy)
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(copy))
    before = Restorer.from_pretrained(device="cpu", precision="fp32").provenance()
    save_severity(copy / "noise", [(0, 1.5), (75, 1.5)])
    assert Restorer.from_pretrained(device="cpu", precision="fp32").provenance() == before
