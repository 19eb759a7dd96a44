"""Laws of the speed table: that it is measured and said, in either precision. How fast things are is no law."""

from __future__ import annotations

import pytest
import torch

from restorekit.bench.photograph_timing import photograph_ratios
from restorekit.bench.speed import as_markdown
from restorekit.bench.timing import (
    Ratio,
    arithmetic_ratio,
    bases_ratio,
    count_operations,
    encoder_ratio,
    first_ratio,
    in_turns,
    mixing_ratio,
    precision_ratio,
)
from restorekit.image import write_image
from restorekit.running import device
from tests.scene import scene


def test_the_first_round_does_not_count_and_the_median_of_the_others_does():
    calls: list[str] = []
    row = in_turns("a", "b", lambda: calls.append("a"), lambda: calls.append("b"), 3)
    assert "".join(calls) == "abababab"  # in turns
    assert row.what == "a" and row.seconds > 0 and row.ratio == row.seconds / row.reference_seconds


@pytest.mark.parametrize("pays", [False, True])
def test_everything_is_measured_in_the_precision_that_is_chosen(tiny, monkeypatch, pays):
    monkeypatch.setattr(device, "bf16_pays", lambda gradients=False: pays)
    rows = [mixing_ratio(64, 1), encoder_ratio(64, 1), arithmetic_ratio(64, 1, side=64), precision_ratio(64, 1)]
    rows += [bases_ratio(5, 64, 1), first_ratio(64)]
    assert all(row.ratio > 0 for row in rows)
    assert ("bf16" if pays else "fp32") in rows[2].note and "GFLOP/s" in rows[2].note


def test_photographs_are_timed_blind_and_with_what_was_found(tiny, tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        write_image(tmp_path / name, scene(80, 96))
    rows = photograph_ratios(tmp_path, count=2, size=64, rounds=1)
    assert [row.what for row in rows if row.reference == "as found"] == [
        f"2 photographs with {kind}, blind"
        for kind in ("noise 25", "jpeg 30", "rain 18 + noise 15", "blur 1.6 + jpeg 60")
    ]
    assert [row.what for row in rows if row.reference != "as found"] in (
        [],  # without FFDNet
        ["2 photographs with noise 25, blind"],
    )
    assert all(row.ratio > 0 for row in rows)


def test_operations_are_counted():
    assert count_operations(lambda: torch.ones(3, 4) @ torch.ones(4, 5)) == 2 * 3 * 4 * 5


def test_the_table_has_a_line_for_each_and_names_the_machine():
    table = as_markdown([Ratio("this", "that", 1.0, 4.0, "a note")])
    assert "| this | 1 | that | 4 | 0.25 | a note |" in table and "threads" in table
