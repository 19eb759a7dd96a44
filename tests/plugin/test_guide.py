"""The guide's example works as it stands there: built as a wheel, installed elsewhere, restoring."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.plugin.strangers import fog_basis

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "plugins" / "README.md").read_text()


def example(language: str) -> str:
    """The guide's first piece of that language."""
    return re.search(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)[1]


def run(*command, **variables) -> str:
    result = subprocess.run(
        [sys.executable, "-m", *map(str, command)], capture_output=True, text=True, env=os.environ | variables
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def installed(weights_folder, tmp_path) -> Path:
    """The example with weights, from its wheel."""
    pytest.importorskip("hatchling", reason="the extra `test` brings hatchling, which builds the wheel")
    project, wheels, site = (tmp_path / name for name in ("project", "wheels", "site"))
    package = project / "restorekit_fog"
    package.mkdir(parents=True)
    (project / "pyproject.toml").write_text(example("toml"))
    (package / "__init__.py").write_text(example("python"))
    fog_basis(weights_folder, package / "weights")
    offline = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    run("pip", "wheel", *offline, "--no-build-isolation", "--wheel-dir", wheels, project)
    [wheel] = wheels.glob("*.whl")
    run("pip", "install", *offline, "--target", site, wheel)
    return site


def test_the_guides_example_restores_from_a_wheel(installed, weights_folder, tmp_path):
    path = os.pathsep.join([str(installed), str(ROOT), str(ROOT / "plugins")])
    variables = {"PYTHONPATH": path, "RESTOREKIT_WEIGHTS": str(weights_folder)}
    Image.radial_gradient("L").resize((40, 30)).convert("RGB").save(tmp_path / "photo.png")
    listed = run("restorekit", "plugins", **variables)
    assert "restorekit-fog 0.1" in listed and "failed" not in listed and "unusable" not in listed
    foggy, clear = tmp_path / "foggy.png", tmp_path / "clear.png"
    run("restorekit", "degrade", tmp_path / "photo.png", "-o", foggy, "--with", "fog=40", **variables)
    run("restorekit", "restore", foggy, "-o", clear, "--set", "fog=1", "--only", **variables)
    with Image.open(foggy) as before, Image.open(clear) as after:
        assert before.size == after.size and before.tobytes() != after.tobytes()
