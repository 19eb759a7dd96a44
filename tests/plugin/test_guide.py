"""The guide's walk, from an idea to a wheel, gives what the guide shows: every command, in a place of its own.

What varies from machine to machine stands as `...` in the guide, which takes anything.
"""

import os
import random
import re
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "plugins" / "README.md").read_text()
PHOTOS = 16  # as few as a training takes
SIDE = 192  # and as small


def walk(guide: str) -> list[tuple[str, str]]:
    """Commands of the guide and what it shows behind each."""
    blocks = re.findall(r"```console\n(.*?)```", guide, re.DOTALL)
    pieces = [piece for block in blocks for piece in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    whole = (re.sub(r" \\\n\s*", " ", piece) for piece in pieces)  # a command of two lines is one
    return [(command, shown) for command, _, shown in (piece.partition("\n") for piece in whole)]


def fits(printed: str, shown: str) -> bool:
    """Compare word by word; `...` takes any."""
    parts = (re.escape(" ".join(part.split())) for part in shown.split("..."))
    return re.fullmatch(".*".join(parts), " ".join(printed.split())) is not None


def discs(seed: int, path: Path) -> None:
    """Draw a picture of discs that hide each other."""
    drawn, picture = random.Random(seed), Image.new("RGB", (2 * SIDE, 2 * SIDE))
    pen = ImageDraw.Draw(picture)
    for _ in range(400):
        x, y, r = 2 * SIDE * drawn.random(), 2 * SIDE * drawn.random(), 6 / (0.03 + drawn.random())
        pen.ellipse((x - r, y - r, x + r, y + r), tuple(drawn.randrange(256) for _ in range(3)))
    picture.reduce(2).save(path)


@dataclass(frozen=True)
class Desk:
    """A folder and an environment in which an author works."""

    folder: Path
    variables: dict[str, str]

    def run(self, command: str) -> tuple["Desk", str]:
        """Run a command as in a terminal; the desk after it, and what it printed."""
        if command.startswith("cd "):
            return replace(self, folder=self.folder / command[3:]), ""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return self, done.stdout


@pytest.fixture
def desk(tmp_path) -> Desk:
    """A photograph, a folder of them, and a virtual environment that has what this one has."""
    pytest.importorskip("hatchling", reason="the extra `test` brings hatchling, which builds the package")
    (tmp_path / "photos").mkdir()
    for seed in range(PHOTOS):
        discs(seed, tmp_path / "photos" / f"{seed:02}.png")
    discs(PHOTOS, tmp_path / "photo.png")
    home = tmp_path / "venv"
    venv.create(home, symlinks=True)
    python = home / "bin" / "python"
    scheme = {"base": str(home), "platbase": str(home)}
    site = Path(sysconfig.get_path("purelib", "venv", scheme))
    (site / "all.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    programs = {"restorekit": f"{python} -m restorekit", "pytest": f"{python} -m pytest"}
    programs["pip"] = f"{sys.executable} -m pip --python {python} --disable-pip-version-check"
    for name, program in programs.items():
        (home / "bin" / name).write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        (home / "bin" / name).chmod(0o755)
    offline = {
        "PIP_NO_INDEX": "1",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
    }  # no: there is none
    path = {"PATH": f"{home / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RESTOREKIT_", "PYTEST_"))}
    own = {"RESTOREKIT_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    return Desk(tmp_path, kept | path | offline | own)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the guide's commands are for a shell")
def test_the_walk_gives_what_the_guide_shows(desk):
    steps = walk(GUIDE)
    typed = " ".join(command for command, _ in steps)
    for word in ("new-plugin", "pip install -e", "pytest", "degrade", "train basis", "--check", "pip wheel"):
        assert word in typed
    for command, shown in steps:
        desk, printed = desk.run(command)
        assert fits(printed, shown), f"$ {command}\n{printed}\n-- the guide has --\n{shown}"
    weights = desk.folder / "restorekit_varnish" / "weights"
    assert not [*weights.glob("*.generated.*")], "training took the template's card for one that a person wrote"


def test_a_word_more_or_less_does_not_fit():
    assert fits("a table\n  b   3 ms \n", "... b ... ms\n") and fits("", "") and fits("b 3", "...\nb ...\n...")
    assert not fits("b 3 ms", "b 4 ms") and not fits("b 3 ms more", "b ... ms") and not fits("a", "")


def test_the_guide_shows_the_degradation_that_a_new_package_has(cli, tmp_path):
    assert cli("new-plugin", "varnish").code == 0
    made = (tmp_path / "restorekit-varnish" / "restorekit_varnish" / "degradation.py").read_text()
    shown = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)[1]
    assert shown == made
