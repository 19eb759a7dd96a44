"""Fixtures that several tests share."""

from __future__ import annotations

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
