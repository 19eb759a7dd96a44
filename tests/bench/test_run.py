"""Laws of a run: what is scored stays scored, what cannot run is said, and the rest goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from restorekit.bench.comparison import compare_results
from restorekit.bench.datasets import data_roots, load_datasets
from restorekit.bench.errors import BenchError, Unsuited
from restorekit.bench.protocol_files import load_protocols
from restorekit.bench.records import Result, known_scores, read_mark, read_results, result_path
from restorekit.bench.report import build, to_html, to_markdown
from restorekit.bench.run import plan, run
from restorekit.bench.scoring import RunOptions
from restorekit.plugin import Method
from restorekit.plugin.catalog import Catalog, build_catalog, load_plugins

pytest.importorskip("pyiqa", reason="scoring needs restorekit[bench]")
HERE = "tests.bench.test_run"
calls: list[str] = []


class Darken:
    """A method of a third party. Fails on the picture that `fails_on` names."""

    fails_on = ""

    def prepare(self) -> None:
        pass

    def __call__(self, item):
        calls.append(item.name)
        if item.name == Darken.fails_on:
            raise RuntimeError("out of luck")
        return item.degraded * 0.9


class Sulk(Darken):
    def __call__(self, item):
        raise Unsuited("not in the mood")


CARDS = (
    Method("darken", "makes it darker", "MIT", f"{HERE}:Darken"),
    Method("sulk", "does nothing", "MIT", f"{HERE}:Sulk"),
    Method("elsewhere", "is not here", "MIT", f"{HERE}:Darken", needs=("no_such_module",), install="get it"),
    Method("noise-only", "removes noise", "MIT", f"{HERE}:Darken", degradations=("noise",)),
)


@dataclass
class Notes:
    """A listener that remembers."""

    scored_names: list[str | None] = field(default_factory=list)
    skipped_pairs: list[tuple[str, str, str]] = field(default_factory=list)
    failed_pairs: list[tuple[str, str, str]] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    def total(self, pictures: int) -> None:
        self.pictures = pictures

    def scored(self, pair, score) -> None:
        self.scored_names.append(score.image if score else None)

    def skipped(self, protocol: str, method: str, reason: str, pictures: int) -> None:
        self.skipped_pairs.append((protocol, method, reason))

    def failed(self, protocol: str, method: str, reason: str, pictures: int) -> None:
        self.failed_pairs.append((protocol, method, reason))

    def finished(self, pair, result) -> None:
        self.results.append(result)


@pytest.fixture
def catalog() -> Catalog:
    own = build_catalog(load_plugins())
    methods: Mapping[str, Method] = {**own.methods, **{c.name: c for c in CARDS}}
    return replace(own, methods=methods)


@pytest.fixture
def go(small_data: Path, tmp_path: Path, catalog: Catalog):
    calls.clear()
    Darken.fails_on = ""
    options = RunOptions(tmp_path / "results", data_roots(small_data), ("psnr",))

    def start(*methods: str, protocols: tuple[str, ...] = ("set5-x2",), **changes) -> Notes:
        notes, chosen = Notes(), replace(options, **changes)
        pairs = plan(load_protocols().select(protocols), methods, catalog, load_datasets(), chosen, notes)
        run(pairs, catalog, chosen, notes)
        return notes

    return start


def test_a_run_scores_every_picture_and_writes_what_it_was_made_with(go, tmp_path: Path):
    notes = go("input", "darken")
    assert notes.pictures == 8 and len(notes.results) == 2
    result = read_results(tmp_path / "results")[0]
    assert {s.image for s in result.scores} == {f"picture{i}" for i in range(4)}
    assert all(s.megapixels > 0 for s in result.scores)
    about = result.about
    assert about["dataset"]["here"] == 4 and about["dataset"]["whole"] == 5
    assert about["software"]["torch"] and about["machine"]["cores"] and about["dataset"]["sha256"]


def test_what_was_scored_before_a_crash_is_not_computed_again(go, tmp_path: Path):
    Darken.fails_on = "picture2"
    first = go("darken")
    assert first.failed_pairs == [("set5-x2", "darken", "RuntimeError: out of luck")]
    assert not first.results
    calls.clear()
    Darken.fails_on = ""
    second = go("darken")
    assert calls == ["picture2", "picture3"]
    assert second.scored_names == [None, None, "picture2", "picture3"]
    assert not list((tmp_path / "results").glob("*/*.jsonl"))


def test_a_line_cut_short_by_a_kill_is_computed_again(go, tmp_path: Path):
    Darken.fails_on = "picture2"
    go("darken")
    lines = next((tmp_path / "results").glob("*/*.jsonl"))
    lines.write_text(lines.read_text()[:-20])
    path = result_path(tmp_path / "results", "set5-x2", "darken")
    assert set(known_scores(path, read_mark(lines))) == {"picture0"}


def test_a_finished_run_is_taken_as_it_is_unless_fresh(go):
    go("darken")
    calls.clear()
    go("darken")
    assert calls == []
    go("darken", fresh=True)
    assert len(calls) == 4


def test_a_limit_runs_the_first_pictures_and_a_later_run_the_rest(go):
    assert len(go("darken", limit=2).results[0].scores) == 2
    calls.clear()
    result = go("darken").results[0]
    assert calls == ["picture2", "picture3"] and len(result.scores) == 4


def test_another_protocol_or_method_does_not_reuse_scores(go, tmp_path: Path):
    marks = {r.fingerprint for r in go("input", "darken", protocols=("set5-x2", "set5-x3")).results}
    assert len(marks) == 4


def test_what_cannot_run_is_said_and_the_rest_goes_on(go):
    notes = go("elsewhere", "sulk", "noise-only", "darken", protocols=("set5-x2", "kodak24-noise25"))
    reasons = {(p, m): r for p, m, r in notes.skipped_pairs}
    assert "get it" in reasons["*", "elsewhere"]
    assert reasons["set5-x2", "sulk"] == "not in the mood"
    assert "noise only" in reasons["set5-x2", "noise-only"]
    assert "Kodak24 is not here" in reasons["kodak24-noise25", "*"]
    assert [r.method for r in notes.results] == ["darken"]


def test_an_unknown_method_is_an_error_that_names_the_known_ones(go):
    with pytest.raises(Exception, match="darken"):
        go("brighten")
    with pytest.raises(BenchError, match="spandrel:PATH"):
        go("spandrel")


def test_paired_sets_report_both_spaces(go):
    result = go("input", protocols=("rain100l",)).results[0]
    assert set(result.keys) == {"psnr-rgb", "psnr-y"}
    assert result.about["dataset"]["title"] == "Rain100L (2 of 100)"


@pytest.mark.slow
def test_two_processes_give_what_one_gives(go, tmp_path: Path):
    alone = go("input").results[0]
    together = go("input", jobs=2, fresh=True).results[0]
    assert {s.image: s.scores for s in alone.scores} == {s.image: s.scores for s in together.scores}


def test_the_report_marks_published_rows_and_partial_sets(go, tmp_path: Path):
    go("input", "darken", limit=2)
    report = build(load_protocols(), read_results(tmp_path / "results"), ["sr"])
    text, page = to_markdown(report), to_html(report)
    for shown in ("SRCNN (published)", "darken", "(n=2)", "Set5 (4 of 5)", "border 2", "RCAN"):
        assert shown in text and shown in page, shown
    assert "Kodak24" not in text


def test_an_empty_report_is_an_error(tmp_path: Path):
    with pytest.raises(BenchError, match="bench run"):
        build(load_protocols(), [], ())


def test_compare_names_the_pictures_that_changed(go, tmp_path: Path):
    before = go("darken").results
    path = result_path(tmp_path / "results", "set5-x2", "darken")
    values = json.loads(path.read_text())
    values["scores"][1]["scores"]["psnr-y-b2"] += 0.5
    path.write_text(json.dumps(values))
    found = compare_results(before, read_results(tmp_path / "results"))[0]
    assert found.mean == pytest.approx(0.125, abs=1e-3)
    assert [c.image for c in found.beyond(0.1)] == [values["scores"][1]["image"]]
    assert not found.beyond(1.0)


def test_compare_refuses_runs_with_nothing_in_common(go):
    with pytest.raises(BenchError, match="in common"):
        compare_results(go("darken").results, go("input", protocols=("set5-x3",)).results + go("input").results)
