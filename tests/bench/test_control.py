"""Laws of the response to weights, on the shipped weights: nothing at 0, more with each step up to 1."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from restorekit.bench.control import (
    WEIGHTS,
    Response,
    as_markdown,
    crops_of,
    degraded,
    measure_crops,
    response,
    share,
)
from restorekit.image import read_image
from restorekit.running.restorer import Restorer
from restorekit.weighing import Wish

SAMPLE = Path(__file__).parents[2] / "benchmarks" / "samples" / "clean.jpg"


@pytest.fixture(scope="module")
def shipped():
    return Restorer.from_pretrained(device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def crops():
    return crops_of([read_image(SAMPLE).rgb], 2, 64)


@pytest.mark.parametrize("basis", ["blur", "jpeg", "lowres", "noise", "rain"])
def test_a_larger_weight_up_to_1_removes_more_and_0_removes_nothing(shipped, crops, basis):
    found = response(shipped, basis, crops)
    upto = [removed for weight, removed in zip(WEIGHTS, found.shares, strict=True) if weight <= 1]
    assert upto[0] == 0 and found.monotone
    assert all(later > earlier for earlier, later in pairwise(upto)), found.shares


def test_a_basis_at_0_leaves_its_degradation_while_another_is_removed(shipped, crops):
    noise = response(shipped, "noise", crops, "rain").shares
    assert abs(noise[0]) < 0.2 and noise[WEIGHTS.index(1.0)] > noise[0] + 0.5


def test_all_at_0_is_the_input_bit_for_bit_whichever_verb_says_so(shipped, crops):
    noisy = degraded(shipped, crops[:1], ["noise"])
    for wish in (Wish(strength=0), Wish(without=shipped.bases)):
        assert torch.equal(shipped.restore(noisy, wish=wish).image, noisy)


def test_the_share_is_0_for_the_input_1_for_the_clean_picture_and_goes_by_the_damage_alone():
    clean, damage = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    damage[..., :2] = 0.5
    other = torch.zeros(1, 3, 4, 4)
    other[..., 2:] = 0.3  # an error elsewhere
    assert share(clean + damage, clean, damage) == 0 and share(clean, clean, damage) == 1
    assert share(clean + other + damage / 2, clean, damage) == pytest.approx(0.5)


def test_the_table_tells_the_shares_and_whether_they_rise():
    rows = [
        Response("noise", "sigma 25", (0, 0.2, 0.4, 0.7, 0.9, 1.1)),
        Response("rain", "", (0, 0.3, 0.2, 1, 1, 1)),
    ]
    lines = as_markdown(rows, "photos", 12, 160).splitlines()
    assert lines[-2] == "| noise | sigma 25 | 0.00 | 0.20 | 0.40 | 0.70 | 0.90 | 1.10 | yes |"
    assert lines[-1].endswith("| no |") and "12 crops of 160x160 out of photos" in "\n".join(lines)


def test_a_command_measures_crops_of_photographs_and_writes_its_table(tiny, photo, tmp_path, capsys):
    for name in "abc":
        photo(f"photos/{name}.png", (40, 36))
    shapes = []

    def rows(restorer, clean):
        shapes.append(tuple(clean.shape))
        yield from ("first", "second")

    arguments = [str(tmp_path / "photos"), "--crops", "2", "--side", "20", "-o", str(tmp_path / "table.md")]
    measure_crops("about it", 12, rows, str.upper, lambda *given: repr(given), arguments)
    assert shapes == [(2, 3, 20, 20)] and capsys.readouterr().out == "FIRST\nSECOND\n"
    assert (tmp_path / "table.md").read_text() == repr((["first", "second"], "photos", 2, 20))
