"""A method from a package outside this repository is listed and runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = """
from restorekit.plugin import Method, hookimpl

class Mirror:
    def prepare(self):
        pass
    def __call__(self, item):
        return item.degraded.flip(-1)

@hookimpl
def register_methods():
    return [Method("mirror", "turns pictures around", "MIT", "strange_package:Mirror")]
"""


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """An environment in which a package with one method is installed, as pip lays it out."""
    site = tmp_path / "site"
    info = site / "strange_package-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "strange_package.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[restorekit]\nstrange = strange_package\n")
    root = Path(__file__).resolve().parents[2]
    paths = [str(site), str(root), str(root / "plugins"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}


def bench(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-c", "from restorekit.cli.main import run; run()", "bench", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_shows_up_in_the_list(installed: dict[str, str]):
    listed = bench(installed, "list", "--json")
    assert '"method": "mirror"' in listed and '"plugin": "strange"' in listed


@pytest.mark.slow
def test_it_runs(installed: dict[str, str], small_data: Path, tmp_path: Path):
    pytest.importorskip("pyiqa", reason="scoring needs restorekit[bench]")
    arguments = ["--data", str(small_data), "--results", str(tmp_path / "results"), "--metrics", "psnr"]
    shown = bench(installed, "run", "-p", "set5-x2", "-m", "mirror", *arguments)
    assert "mirror" in shown and "psnr-y-b2" in shown
