"""Laws of the tables of examples and of guidance: the wish is what it says, and the tables tell it."""

import pytest
import torch

from restorekit.bench.example import WISHES, ExampleRow, Wanted, as_markdown, measure, pair_of
from restorekit.bench.guidance import GUIDED, WEIGHED, GuidanceRow
from restorekit.bench.guidance import as_markdown as guidance_table
from restorekit.bench.guidance import measure as measure_guidance

CLEAN = torch.rand(1, 3, 40, 48, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.2


def test_a_wish_leaves_in_the_picture_what_it_does_not_name_draw_for_draw(restorer):
    there = {"blur": 1.6, "noise": 15}
    before, after = pair_of(restorer, CLEAN, Wanted(there, {"blur": 1}), 3)
    grain = pair_of(restorer, CLEAN, Wanted({"noise": 15}, {"noise": 1}), 3)[0]
    assert torch.equal(after, grain) and not torch.equal(before, after)
    everything = pair_of(restorer, CLEAN, Wanted(there, dict.fromkeys(there, 1)), 3)
    assert torch.equal(everything[0], before) and (everything[1] - CLEAN).abs().max() <= 0.5 / 255 + 1e-6


def test_half_a_wish_leaves_half(restorer):
    before, after = pair_of(restorer, CLEAN, Wanted({"noise": 15}, {"noise": 0.5}), 3)
    assert torch.allclose(after - CLEAN, (before - CLEAN) / 2, atol=1 / 255)


def test_wishes_of_the_table_are_composites_and_selective_ones():
    assert any(set(w.weights) == set(w.there) and len(w.there) > 1 for w in WISHES)
    assert sum(set(w.weights) < set(w.there) for w in WISHES) >= 4
    assert all(set(w.weights) <= set(w.there) for w in WISHES)


def test_a_row_is_measured_on_other_pictures_than_the_pair(restorer):
    row = measure(restorer, Wanted({"noise": 15}, {"noise": 1}), [CLEAN], [CLEAN.flip(3)])
    assert row.least == row.found and row.explained <= 1 and row.seconds > 0
    lines = as_markdown([row], "Set5", 1, 1, 40).splitlines()
    assert lines[-3].startswith(f"| noise 15 | noise 1 | {row.before:.2f} | {row.right:.2f} | {row.found:.2f} |")


def test_the_table_counts_wishes_that_were_missed_and_those_above_the_encoder():
    rows = [ExampleRow(WISHES[0], 20, 30, 30 + away, 29, 29.9, 0.9, 5) for away in (0.1, -0.1, -0.5)]
    assert (
        "-0.17 dB from the right weights; 1 of 3 wishes more than 0.2 dB below them; above the encoder in 1."
        in (as_markdown(rows, "Set5", 1, 2, 256))
    )


def test_guidance_is_measured_beside_weights_and_the_most_it_gains_is_told(restorer):
    row = measure_guidance(restorer, "noise", 25, CLEAN)
    assert (len(row.weighed), len(row.guided)) == (len(WEIGHED), len(GUIDED))
    low = GuidanceRow("rain", "18", (30, 31, 32, 31, 30), (29, 30, 32.5, 31, 30), (0.7,) * 5, (0.9,) * 5)
    assert low.gain == pytest.approx(0.5) and low.reach == pytest.approx(0.2)
    table = guidance_table([low], "photos", 4, 160)
    assert "over the best weight: +0.50 dB, rain at 18. " in table and table.endswith(": +0.20, rain at 18.\n")
