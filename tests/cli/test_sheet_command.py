"""Laws of `restorekit bench sheet`."""

from __future__ import annotations

import pytest

from restorekit.bench.datasets import ENVIRONMENT
from restorekit.bench.sheet import GAP
from restorekit.bench.strips import CROP, LABEL
from restorekit.image import read_image


@pytest.fixture(autouse=True)
def no_sets_but_those_made_here(monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)


def test_the_sheet_shows_every_picture_before_and_after(cli, photo):
    for i in range(3):
        photo(f"data/Set5/{i}.png", (40, 36))
    arguments = ("bench", "sheet", "-p", "set5-x2", "-m", "input", "--data", "data", "-o", "sheet.png")
    assert cli(*arguments, "--columns", "2").code == 0
    assert read_image("sheet.png").values.shape[-2:] == (2 * (CROP + LABEL + GAP), 2 * (2 * CROP + GAP))
    again = cli(*arguments)
    assert again.is_one_error() and "--overwrite" in again.err


def test_a_sheet_of_nothing_is_refused_with_the_remedy(cli):
    outcome = cli("bench", "sheet", "--data", ".", "-p", "set5-x2", "-o", "sheet.png")
    assert outcome.is_one_error() and "bench list" in outcome.err
