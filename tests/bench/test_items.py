"""Laws of degrading by a protocol."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from restorekit.bench.bicubic import resize
from restorekit.bench.datasets import data_roots, load_datasets, locate
from restorekit.bench.items import as_file, luma, make_item
from restorekit.bench.protocol import Metric, Protocol, StepSpec
from restorekit.plugin.catalog import build_catalog, load_plugins

NOISE, RAIN, JPEG = StepSpec("noise", 25.0), StepSpec("rain", 18.0), StepSpec("jpeg", 30.0)


def protocol(*steps: StepSpec, dataset: str = "Set5") -> Protocol:
    names = tuple(s.degradation for s in steps)
    return Protocol("p", "P", dataset, (Metric("psnr"),), steps=steps, present=names, remove=names, seed=1)


@pytest.fixture
def make(small_data: Path):
    catalog = build_catalog(load_plugins())

    def item(chosen: Protocol, index: int = 0):
        located = locate(load_datasets()[chosen.dataset], data_roots(small_data))
        assert located is not None
        return make_item(chosen, located, index, catalog)

    return item


def test_a_picture_is_degraded_alike_every_time_and_differently_from_the_next(make):
    first, again, second = make(protocol(NOISE)), make(protocol(NOISE)), make(protocol(NOISE), 1)
    assert torch.equal(first.degraded, again.degraded)
    assert not torch.equal(first.degraded - first.clean, second.degraded - second.clean)


def test_one_step_is_drawn_alike_with_and_without_another(make):
    alone = make(protocol(NOISE)).realisations["noise"]
    beside = make(protocol(RAIN, NOISE)).realisations["noise"]
    assert torch.equal(alone["field"], beside["field"])


def test_a_selective_target_keeps_the_very_same_noise(make):
    chosen = replace(protocol(RAIN, NOISE), remove=("rain",))
    assert torch.equal(make(chosen).clean, make(protocol(NOISE)).degraded)


def test_denoising_tables_are_neither_clipped_nor_rounded(make):
    as_float, as_bytes = make(replace(protocol(NOISE), stored="float")), make(protocol(NOISE))
    assert float(as_float.degraded.max()) > 1 and float(as_float.degraded.min()) < 0
    assert torch.equal(as_bytes.degraded, as_file(as_float.degraded))
    residual = (as_float.degraded - as_float.clean) * 255
    assert abs(float(residual.std()) - 25) < 0.5


def test_without_steps_the_degraded_picture_is_the_clean_one(make):
    item = make(protocol())
    assert torch.equal(item.degraded, item.clean)


def test_a_paired_set_is_not_degraded_again(make):
    item = make(protocol(dataset="Rain100L"))
    assert item.clean is not None and not torch.equal(item.degraded, item.clean)


def test_super_resolution_crops_to_a_multiple_and_rounds_the_small_picture(make):
    item = make(replace(protocol(), scale=3))
    assert item.clean.shape[-2:] == (30, 36) and item.small.shape[-2:] == (10, 12)
    assert torch.equal(item.small, as_file(item.small))
    assert item.degraded.shape == item.clean.shape


def test_the_grey_table_degrades_matlab_luma(make):
    item = make(replace(protocol(JPEG), source="y"))
    assert item.grey and torch.equal(item.clean[:, 0], item.clean[:, 2])
    assert float(item.clean.min()) >= 16 / 255 - 1e-6 and float(item.clean.max()) <= 235 / 255 + 1e-6


def test_white_and_black_have_studio_luma():
    assert torch.allclose(luma(torch.ones(1, 3, 1, 1)) * 255, torch.tensor(235.0))
    assert torch.allclose(luma(torch.zeros(1, 3, 1, 1)) * 255, torch.tensor(16.0))


@pytest.mark.parametrize("size", [(30, 20), (120, 80), (45, 64)])
def test_bicubic_agrees_with_torch_away_from_the_edges(size: tuple[int, int]):
    image = torch.rand(1, 3, 60, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours = resize(image, *size)
    theirs = F.interpolate(image, size, mode="bicubic", antialias=True, align_corners=False)
    margin = 8
    inner = (..., slice(margin, -margin), slice(margin, -margin))
    assert torch.allclose(ours[inner], theirs[inner], atol=2e-3)


def test_bicubic_keeps_a_flat_picture_flat_up_to_its_edges():
    assert torch.allclose(resize(torch.full((1, 1, 9, 7), 0.3), 4, 21), torch.tensor(0.3))
