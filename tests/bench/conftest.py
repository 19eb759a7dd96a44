"""Where the benchmark's tests find pictures: RESTOREKIT_DATA, or shared/data beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from restorekit.image import write_image


@pytest.fixture
def data() -> Path:
    """The folder of test sets; the test is skipped where there is none."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("RESTOREKIT_DATA", beside))
    if not (folder / "test").is_dir():
        pytest.skip("no test sets: set RESTOREKIT_DATA to a folder that has them")
    return folder


@pytest.fixture
def small_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a Set5 of four tiny pictures, and a Rain100L of two pairs: the only one there is."""
    monkeypatch.delenv("RESTOREKIT_DATA", raising=False)
    generator = torch.Generator().manual_seed(0)
    root = tmp_path / "data"
    for folder, count in (("Set5", 4), ("Rain100L/input", 2), ("Rain100L/target", 2)):
        (root / folder).mkdir(parents=True)
        for i in range(count):
            image = torch.rand(1, 3, 8, 9, generator=generator).repeat_interleave(4, -1).repeat_interleave(4, -2)
            write_image(root / folder / f"picture{i}.png", image)
    return root
