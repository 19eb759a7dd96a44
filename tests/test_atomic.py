"""Laws of names and their writers: new or refused in one step, done or to be done again, never half."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from restorekit import atomic, files
from restorekit.atomic import Claim, move_to_new, rename_to_new, sweep
from restorekit.errors import ImageError
from restorekit.files import write_atomically
from restorekit.work.jobs import plan


def refused(*_: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.fixture(params=["as it is", "no rename", "no rename, no links"])
def file_system(request, monkeypatch):
    """This file system, and poorer ones: FAT and some network drives have neither of the two."""
    if "no rename" in request.param:
        monkeypatch.setattr(atomic, "rename_to_new", lambda source, target: False)
    if "no links" in request.param:
        monkeypatch.setattr(os, "link", refused)


def test_a_file_moves_to_a_free_name_and_never_onto_another(file_system, tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    write_atomically(a, b"one", overwrite=False)
    with pytest.raises(ImageError, match="exists; pass --overwrite"):
        write_atomically(a, b"two", overwrite=False)
    b.write_bytes(b"two")
    with pytest.raises(FileExistsError):
        move_to_new(b, a)
    assert a.read_bytes() == b"one" and b.read_bytes() == b"two" and len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="renameat2 is Linux's")
def test_the_rename_of_this_system_does_not_replace(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"one")
    assert rename_to_new(a, b) and b.read_bytes() == b"one" and not a.exists()
    a.write_bytes(b"two")
    with pytest.raises(FileExistsError):
        rename_to_new(a, b)
    assert b.read_bytes() == b"one"


KILLED_AT = """
import errno, os, signal, sys
from pathlib import Path
from restorekit import atomic, files

step = int(sys.argv[1])
count = 0

def counted(function):
    def call(*arguments, **named):
        global count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return call

def refused(*_):
    raise OSError(errno.EPERM, "Operation not permitted")

atomic.rename_to_new = lambda source, target: False
os.link = refused
import builtins
for place, name in ((builtins, "open"), (os, "fsync"), (os, "replace"), (os, "unlink")):
    setattr(place, name, counted(getattr(place, name)))
files.write_atomically(Path("out.png"), b"whole", overwrite=False)
print(count)
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
def test_killed_between_any_two_calls_without_hard_links_an_output_is_whole_or_not_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(atomic, "rename_to_new", lambda source, target: False)
    monkeypatch.setattr(os, "link", refused)
    (tmp_path / "in.png").write_bytes(b"a picture")
    step, seen = 0, set()
    while True:
        step += 1
        (tmp_path / "out.png").unlink(missing_ok=True)
        killed = subprocess.run([sys.executable, "-c", KILLED_AT, str(step)], capture_output=True, text=True)
        if killed.returncode == 0:
            break
        there = Path("out.png").read_bytes() if Path("out.png").exists() else None
        seen.add(there)
        sweep(tmp_path)
        (job,) = plan(["in.png"], "out.png", skip_existing=True)
        assert job.done == (there == b"whole") and not job.problem
    assert step > 4 and b"" in seen and None in seen  # the gap was hit
    assert Path("out.png").read_bytes() == b"whole" and sorted(os.listdir()) == ["in.png", "out.png"]


@pytest.mark.skipif(os.name == "nt", reason="locks are others there")
def test_a_claim_keeps_others_away_until_it_is_released_or_its_process_ends(tmp_path):
    output = tmp_path / "a.png"
    claim = Claim.on(output)
    assert claim is not None and Claim.on(output) is None
    other = Claim.on(tmp_path / "b.png")
    assert other is not None
    claim.release()
    claim.release()
    again = Claim.on(output)
    assert again is not None
    again.release(), other.release()
    assert list(tmp_path.iterdir()) == []
    code = (
        "import os; from pathlib import Path; from restorekit.atomic import Claim; c = Claim.on(Path('a.png')); "
        "print(c is not None, flush=True); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert killed.returncode == -9 and killed.stdout == "True\n"
    left = Claim.on(output)
    assert left is not None  # of a process that is no more
    left.release()
    assert list(tmp_path.iterdir()) == []


def test_where_there_are_no_locks_claims_are_granted_and_nothing_young_is_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "lock", lambda file: None)
    monkeypatch.setattr(files, "lock", lambda file: None)
    first, second = Claim.on(tmp_path / "a.png"), Claim.on(tmp_path / "a.png")
    assert first is not None and second is not None
    first.release(), second.release()
    young, old = tmp_path / ".restorekit-0.tmp", tmp_path / ".restorekit-1.tmp"
    young.write_bytes(b"half"), old.write_bytes(b"half")
    os.utime(old, (0, 0))
    sweep(tmp_path)
    assert young.exists() and not old.exists()


def test_a_writer_whose_file_is_swept_away_takes_another(tmp_path, monkeypatch):
    real, swept = files.lock, []

    def late(file):
        if not swept:  # a sweeper came between the two calls
            swept.append(file.name)
            os.unlink(file.name)
        return real(file)

    monkeypatch.setattr(files, "lock", late)
    write_atomically(tmp_path / "a.png", b"whole", overwrite=False)
    assert swept and (tmp_path / "a.png").read_bytes() == b"whole"
