"""Fixtures that several tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.tiny import tiny_weights


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny random weights."""
    return tiny_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def tiny(weights_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny weights in place of the shipped ones."""
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(weights_folder))
    return weights_folder


@pytest.fixture
def restorer(tiny: Path):
    from restorekit.running.restorer import Restorer

    return Restorer.from_pretrained(device="cpu", precision="fp32")


@dataclass(frozen=True)
class Outcome:
    """The command line as a person meets it: exit code, stdout and stderr."""

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
    from restorekit.cli.main import run

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


@pytest.fixture(autouse=True, scope="session")
def cache_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what the tests measure out of the user's cache."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RESTOREKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
