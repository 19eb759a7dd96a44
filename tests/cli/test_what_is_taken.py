"""Laws of what a run takes: every ending of a format, all that is passed over told, nothing begun in vain."""

import io
import json
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from restorekit.files import FORMATS, LARGEST_SIDE
from restorekit.running.restorer import Restorer
from restorekit.work import streams
from restorekit.work.jobs import in_words, passed_over

JPEGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".pjp", ".JFIF")
OTHERS = {".dib": "BMP", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP", ".png": "PNG"}


@pytest.mark.parametrize(("ending", "format"), [*((e, "JPEG") for e in JPEGS), *OTHERS.items()])
def test_every_ending_of_a_format_is_read_and_written_as_that_format(cli, photo, ending, format):
    Path("in").mkdir()
    Image.open(photo("a.png")).save(f"in/photo{ending}", format)
    outcome = cli("restore", "in", "-o", "out")
    assert outcome.code == 0 and os.listdir("out") == [f"photo{ending}"], outcome
    with Image.open(f"out/photo{ending}") as image:
        assert image.format == format


def test_the_endings_of_heic_are_its(cli):
    assert {ending for ending, format in FORMATS.items() if format == "HEIF"} == {".heic", ".heif", ".hif"}


@pytest.mark.parametrize("command", [("restore", "-o", "out"), ("inspect",)])
def test_what_a_folder_holds_beside_its_pictures_is_counted_and_named(cli, photo, command):
    photo("in/a.png"), photo("in/deep/b.png"), photo("in/.hidden.png")
    Path("in/clip.mov").touch()
    outcome = cli(*command, "in")
    assert outcome.code == 0 and outcome.err.count("\n") == 1
    for name in (".hidden.png", "clip.mov", "deep/"):
        assert os.path.join("in", name) in outcome.err
    assert "note: 3 passed over" in outcome.err
    deep = cli(*command, "in", "-r", *(("--overwrite",) if command[0] == "restore" else ()))
    assert "note: 2 passed over" in deep.err and "deep" not in deep.err


def test_passed_over_is_what_plan_leaves_out(tmp_path, monkeypatch, photo):
    monkeypatch.chdir(tmp_path)
    photo("in/a.png"), photo("in/a.restored.png"), photo("in/out/b.png")
    Path("in/notes.txt").touch()

    def names(*arguments, **options):
        return [path.as_posix() for path in passed_over(arguments, **options)]

    assert names("in", restored=False) == ["in/a.restored.png", "in/notes.txt", "in/out"]
    assert names("in") == ["in/notes.txt", "in/out"]
    assert names("in", out="in/out", recursive=True, restored=False) == ["in/a.restored.png", "in/notes.txt"]
    assert names("in/*", restored=False) == ["in/a.restored.png", "in/notes.txt"]
    assert names("in", "in/notes.txt", restored=False) == ["in/a.restored.png", "in/out"]
    assert names("in/a.png", "missing", "x*.png") == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="whoever may read everything sees everything")
def test_a_folder_that_cannot_be_read_is_passed_over_by_name(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    assert passed_over([str(tmp_path)], recursive=True) == (tmp_path / "closed",)


def test_many_are_named_in_part_and_counted_by_their_endings():
    paths = [Path(f"{i}.cr2") for i in range(20)] + [Path("x")]
    assert in_words(paths, most=2) == "0.cr2, 1.cr2, and 19 more (18 .cr2, 1 no ending)"
    assert in_words(paths[:2]) == "0.cr2, 1.cr2"


@pytest.mark.parametrize("format", LARGEST_SIDE)
@pytest.mark.parametrize("scale", [1, 2])
def test_what_the_format_cannot_hold_is_refused_before_the_work(cli, tmp_path, monkeypatch, format, scale):
    if format == "HEIF":
        pytest.importorskip("pillow_heif")
    monkeypatch.setattr(Restorer, "restore", lambda *_, **__: pytest.fail("began"))
    ending = next(e for e, name in FORMATS.items() if name == format)
    Image.new("RGB", (LARGEST_SIDE[format] // scale + 1, 1)).save(tmp_path / "a.png")
    arguments = ("restore", "a.png", "-o", f"b{ending}", *(("--scale", "2") if scale == 2 else ()))
    outcome = cli(*arguments)
    assert outcome.is_one_error() and str(LARGEST_SIDE[format]) in outcome.err and "PNG or TIFF" in outcome.err
    assert not Path(f"b{ending}").exists()


def test_the_largest_of_a_format_is_written_and_read(tmp_path):
    for format, endings in (("JPEG", ".jpg"), ("WEBP", ".webp"), ("AVIF", ".avif")):
        side = LARGEST_SIDE[format]
        for size in ((side, 1), (1, side)):
            Image.new("RGB", size).save(tmp_path / f"a{endings}")
            with Image.open(tmp_path / f"a{endings}") as image:
                image.load()
                assert image.size == size


def test_standard_output_holds_what_its_format_holds(cli, tmp_path, monkeypatch):
    file = io.BytesIO()
    Image.new("RGB", (40_000, 1)).save(file, "JPEG")

    class Stdin:
        buffer = io.BytesIO(file.getvalue())

    monkeypatch.setattr(sys, "stdin", Stdin())
    monkeypatch.setattr(Restorer, "restore", lambda *_, **__: pytest.fail("began"))
    outcome = cli("restore", "-", "--scale", "2")
    assert outcome.is_one_error() and "65500" in outcome.err


def test_standard_input_is_taken_in_up_to_a_limit(cli, photo, tmp_path, monkeypatch):
    data = photo("a.png").read_bytes()
    monkeypatch.setattr(streams, "LIMIT", len(data))
    monkeypatch.setattr(streams, "PIECE", 100)
    taken = []

    class Buffer(io.BytesIO):
        def read(self, size=-1):
            assert size > 0  # never all at once
            taken.append(size)
            return super().read(size)

    class Stdin:
        buffer = Buffer(data)

    monkeypatch.setattr(sys, "stdin", Stdin())
    assert cli("inspect", "-", "--json").code == 0
    Stdin.buffer = Buffer(data + bytes(10**6))
    taken.clear()
    outcome = cli("restore", "-", "-o", "b.png")
    assert outcome.is_one_error() and "save it as a file" in outcome.err
    assert sum(taken) < len(data) + 300  # the rest stayed where it was
    monkeypatch.setattr(sys, "stdin", None)
    assert cli("inspect", "-").is_one_error()


def test_what_is_passed_over_is_no_line_of_json(cli, photo):
    photo("in/a.png")
    Path("in/notes.txt").touch()
    outcome = cli("restore", "in", "-o", "out", "--json")
    assert [json.loads(line)["output"] for line in outcome.out.splitlines()] == [str(Path("out/a.png"))]
