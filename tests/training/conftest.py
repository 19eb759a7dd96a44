"""Made-up photographs for the trainings."""

import numpy as np
import pytest
from PIL import Image

from restorekit.training.photos import Photos


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Eighteen photographs of nothing in particular."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for i in range(18):
        coarse = random.integers(0, 255, (14, 14, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((210, 200), Image.Resampling.BICUBIC).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture(scope="session")
def photos(folder):
    return Photos.load([folder])
