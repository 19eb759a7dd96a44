"""Laws of batches that go wrong: a line for it, the others go on, and the exit code says so."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from restorekit.machine import short_of_memory
from restorekit.running.restorer import Restorer
from restorekit.work import pipeline

CPU = "[enforce fail at alloc_cpu.cpp:115] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to"
NO_MEMORY = [
    MemoryError(),
    RuntimeError(CPU),
    RuntimeError(CPU.replace("can't allocate", "not enough")),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    OSError("out of memory error when reading image file"),  # Pillow's
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    RuntimeError("std::bad_alloc"),
]


@pytest.fixture
def three(photo):
    for name in "abc":
        photo(f"in/{name}.png")


def once(real, error, name="b.png"):
    """A function that fails on one picture."""

    def call(*arguments, **named):
        if name in str(arguments):
            raise error
        return real(*arguments, **named)

    return call


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda e: type(e).__name__)
def test_too_little_memory_is_known_by_whatever_name(error):
    assert short_of_memory(error)
    outer = ValueError("damaged")
    outer.__cause__ = error
    assert short_of_memory(outer)
    assert not short_of_memory(RuntimeError("a memory of summer")) and not short_of_memory(None)


@pytest.mark.parametrize("error", [NO_MEMORY[1], NO_MEMORY[4]], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("stage", ["read_pictures", "write_pictures"])
def test_too_little_memory_for_one_picture_is_a_line_and_the_others_go_on(cli, three, monkeypatch, error, stage):
    monkeypatch.setattr(pipeline, stage, once(getattr(pipeline, stage), error))
    outcome = cli("restore", "in", "-o", "out")
    assert outcome.code == 1 and sorted(os.listdir("out")) == ["a.png", "c.png"]
    first, last = outcome.err.splitlines()
    assert first.startswith("error: ") and "b.png: not enough memory; " in first and "damaged" not in first
    assert "1 of 3 failed" in last


def test_memory_that_ends_inside_a_decoder_is_no_damage(cli, three, monkeypatch):
    """torch's own, raised where the reader catches what libraries raise on damaged files."""
    from restorekit.image import content

    real = content.tensors
    calls = []

    def tensors(*arguments, **named):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError(CPU)
        return real(*arguments, **named)

    monkeypatch.setattr(content, "tensors", tensors)
    for command in (("restore", "in", "-o", "out"), ("inspect", "in")):
        calls.clear()
        outcome = cli(*command)
        assert outcome.code == 1 and "damaged" not in outcome.err
        assert "b.png: not enough memory" in outcome.err and "1 of 3 failed" in outcome.err
    assert sorted(os.listdir("out")) == ["a.png", "c.png"]


@pytest.mark.parametrize("error", NO_MEMORY[:4], ids=lambda e: type(e).__name__)
def test_too_little_memory_for_the_network_names_the_remedy(cli, three, monkeypatch, error):
    real, calls = Restorer.restore, []

    def restore(*arguments, **named):
        calls.append(1)
        if len(calls) == 2:
            raise error
        return real(*arguments, **named)

    monkeypatch.setattr(Restorer, "restore", restore)
    outcome = cli("restore", "in", "-o", "out")
    assert outcome.code == 1 and "b.png: not enough memory for 20x14; try --tile 512" in outcome.err
    assert sorted(os.listdir("out")) == ["a.png", "c.png"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EIO, "Input/output error"), "Input/output error; check the disk"),
        (KeyError("gone"), "KeyError: 'gone' at test_endurance.py:"),
        (RecursionError("too deep"), "please report it"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_that_nobody_expected_is_a_line_too(cli, three, monkeypatch, error, said):
    monkeypatch.setattr(pipeline, "write_pictures", once(pipeline.write_pictures, error))
    outcome = cli("restore", "in", "-o", "out")
    assert outcome.code == 1 and said in outcome.err.splitlines()[0] and "b.png: " in outcome.err
    assert "Traceback" not in outcome.err and sorted(os.listdir("out")) == ["a.png", "c.png"]


class Closed(io.StringIO):
    """A stream whose reader went away, or whose disk is full."""

    encoding = "utf-8"

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC, errno.EBADF])
@pytest.mark.parametrize("command", [("restore", "-o", "out"), ("restore", "-o", "out", "--json"), ("inspect",)])
def test_lost_output_costs_its_lines_and_the_exit_code_and_no_picture(cli, three, monkeypatch, number, command):
    monkeypatch.setattr(sys, "stdout", Closed(number))
    outcome = cli(*command, "in")
    assert outcome.code == 1 and outcome.err.count("\n") == 1
    assert outcome.err.startswith(f"error: cannot write to standard output: {os.strerror(number)}")
    if command[0] == "restore":
        assert sorted(os.listdir("out")) == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("stream", [None, Closed(errno.EPIPE), Closed(errno.ENOSPC)])
