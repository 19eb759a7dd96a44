"""Laws of colour spaces."""

from pathlib import Path

import pytest
from PIL import Image

from restorekit.image import read_image
from tests.image.made import cmyk_profile, saved


@pytest.mark.parametrize(("profile", "note"), [(cmyk_profile(), "through its profile"), (b"junk", "approximate")])
def test_cmyk_becomes_srgb_and_leaves_its_profile_behind(tmp_path: Path, profile: bytes, note: str) -> None:
    image = Image.frombytes("CMYK", (2, 1), bytes([0, 0, 0, 0, 0, 0, 0, 255]))
    picture = read_image(saved(tmp_path / "a.tif", image, icc_profile=profile))
    assert picture.icc_profile is None and note in picture.notes[0]
    assert picture.rgb[0, :, 0].T.tolist() == [
        pytest.approx([1] * 3, abs=0.02),
        pytest.approx([0] * 3, abs=0.02),
    ]
