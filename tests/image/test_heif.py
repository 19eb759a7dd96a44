"""Laws of HEIC and AVIF, the photographs of phones."""

import sys
from pathlib import Path

import pytest
import torch
from PIL import ExifTags, Image, features

from restorekit.errors import ImageError
from restorekit.image import Picture, from_pil, read_image, write_image
from restorekit.image.heif import bits_of_avif
from tests.image.made import ORIENTATION, SRGB, XMP, exif_block, noise, saved

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")


@pytest.fixture
def heif():
    return pytest.importorskip("pillow_heif")


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("depth", [8, 16])
def test_heic_of_quality_100_returns_every_value(tmp_path: Path, heif, mode: str, depth: int) -> None:
    image = noise(64, 66, mode)
    rgb, peak = from_pil(image), 255 if depth == 8 else 1023
    rgb = (rgb * peak).round() / peak
    alpha = torch.full((66, 64), 128, dtype=torch.uint8) if "A" in mode else None
    kind = "grey" if mode == "L" else "rgb"
    source = Picture(rgb, alpha=alpha, mode=kind, depth=depth, format="HEIF")
    assert write_image(tmp_path / "a.heic", rgb, source=source, quality=100) == ()
    picture = read_image(tmp_path / "a.heic")
    assert (picture.mode, picture.depth, picture.format, picture.notes) == (kind, depth, "HEIF", ())
    assert torch.allclose(picture.rgb, rgb, atol=2e-5)
    assert (picture.alpha is None) == (alpha is None)


def test_what_the_decoder_has_turned_is_not_turned_again(tmp_path: Path, heif) -> None:
    image = Image.new("RGB", (80, 64), "red")
    block = exif_block(6).tobytes()
    heif.from_pillow(image).save(tmp_path / "a.heic", exif=block)
    picture = read_image(tmp_path / "a.heic")
    assert picture.rgb.shape == (1, 3, 80, 64)
    exif = Image.Exif()
    exif.load(picture.exif)
    assert exif[ORIENTATION] == 1 and exif[ExifTags.Base.Make] == "Maker"
    write_image(tmp_path / "b.jpg", picture.rgb, source=picture)
    assert read_image(tmp_path / "b.jpg").rgb.shape == (1, 3, 80, 64)


@pytest.mark.parametrize("name", ["a.heic", pytest.param("a.avif", marks=needs_avif)])
def test_metadata_goes_in_and_out(tmp_path: Path, heif, name: str) -> None:
    rgb = torch.full((1, 3, 64, 64), 0.4)
    source = Picture(rgb, icc_profile=SRGB, exif=exif_block().tobytes(), xmp=XMP.replace(b"6", b"1"))
    write_image(tmp_path / name, rgb, source=source)
    picture = read_image(tmp_path / name)
    assert picture.icc_profile == SRGB and picture.xmp == source.xmp and picture.notes == ()
    assert torch.allclose(picture.rgb, rgb, atol=2 / 255)
    exif = Image.Exif()
    exif.load(picture.exif)
    assert exif[ExifTags.Base.Make] == "Maker"


def test_a_truncated_heic_is_refused(tmp_path: Path, heif) -> None:
    write_image(tmp_path / "a.heic", from_pil(noise(64, 64)))
    data = (tmp_path / "a.heic").read_bytes()
    for part in (30, 200, len(data) // 2, len(data) - 40):
        (tmp_path / "a.heic").write_bytes(data[:part])
        with pytest.raises(ImageError, match=r"a\.heic is damaged or cut short") as refusal:
            read_image(tmp_path / "a.heic")
        assert "\n" not in str(refusal.value)


def test_without_the_extra_heic_is_refused_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    with pytest.raises(ImageError, match=r"restorekit\[heic\]"):
        read_image(tmp_path / "a.heic")
    monkeypatch.setattr("restorekit.files.find_spec", lambda name: None)
    with pytest.raises(ImageError, match=r"restorekit\[heic\]"):
        write_image(tmp_path / "b.heic", from_pil(noise()))


@needs_avif
def test_avif_comes_and_goes_with_alpha(tmp_path: Path) -> None:
    image = Image.new("RGBA", (64, 64), (10, 100, 200, 77))
    picture = read_image(saved(tmp_path / "a.avif", image, quality=95))
    write_image(tmp_path / "b.avif", picture.rgb, source=picture)
    again = read_image(tmp_path / "b.avif")
    assert again.format == "AVIF" and again.alpha is not None and again.notes == ()
    assert torch.allclose(again.rgb, picture.rgb, atol=2 / 255)


@pytest.mark.parametrize(("flags", "bits"), [(0x0C, 8), (0x4C, 10), (0x6C, 12)])
def test_the_depth_that_is_cut_is_read_from_an_avif_s_header(flags: int, bits: int) -> None:
    assert bits_of_avif(b"....av1C\x81\x20" + bytes([flags, 0])) == bits
    assert bits_of_avif(b"no such box") == 8
