"""Laws of colour spaces: a picture comes back in the space that it came in."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from restorekit.image import Picture, read_image, write_image
from tests.image.made import SRGB, cmyk_profile, noise, saved

GREYS = bytes(v for k in range(0, 256, 5) for v in (0, 0, 0, k))  # by black ink alone


def greys() -> Image.Image:
    return Image.frombytes("CMYK", (len(GREYS) // 4, 1), GREYS)


@pytest.mark.parametrize("name", ["a.tif", "a.jpg"])
def test_cmyk_comes_back_in_its_own_inks_with_its_profile(tmp_path: Path, name: str) -> None:
    profile = cmyk_profile()
    picture = read_image(saved(tmp_path / "s.tif", greys(), icc_profile=profile))
    assert picture.mode == "cmyk" and picture.icc_profile is None and picture.ink_profile == profile
    assert "through its profile" in picture.notes[0]
    white, black = picture.rgb[0, :, 0, 0], picture.rgb[0, :, 0, -1]
    assert white.tolist() == pytest.approx([1] * 3, abs=0.02) and black.tolist() == pytest.approx(
        [0] * 3, abs=0.02
    )
    assert write_image(tmp_path / name, picture.rgb, source=picture) == ()
    with Image.open(tmp_path / name) as image:
        assert image.mode == "CMYK" and image.info["icc_profile"] == profile
        written = image.tobytes()
    assert max(abs(a - b) for a, b in zip(written, GREYS, strict=True)) <= 3


def test_cmyk_without_a_profile_keeps_its_colours_as_they_were_seen(tmp_path: Path) -> None:
    image = noise(mode="CMYK")
    picture = read_image(saved(tmp_path / "a.tif", image))
    assert picture.ink_profile is None and "approximate" in picture.notes[0]
    write_image(tmp_path / "b.tif", picture.rgb, source=picture)
    with Image.open(tmp_path / "b.tif") as written:
        assert written.mode == "CMYK"
    again = read_image(tmp_path / "b.tif")
    assert torch.allclose(again.rgb, picture.rgb, atol=1.01 / 255)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.bmp"])
def test_cmyk_in_a_format_without_inks_is_srgb_and_that_is_said(tmp_path: Path, name: str) -> None:
    picture = read_image(saved(tmp_path / "s.tif", greys(), icc_profile=cmyk_profile()))
    assert "cannot hold CMYK" in write_image(tmp_path / name, picture.rgb, source=picture)[0]
    again = read_image(tmp_path / name)
    assert again.icc_profile is None and torch.allclose(again.rgb, picture.rgb, atol=0.51 / 255)


def test_a_profile_that_knows_no_way_back_leaves_the_picture_in_srgb(tmp_path: Path) -> None:
    picture = read_image(saved(tmp_path / "a.tif", greys(), icc_profile=cmyk_profile(back=False)))
    assert picture.mode == "rgb" and picture.ink_profile is None and "no way back" in picture.notes[0]
    write_image(tmp_path / "b.tif", picture.rgb, source=picture)
    assert read_image(tmp_path / "b.tif").notes == ()


def test_a_broken_profile_is_as_none(tmp_path: Path) -> None:
    picture = read_image(saved(tmp_path / "a.tif", greys(), icc_profile=b"junk"))
    assert "approximate" in picture.notes[0]
    write_image(tmp_path / "b.tif", picture.rgb, source=picture)
    with Image.open(tmp_path / "b.tif") as image:
        assert image.mode == "CMYK" and "icc_profile" not in image.info


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("depth", [8, 16])
def test_a_profile_of_rgb_stays_with_values_that_nobody_converted(tmp_path: Path, name: str, depth: int) -> None:
    if depth == 16:
        pytest.importorskip("pyvips")
    wide = SRGB[:60] + bytes(4) + SRGB[64:]  # any profile will do that is not the usual one
    rgb = torch.full((1, 3, 8, 8), 0.2)
    write_image(tmp_path / name, rgb, source=Picture(rgb, icc_profile=wide, depth=depth))
    picture = read_image(tmp_path / name)
    assert picture.icc_profile == wide and torch.allclose(picture.rgb, rgb, atol=1 / 255)