def test_lost_words_cost_the_exit_code_and_no_picture(cli, three, monkeypatch, stream):
    Path("in/broken.png").write_text("no picture")
    monkeypatch.setattr(sys, "stderr", stream)
    outcome = cli("restore", "in", "-o", "out")
    assert outcome.code == 1 and outcome.out.count("\n") == 3
    assert sorted(os.listdir("out")) == ["a.png", "b.png", "c.png"]


def test_a_word_that_is_lost_is_told_by_the_exit_code_though_nothing_failed(cli, three, monkeypatch):
    Path("in/notes.txt").touch()  # a note is due
    assert cli("restore", "in", "-o", "out").code == 0
    monkeypatch.setattr(sys, "stderr", None)
    assert cli("restore", "in", "-o", "out", "--overwrite").code == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device there")
def test_real_streams_that_are_closed_full_or_left_end_no_batch(three, tiny, tmp_path):
    environment = {**os.environ, "RESTOREKIT_WEIGHTS": str(tiny), "TMPDIR": str(tmp_path)}
    command = f'"{sys.executable}" -m restorekit restore in --json -o '
    (tmp_path / "in" / "notes.txt").touch()
    redirected = {
        "closed": f"{command} closed >&-",
        "full": f"{command} full >/dev/full",
        "left": f"set -o pipefail; {command} left | true",
        "mute": f"{command} mute 2>&- >said",
    }
    started = {
        name: subprocess.Popen(
            ["bash", "-c", line], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
        )
        for name, line in redirected.items()
    }
    for name, process in started.items():
        _, err = process.communicate(timeout=120)
        assert sorted(os.listdir(tmp_path / name)) == ["a.png", "b.png", "c.png"], (name, err)
        assert process.returncode == 1, (name, err)
        lines = [line for line in err.splitlines() if not line.startswith("note: 1 passed over")]
        assert len(lines) == (0 if name == "mute" else 1) and "Traceback" not in err, (name, err)


def test_other_commands_say_in_one_line_that_nobody_reads(cli, monkeypatch):
    for command in (("plugins",), ("plugins", "--json"), ("--version",), ("bench", "list")):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", Closed(errno.ENOSPC))
            outcome = cli(*command)
        assert outcome.code == 1 and outcome.err.count("\n") == 1, (command, outcome)


def test_a_picture_for_a_standard_output_that_is_gone_is_one_line(cli, photo, monkeypatch):
    photo("a.png")

    class Gone(io.RawIOBase):
        def write(self, data):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    class Stdout:
        encoding = "utf-8"
        buffer = Gone()

    for stream in (Stdout(), None):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", stream)
            outcome = cli("restore", "a.png", "-o", "-")
        assert outcome.is_one_error() and "standard output" in outcome.err, outcome


ESCAPES = "\x1b[31mred\x1b[0m\x07\x9b2J\u202egpj.x\x7f"


@pytest.mark.skipif(os.name == "nt", reason="such names do not exist there")
def test_no_name_commands_the_terminal(cli, photo):
    name = f"in/{ESCAPES}.png"
    photo("in/a.png").rename(name)
    photo("out/taken.png")
    Path(f"in/{ESCAPES}.txt").touch()
    Path(f"in/{ESCAPES}broken.png").write_text("no picture")
    for command in (
        ("restore", "in", "-o", "out"),
        ("restore", "in", "-o", "out", "--json"),
        ("inspect", "in"),
        ("restore", f"{ESCAPES}missing.png"),
        ("restore", name, "-o", f"{ESCAPES}/"),
        ("restore", name, "--set", f"{ESCAPES}=1"),
        ("restore", name, "--device", ESCAPES),
        ("restore", f"--{ESCAPES}"),
        (ESCAPES,),
    ):
        outcome = cli(*command)
        shown = outcome.out + outcome.err
        assert not any(c in shown for c in "\x1b\x07\x9b\u202e\x7f"), command
    assert "\\x1b[31mred" in cli("inspect", name).out  # what it is can still be read
