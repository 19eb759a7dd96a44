"""Proof that the harness is right: figures that everybody gets, on the very files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from restorekit.bench.datasets import data_roots, load_datasets
from restorekit.bench.protocol_files import load_protocols
from restorekit.bench.run import plan, run
from restorekit.bench.scoring import RunOptions
from restorekit.plugin.catalog import build_catalog, load_plugins
from tests.bench.test_run import Notes

ROOT = Path(__file__).parents[2]

pytest.importorskip("pyiqa", reason="scoring needs restorekit[bench]")


def mean(data: Path, results: Path, protocol: str, key: str, method: str = "input", limit: int = 0) -> float:
    catalog, notes = build_catalog(load_plugins()), Notes()
    options = RunOptions(results, data_roots(data), ("psnr",), limit)
    pairs = plan(load_protocols().select([protocol]), [method], catalog, load_datasets(), options, notes)
    if notes.skipped_pairs:
        pytest.skip("; ".join(f"{m}: {reason}" for _, m, reason in notes.skipped_pairs))
    run(pairs, catalog, options, notes)
    assert not notes.failed_pairs
    value = notes.results[0].mean(key)
    assert value is not None
    return value


@pytest.mark.parametrize(
    ("protocol", "key", "published", "within"),
    [
        ("set5-x2", "psnr-y-b2", 33.66, 0.04),
        ("set5-x3", "psnr-y-b3", 30.39, 0.03),
        ("set5-x4", "psnr-y-b4", 28.42, 0.03),
        ("live1-jpeg10-y", "psnr-grey", 27.77, 0.03),
        ("classic5-jpeg10-y", "psnr-grey", 27.82, 0.03),
        ("live1-jpeg10-rgb", "psnr-rgb", 25.69, 0.03),
        ("sots-indoor", "psnr-rgb", 11.91, 0.01),
        ("rain100l", "psnr-y", 29.72, 0.01),
        ("polyu", "psnr-rgb", 35.97, 0.01),
    ],
)
def test_the_input_scores_what_it_scores_everywhere(
    data: Path, tmp_path: Path, protocol: str, key: str, published: float, within: float
):
    assert mean(data, tmp_path, protocol, key) == pytest.approx(published, abs=within)


@pytest.mark.parametrize(("method", "published"), [("bm3d", 30.71), ("ffdnet", 31.21)])
def test_denoisers_reach_their_published_scores(data: Path, tmp_path: Path, method: str, published: float):
    """All 68 pictures did, and the first four still score what they scored then."""
    kept = json.loads((ROOT / "benchmarks" / "results" / "cbsd68-noise25" / f"{method}.json").read_text())
    assert len(kept["scores"]) == 68 and kept["means"]["psnr-rgb"] == pytest.approx(published, abs=0.1)
    first = [score["scores"]["psnr-rgb"] for score in kept["scores"][:4]]
    value = mean(data, tmp_path, "cbsd68-noise25", "psnr-rgb", method, limit=4)
    assert value == pytest.approx(sum(first) / 4, abs=0.01)
