"""Laws of the table of looks: pictures are the protocols', each way asks for what it says, the best is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from restorekit.bench.datasets import data_roots, load_datasets, locate
from restorekit.bench.errors import BenchError
from restorekit.bench.items import make_item
from restorekit.bench.look import (
    METRICS,
    PROTOCOLS,
    WAYS,
    LookRow,
    Way,
    as_markdown,
    at_hand,
    crop_of,
    items_of,
    measure,
)
from restorekit.bench.metrics import Scorer
from restorekit.bench.odd import psnr
from restorekit.bench.protocol import Metric
from restorekit.image import write_image
from restorekit.plugin.catalog import build_catalog, load_plugins

SIDE = 32
SCORERS = (Scorer(Metric("psnr"), False, psnr),)


class Listening:
    """A restorer that notes how it is asked, and gives back the picture a little darker."""

    def __init__(self, restorer):
        self.catalog, self.bases, self.none, self.asked = restorer.catalog, restorer.bases, restorer.none, []

    def restore(self, image, **how):
        self.asked.append(how)
        return type("Result", (), {"image": image * 0.9})


@pytest.fixture
def located(tmp_path, monkeypatch):
    """Three pictures of 50x84 in the place of the standard set."""
    generator = torch.Generator().manual_seed(0)
    monkeypatch.delenv("RESTOREKIT_DATA", raising=False)
    (tmp_path / "Set5").mkdir()
    for i in range(3):
        write_image(tmp_path / "Set5" / f"{i}.png", torch.rand(1, 3, 50, 84, generator=generator))
    return locate(load_datasets()["Set5"], data_roots(tmp_path))


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.name)
def test_a_crop_is_of_the_picture_that_was_degraded_whole(located, protocol):
    item = make_item(protocol, located, 1, build_catalog(load_plugins()))
    crop = crop_of(item, SIDE)
    assert torch.equal(crop.clean, item.clean[..., :SIDE, 16 : 16 + SIDE])  # on the grid of 16 px
    assert torch.equal(crop.degraded, item.degraded[..., :SIDE, 16 : 16 + SIDE])
    assert not torch.equal(crop.degraded, crop.clean)


def test_a_picture_smaller_than_the_crop_is_an_error_that_names_the_remedy(located):
    item = make_item(PROTOCOLS[0], located, 0, build_catalog(load_plugins()))
    with pytest.raises(BenchError, match="--side"):
        crop_of(item, 64)


def test_pictures_are_spread_over_the_set(located, restorer):
    names = [item.name for item in items_of(PROTOCOLS[0], located, restorer, 2, SIDE)]
    assert names == ["0", "1"] and len(items_of(PROTOCOLS[0], located, restorer, 9, SIDE)) == 3


def test_every_way_has_the_right_bases_and_its_own_options(located, restorer):
    listening = Listening(restorer)
    items = items_of(PROTOCOLS[1], located, restorer, 2, SIDE)
    rows = list(measure(listening, PROTOCOLS[1], items, SCORERS, WAYS))
    assert [row.way for row in rows] == ["input", *(way.name for way in WAYS)]
    asked = dict(zip([way.name for way in WAYS for _ in items], listening.asked, strict=False))
    assert len(listening.asked) == len(WAYS) * len(items)
    for how in listening.asked:
        on = {name: weight for name, weight in how["weights"].items() if weight}
        assert not how["blind"] and on.pop("lowres") == 1 and on in ({}, {"detail": 0.5})
    assert "look" not in asked["look 0"] and asked["detail 0.5"]["weights"]["detail"] == 0.5
    assert (asked["look 1, 8 steps"]["look"], asked["look 1, 8 steps"]["steps"]) == (1, 8)
    assert asked["look 0.5, 4 steps"]["look"] == 0.5
    looks = [how["seed"] for how in listening.asked if how.get("look") == 1]
    assert looks == [0, 1] * 4 and sorted({w.steps for w in WAYS if w.look == 1}) == [1, 2, 4, 8]


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.name)
def test_the_restorer_knows_every_way_and_each_makes_a_picture_of_its_own(located, restorer, protocol):
    items = items_of(protocol, located, restorer, 1, SIDE)
    rows = list(measure(restorer, protocol, items, SCORERS, WAYS))
    assert len({row.scores["psnr"] for row in rows}) == len(WAYS) + 1


def test_a_way_by_a_basis_that_the_model_lacks_is_left_out(restorer):
    assert at_hand(restorer, WAYS) == list(WAYS)
    lacking = Listening(restorer)
    lacking.bases = ("noise",)
    assert at_hand(lacking, WAYS) == [way for way in WAYS if way.name != "detail 0.5"]


def test_figures_are_means_over_the_crops(located, restorer):
    items = items_of(PROTOCOLS[0], located, restorer, 3, SIDE)
    first, second = measure(Listening(restorer), PROTOCOLS[0], items, SCORERS, (Way("plain"),))
    rounded = [(item.degraded.clamp(0, 1) * 255).round() / 255 for item in items]
    expected = sum(psnr(image, item.clean) for image, item in zip(rounded, items, strict=True)) / 3
    assert first.scores["psnr"] == pytest.approx(expected, abs=1e-4)
    assert first.seconds == 0 and second.seconds > 0 and second.way == "plain"


def test_the_table_marks_the_best_of_each_but_the_input():
    def row(way, *values):
        return LookRow("noise", way, dict(zip([m.name for m in METRICS], values, strict=True)), 0.5)

    rows = [row("input", 99, 0.99, 0, 0), row("look 0", 30, 0.9, 0.2, 0.1), row("look 1", 28, 0.8, 0.1, 0.1)]
    rows[0] = replace(rows[0], seconds=0.0)
    lines = as_markdown([*rows, LookRow("blur", "look 0", rows[1].scores)], "8 photographs of X", 192, "fp32")
    assert "| input | 99.00 | 0.9900 | 0.0000 | 0.0000 | - |" in lines
    assert "| look 0 | **30.00** | **0.9000** | 0.2000 | **0.1000** | 0.50 |" in lines
    assert "| look 1 | 28.00 | 0.8000 | **0.1000** | **0.1000** | 0.50 |" in lines
    assert "192x192 px out of the middle of 8 photographs of X" in lines and "## blur" in lines
