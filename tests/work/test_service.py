"""Laws of the doors: a request in, words to a listener, a summary out; no terminal anywhere."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from PIL import Image

from restorekit.errors import RestorekitError
from restorekit.image import Picture, write_pages
from restorekit.running.restorer import Restorer
from restorekit.weighing import Wish
from restorekit.work import Listener, Options, Request, Summary, degrade_file, inspect_files, restore_files


class Silent(Listener):
    """A listener that overrides nothing."""


class Recorder(Listener):
    """Keeps what it is told, in order."""

    def __init__(self):
        self.heard = []

    def started(self, jobs):
        self.heard.append(("started", len(jobs)))

    def picture(self, name, done, total):
        self.heard.append(("picture", Path(name).name, done, total))

    def progress(self, done, total):
        self.heard.append(("progress", done, total))

    def note(self, text, level="note"):
        self.heard.append(("note", level, text))

    def finished(self, job, report):
        self.heard.append(("finished", job.source.name, report))

    def failed(self, job, error):
        self.heard.append(("failed", job.source.name, str(error)))

    def skipped(self, jobs, reason):
        self.heard.append(("skipped", [job.source.name for job in jobs], reason))

    def of(self, *kinds):
        return [words for words in self.heard if words[0] in kinds]


@pytest.fixture
def here(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_listener_hears_of_every_file_in_order_and_nothing_is_printed(here, photo, capsys):
    photo("in/a.png"), photo("in/c.png")
    Path("in/b.png").write_text("no picture")
    Path("in/notes.txt").touch()
    recorder = Recorder()
    summary = restore_files(Request(inputs=("in",), out="out", manifest=Path("run.jsonl")), recorder)
    assert summary == Summary(3, (str(Path("in/b.png")),))
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "c.png"]
    assert recorder.heard[0] == ("started", 3)
    ((_, level, text),) = recorder.of("note")
    assert level == "note" and "1 passed over" in text and "notes.txt" in text
    assert [words[1:] for words in recorder.of("picture")] == [("a.png", 0, 3), ("b.png", 1, 3), ("c.png", 2, 3)]
    assert [words[:2] for words in recorder.of("finished", "failed")] == [
        ("finished", "a.png"),
        ("failed", "b.png"),
        ("finished", "c.png"),
    ]
    assert recorder.of("progress")[-1][1:] == (1, 1)
    kept = [json.loads(line) for line in Path("run.jsonl").read_text().splitlines()]
    report = recorder.of("finished")[0][2]
    assert report.record.items() <= kept[1].items() and report.record["size"] == [20, 14]
    assert capsys.readouterr() == ("", "")


def test_a_stopped_run_goes_on_and_tells_what_it_skips(here, photo):
    photo("in/a.png"), photo("in/b.png")
    request = Request(inputs=("in",), out="out", skip_existing=True)
    assert restore_files(request, Silent()) == Summary(2)
    recorder = Recorder()
    assert restore_files(request, recorder) == Summary(2)
    assert recorder.heard[1:] == [("skipped", ["a.png", "b.png"], "the output is there")]


def test_a_run_that_its_listener_refuses_writes_nothing(here, photo):
    photo("a.png")

    class Refusing(Silent):
        def started(self, jobs):
            raise RestorekitError("not today; come tomorrow")

    for door in (
        lambda: restore_files(Request(inputs=("a.png",), manifest=Path("run.jsonl")), Refusing()),
        lambda: inspect_files(["a.png"], Refusing()),
    ):
        with pytest.raises(RestorekitError, match="not today"):
            door()
    assert [path.name for path in here.iterdir()] == ["a.png"]


WISHES = {
    "chosen": {"noise": 0.5},
    "blind": False,
    "wish": Wish(strength=0.5),
    "scale": 2,
    "steps": 2,
    "tile": 64,
    "ensemble": True,
    "guidance": 1.5,
    "look": 0.5,
    "seed": 7,
}


def test_every_wish_reaches_the_restorer(here, photo, monkeypatch):
    photo("a.png")
    seen, real = {}, Restorer.restore

    def restore(self, image, **named):
        seen.update(named)
        return real(self, image, **named)

    monkeypatch.setattr(Restorer, "restore", restore)
    Image.new("L", (20, 14), 128).save("mask.png")
    masks = {"noise": str(here / "mask.png")}
    options = Options(device="cpu", precision="fp32", masks=masks, **WISHES)
    assert restore_files(Request(inputs=("a.png",), options=options), Silent()) == Summary(1)
    assert seen.pop("weights") == WISHES["chosen"]
    assert seen.pop("mask").keys() == masks.keys()
    assert {name: seen[name] for name in WISHES if name != "chosen"}.items() <= WISHES.items()
    others = {
        "model",
        "device",
        "precision",
        "overwrite",
        "quality",
        "strip",
        "salvage",
        "bases",
        "offline",
        "masks",
        "report",
        "command",
    }  # taken by other hands
    assert {field.name for field in fields(Options)} == others | set(WISHES)


def test_an_inspection_is_told_as_rows_and_as_a_record_and_touches_nothing(here, photo):
    data = photo("a.png").read_bytes()
    recorder = Recorder()
    assert inspect_files(["a.png"], recorder) == Summary(1)
    ((_, _, report),) = recorder.of("finished")
    assert [name for name, _, _ in report.rows] == sorted(report.record["weights"])
    assert Path("a.png").read_bytes() == data and [path.name for path in here.iterdir()] == ["a.png"]


def test_a_degraded_picture_is_told_like_a_restored_one(here, photo):
    from restorekit.plugin.catalog import build_catalog, load_plugins
    from restorekit.work.synthesis import Wish

    catalog, recorder = build_catalog(load_plugins()), Recorder()
    wish = Wish(catalog.degradation("noise"), 25.0, "gaussian")
    photo("a.png")
    assert degrade_file("a.png", "b.png", [wish], recorder, catalog, seed=3) == Summary(1)
    ((_, _, report),) = recorder.of("finished")
    assert report.record["seed"] == 3 and report.found == "noise gaussian (sigma 25)  seed 3"


def test_a_request_that_contradicts_itself_is_refused():
    for wish in ({"skip_existing": True}, {"watch": True}):
        with pytest.raises(RestorekitError, match="contradict"):
            Request(inputs=("a.png",), options=Options(overwrite=True), **wish)


def test_pages_are_numbered_in_the_findings_and_whole_in_the_record(here):
    rgb = torch.rand(1, 3, 9, 13, generator=torch.Generator().manual_seed(0))
    write_pages(here / "a.tif", [(rgb, Picture(rgb))] * 2)
    recorder = Recorder()
    options = Options(chosen={"noise": 1.0}, blind=False)
    restore_files(Request(inputs=("a.tif",), options=options), recorder)
    ((_, _, report),) = recorder.of("finished")
    assert report.found.startswith("page 1: noise 1.00") and "; page 2: noise 1.00" in report.found
    assert len(report.record["pages"]) == 2
