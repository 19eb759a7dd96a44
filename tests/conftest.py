"""Fixtures that several tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
    from restorekit.restorer import Restorer

    return Restorer.from_pretrained(device="cpu", precision="fp32")


@pytest.fixture(autouse=True, scope="session")
def cache_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what the tests measure out of the user's cache."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RESTOREKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
