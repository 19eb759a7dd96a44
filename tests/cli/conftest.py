"""The command line as a person meets it: arguments in; exit code, stdout and stderr out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from restorekit.cli.main import run


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    def is_one_error(self) -> bool:
        """One line on stderr, nothing on stdout, and an exit code that says so."""
        return self.code == 1 and self.out == "" and self.err.startswith("error: ") and self.err.count("\n") == 1


@pytest.fixture
def cli(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Run the command line in an empty folder, with tiny weights."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run(arguments)
        out, err = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), out, err)

    return call


@pytest.fixture
def photo(tmp_path: Path) -> Callable[[str], Path]:
    """Make a small picture file of a given name."""

    def make(name: str, size: tuple[int, int] = (20, 14)) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.radial_gradient("L").resize(size).convert("RGB").save(path)
        return path

    return make
