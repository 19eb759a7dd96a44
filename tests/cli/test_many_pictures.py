"""Laws of restoring many pictures: trees, stopped runs, drop folders, pipes, manifests."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from restorekit.running.restorer import Restorer
from restorekit.work import watch


def tree(folder):
    return sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file())


def pictures_in(folder):
    return [name for name in tree(folder) if not name.startswith(".")]


def test_recursive_mirrors_the_tree_and_takes_no_output_for_an_input(cli, photo):
    photo("in/a.png")
    photo("in/deep/a.png")
    photo("in/deep/er/c.bmp")
    for _ in range(2):
        assert cli("restore", "in", "-r", "-o", "in/out", "--overwrite").code == 0
        assert tree("in/out") == ["a.png", "deep/a.png", "deep/er/c.bmp"]
    assert cli("inspect", "in/deep", "-r", "--json").out.count('"weights"') == 2


def test_skip_existing_goes_on_where_a_run_stopped(cli, photo):
    photo("in/a.png")
    photo("in/b.png")
    Path("out").mkdir()
    Path("out/a.png").write_bytes(b"from before")
    outcome = cli("restore", "in", "-o", "out", "--skip-existing")
    assert outcome.code == 0 and "1 passed over" in outcome.err and outcome.out.count("\n") == 1
    assert Path("out/a.png").read_bytes() == b"from before"
    outcome = cli("restore", "in", "-o", "out", "--skip-existing", "--json")
    assert all(json.loads(line)["skipped"] for line in outcome.out.splitlines()) and outcome.code == 0
    assert cli("restore", "in", "-o", "out", "--skip-existing", "--overwrite").is_one_error()


RUN = "import sys; from restorekit.cli.main import run; run(sys.argv[1:])"
# A file system with neither hard links nor renames that do not replace, slow enough to be killed in between.
POOR = """
import os, time
from restorekit import atomic

def refused(*_):
    raise OSError(1, "Operation not permitted")

replace = os.replace
atomic.rename_to_new = lambda source, target: False
os.link = refused
os.replace = lambda *paths: (time.sleep(0.5), replace(*paths))
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
@pytest.mark.parametrize("file_system", ["", POOR], ids=["any", "without links"])
def test_a_run_killed_at_any_moment_and_repeated_ends_as_an_undisturbed_one(cli, photo, tiny, file_system):
    for i in range(6):
        photo(f"in/{i}.png", (160, 120 + i))
    same = ("in", "-o")
    assert cli("restore", *same, "whole").code == 0
    command = [sys.executable, "-c", file_system + RUN, "restore", *same, "out", "--skip-existing"]
    environment = {**os.environ, "RESTOREKIT_WEIGHTS": str(tiny)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while process.poll() is None and not (Path("out").is_dir() and len(pictures_in("out")) >= 2):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    if file_system:
        assert any(Path("out", name).stat().st_size == 0 for name in pictures_in("out"))  # the gap was hit
    Path("out/.restorekit-0123456789abcdef.tmp").write_bytes(b"half")  # if the kill hit between two writes
    assert cli("restore", *same, "out", "--skip-existing").code == 0
    assert tree("out") == tree("whole")
    for name in tree("whole"):
        assert Path("out", name).read_bytes() == Path("whole", name).read_bytes()


def test_standard_input_and_output(cli, photo, monkeypatch):
    data = photo("a.bmp").read_bytes()

    class Stdin:
        buffer = io.BytesIO(data)

    monkeypatch.setattr(sys, "stdin", Stdin())
    written = io.BytesIO()

    class Stdout:
        encoding = "utf-8"
        buffer = written
        isatty = staticmethod(lambda: False)
        write = staticmethod(lambda text: pytest.fail(f"text among the pixels: {text!r}"))
        flush = staticmethod(lambda: None)

    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Stdout())
        assert cli("restore", "-").code == 0
    with Image.open(io.BytesIO(written.getvalue())) as image:
        assert image.format == "BMP" and image.size == (20, 14)
    Stdin.buffer = io.BytesIO(b"")
    assert "pipe a picture" in cli("restore", "-", "-o", "x.png").err
    Stdin.buffer = io.BytesIO(b"no image")
    assert "standard input is not an image" in cli("inspect", "-").err
    assert cli("restore", "-", "a.bmp").is_one_error()
    assert cli("restore", "-", "-o", "out/").is_one_error()
    assert cli("restore", "a.bmp", "-o", "-", "--json").is_one_error()


def test_watch_restores_what_comes_once_it_has_settled(cli, photo, monkeypatch):
    photo("in/a.png")
    looks = []

    def look(_):
        looks.append(tree("out") if Path("out").exists() else [])
        if len(looks) == 2:
            photo("in/b.png")
            Path("in/bad.png").write_text("no image")
        if len(looks) == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(watch.time, "sleep", look)
    outcome = cli("restore", "in", "-o", "out", "--watch")
    assert outcome.code == 0 and looks == [[], ["a.png"], ["a.png"], ["a.png", "b.png"], *[["a.png", "b.png"]] * 2]
    assert outcome.err.count("bad.png") == 1
    assert cli("restore", "in/a.png", "--watch").is_one_error()


def test_the_next_picture_is_read_while_one_is_restored_and_reports_keep_the_order(cli, photo, monkeypatch):
    names = [photo(f"in/{i}.png").name for i in range(5)]
    monkeypatch.setattr(Restorer, "restore", slowed(Restorer.restore))
    outcome = cli("restore", "in", "-o", "out", "--json")
    assert [Path(json.loads(line)["input"]).name for line in outcome.out.splitlines()] == names


def slowed(function):
    def slow(*arguments, **named):
        time.sleep(0.02)
        return function(*arguments, **named)

    return slow
