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


def text_on_paper(tmp_path: Path, profile: bytes | None) -> Path:
    """Black ink alone in its steps, beside a patch of colours."""
    image = Image.new("CMYK", (32, 24))
    image.paste((0, 0, 0, 255), (4, 4, 12, 20))
    image.paste((0, 0, 0, 128), (12, 4, 16, 20))
    image.paste((200, 40, 0, 30), (24, 0, 32, 24))
    image.paste((60, 50, 50, 0), (20, 0, 24, 24))  # a grey of three inks
    return saved(tmp_path / "s.tif", image, **({"icc_profile": profile} if profile else {}))


def inks_of(path: Path) -> torch.Tensor:
    with Image.open(path) as image:
        assert image.mode == "CMYK"
        return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(image.height, image.width, 4)


@pytest.mark.parametrize("with_profile", [False, True])
def test_where_nothing_is_restored_the_inks_are_the_inputs(tmp_path: Path, with_profile: bool) -> None:
    path = text_on_paper(tmp_path, cmyk_profile() if with_profile else None)
    picture = read_image(path)
    write_image(tmp_path / "b.tif", picture.rgb, source=picture)
    assert torch.equal(inks_of(tmp_path / "b.tif"), inks_of(path))
    changed = picture.rgb.clone()
    changed[..., :12, :] *= 0.9  # the rest was left alone
    write_image(tmp_path / "c.tif", changed, source=picture)
    assert torch.equal(inks_of(tmp_path / "c.tif")[12:], inks_of(path)[12:])


@pytest.mark.parametrize("with_profile", [False, True])
@pytest.mark.parametrize("scale", [1, 2])
def test_black_text_stays_one_ink_and_other_greys_do_not_become_it(
    tmp_path: Path, with_profile: bool, scale: int
) -> None:
    path = text_on_paper(tmp_path, cmyk_profile() if with_profile else None)
    picture = read_image(path)
    softer = (0.9 * picture.rgb + 0.03).repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    write_image(tmp_path / "b.tif", softer, source=picture)
    inks = inks_of(tmp_path / "b.tif")[:, : 20 * scale]
    assert int(inks[..., :3].max()) == 0  # text and paper
    again = read_image(tmp_path / "b.tif")
    assert float((again.rgb - softer)[..., : 20 * scale].abs().max()) < 0.02
    if not with_profile:  # the profile of these tests makes every grey of black
        assert int(inks_of(tmp_path / "b.tif")[:, 20 * scale : 24 * scale, 3].max()) == 0


def test_a_colour_that_comes_over_black_text_is_not_forced_into_black(tmp_path: Path) -> None:
    picture = read_image(text_on_paper(tmp_path, None))
    red = picture.rgb.clone()
    red[:, 0] = 1.0
    write_image(tmp_path / "b.tif", red, source=picture)
    assert torch.allclose(read_image(tmp_path / "b.tif").rgb[..., :20], red[..., :20], atol=1.01 / 255)
