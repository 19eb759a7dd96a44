"""Laws of the benchmark's data files."""

from __future__ import annotations

from pathlib import Path

import pytest

from restorekit.bench.datasets import load_datasets
from restorekit.bench.errors import BenchError
from restorekit.bench.folder import benchmarks_folder
from restorekit.bench.protocol_files import load_protocols
from restorekit.plugin.catalog import build_catalog, load_plugins

GOOD = """
[sources]
paper = "Somebody, 2020"
[[protocol]]
name = "one"
title = "One"
dataset = "Set5"
steps = [{ degradation = "noise", severity = 25 }]
metrics = [{ metric = "psnr" }]
published = [{ method = "Theirs", scores = { psnr-rgb = 30.0 }, source = "paper" }]
[groups.all]
title = "All"
protocols = ["one"]
"""


def written(folder: Path, text: str) -> Path:
    (folder / "test.toml").write_text(text)
    return folder


def test_every_protocol_names_a_known_dataset_and_known_degradations():
    protocols, datasets = load_protocols(), load_datasets()
    catalog = build_catalog(load_plugins())
    for protocol in protocols.protocols.values():
        assert protocol.dataset in datasets, protocol.name
        for step in protocol.steps:
            degradation = catalog.degradation(step.degradation)
            assert step.kind is None or step.kind in degradation.kinds, protocol.name


def test_every_protocol_is_in_a_group():
    protocols = load_protocols()
    grouped = {p for group in protocols.groups.values() for p in group.protocols}
    assert grouped == set(protocols.protocols)


def test_clean_and_unpaired_sets_are_used_as_what_they_are():
    datasets = load_datasets()
    for protocol in load_protocols().protocols.values():
        degrades = bool(protocol.steps) or protocol.scale > 1
        if degrades:
            assert datasets[protocol.dataset].kind == "clean", protocol.name


def test_composites_are_at_least_eight_and_marked_as_seen_or_not():
    protocols = load_protocols()
    members = [protocols.protocols[p] for p in protocols.groups["composites"].protocols]
    assert len(members) >= 8
    assert all(p.seen is not None and len(p.steps) >= 2 for p in members)
    assert {p.seen for p in members} == {True, False}


def test_training_never_draws_a_combination_that_is_marked_as_never_seen():
    from restorekit.training.pairs import SIZES

    protocols = load_protocols()
    for protocol in protocols.protocols.values():
        if protocol.seen is not None:
            assert protocol.seen == (len(protocol.steps) < len(SIZES)), protocol.name


def test_a_good_file_is_read(tmp_path: Path):
    protocols = load_protocols(written(tmp_path, GOOD))
    protocol = protocols.protocols["one"]
    assert protocol.remove == protocol.present == ("noise",)
    assert protocol.published[0].source == "Somebody, 2020"
    assert protocols.select(groups=["all"]) == (protocol,)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "One"', 'titel = "One"', "titel|title"),
        ("severity = 25", 'severity = "much"', "severity"),
        ("psnr-rgb = 30.0", "psnr-y = 30.0", "psnr-y"),
        ('source = "paper"', 'source = "blog"', "blog"),
        ('dataset = "Set5"', "dataset = 5", "dataset"),
        ('["one"]', '["two"]', "two"),
        ('metrics = [{ metric = "psnr" }]', 'metrics = [{ metric = "psnr", space = "lab" }]', "lab"),
        ('title = "One"', 'title = "One"\nremove = ["rain"]', "rain"),
        ('title = "One"', 'title = "One"\nscale = 2', "scale"),
        ("[sources]", "[sources", "TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(tmp_path: Path, old: str, new: str, said: str):
    assert old in GOOD
    with pytest.raises(BenchError, match=said):
        load_protocols(written(tmp_path, GOOD.replace(old, new, 1)))


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(BenchError, match="composites"):
        load_protocols().select(groups=["composite"])
    with pytest.raises(BenchError, match="bench list"):
        load_protocols().select(["nothing"])


def test_what_a_score_depends_on_changes_the_digest(tmp_path: Path):
    def digest(text: str) -> str:
        return load_protocols(written(tmp_path, text)).protocols["one"].digest

    same = digest(GOOD)
    assert digest(GOOD.replace('"One"', '"Another title"')) == same
    assert digest(GOOD.replace("severity = 25", "severity = 26")) != same
    cropped = GOOD.replace('metric = "psnr"', 'metric = "psnr", border = 2').replace("psnr-rgb", "psnr-rgb-b2")
    assert digest(cropped) != same


def test_the_data_files_are_found_beside_the_checkout():
    assert (benchmarks_folder() / "datasets.toml").is_file()
