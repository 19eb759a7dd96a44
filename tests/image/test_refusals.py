"""Laws of refusal: what is no whole, single picture is refused with the remedy."""

from pathlib import Path

import pytest
from PIL import Image, ImageFile, TiffImagePlugin

from restorekit.errors import ImageError
from restorekit.image import Picture, from_pil, read_image, write_image
from tests.image.made import noise, saved


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.bmp"])
def test_a_truncated_file_is_refused_whatever_pil_was_told(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = saved(tmp_path / name, noise(40, 40)).read_bytes()
    for part in (4, 30, len(data) // 2, len(data) - 40):
        (tmp_path / name).write_bytes(data[:part])
        with pytest.raises(ImageError, match=rf"{name} is (damaged or cut short|not an image)") as refusal:
            read_image(tmp_path / name)
        assert "\n" not in str(refusal.value)
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_what_is_no_picture_is_refused_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("hello")
    path = saved(tmp_path / "large.png", noise())
    for name, message in [("gone.png", "does not exist"), (".", "is a folder"), ("empty.png", "is empty"),
                          ("text.png", "convert it to PNG")]:  # fmt: skip
        with pytest.raises(ImageError, match=message):
            read_image(tmp_path / name)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ImageError, match="shrink"):
        read_image(path)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_several_frames_are_refused(tmp_path: Path, name: str) -> None:
    saved(tmp_path / name, noise(), save_all=True, append_images=[Image.new("RGB", (13, 9))])
    with pytest.raises(ImageError, match=r"2 (frames|pages); save one"):
        read_image(tmp_path / name)


def test_of_a_camera_s_mpo_the_first_picture_is_read_as_a_jpeg(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.mpo", noise(), save_all=True, append_images=[Image.new("RGB", (4, 4))])
    picture = read_image(path.rename(tmp_path / "a.jpg"))
    assert picture.format == "JPEG" and picture.rgb.shape == (1, 3, 9, 13) and "MPO" in picture.notes[0]


def test_the_preview_in_a_raw_file_is_not_taken_for_the_picture(tmp_path: Path) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = 1
    with pytest.raises(ImageError, match="preview"):
        read_image(saved(tmp_path / "a.dng.tif", noise(), tiffinfo=tags))


@pytest.mark.parametrize("name", ["a.tif", "a.heic"])
def test_more_pixels_than_the_limit_are_refused_whoever_decodes_them(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyvips")
    pytest.importorskip("pillow_heif")
    rgb = from_pil(noise(64, 64))
    write_image(tmp_path / name, rgb, source=Picture(rgb, depth=16))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ImageError, match="shrink"):
        read_image(tmp_path / name)


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"GIF89a", "a GIF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "a PostScript drawing"),
        (b"8BPS", "a Photoshop document"),
        (b"%PDF-1.7", "a PDF"),
        (b"P6 2 2 255 ", "a PNM"),
        (b"\0\0\1\0", "an icon"),
        (b"<?xml version='1.0'?><svg", "an SVG drawing"),
        (b"\0\0\0\x0cjP  \r\n", "JPEG 2000"),
        (b"\0\0\0\x18ftypmp42", "a video"),
    ],
)
@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_a_format_that_is_not_promised_is_named_whatever_the_file_is_called(
    tmp_path: Path, start: bytes, name: str, ending: str
) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_bytes(start.ljust(200, b" "))
    with pytest.raises(ImageError, match=f"is {name}.* is not read; convert it to PNG first") as refusal:
        read_image(path)
    assert "\n" not in str(refusal.value)


def test_pil_is_offered_the_one_format_that_the_first_bytes_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    opened = Image.open

    def watched(file: object, formats: object = None) -> Image.Image:
        asked.append(formats)
        return opened(file, formats=formats)

    monkeypatch.setattr(Image, "open", watched)
    for ending, format in (("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP"), ("bmp", "BMP"), ("tif", "TIFF")):
        path = saved(tmp_path / f"a.{ending}", noise())
        asked.clear()
        picture = read_image(path.rename(tmp_path / f"{ending}.img"))
        assert picture.format == format and set(asked) <= {(format,), None} and (format,) in asked
    for format in ("PPM", "TGA", "ICO", "PCX", "SGI", "GIF", "DDS"):
        noise().save(tmp_path / "b.img", format)
        with pytest.raises(ImageError, match="convert it to PNG first"):
            read_image(tmp_path / "b.img")
