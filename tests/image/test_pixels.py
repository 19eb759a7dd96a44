"""Laws of pixels: what a file holds comes in once, and goes out as it was."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from restorekit.errors import ImageError
from restorekit.image import Picture, as_float, as_values, check_batch, from_pil, read_image, to_pil, write_image
from tests.image.made import GREY_PROFILE, noise, saved


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(3, 4, 4),
        torch.zeros(1, 4, 4, 4),
        torch.zeros(1, 3, 0, 4),
        torch.zeros(1, 3, 4, 4).int(),
        "a",
    ],
)
def test_only_batches_of_three_channels_floating_or_of_8_or_16_bits_are_images(image: torch.Tensor) -> None:
    for dtype in (torch.float16, torch.float32, torch.uint8, torch.uint16):
        check_batch(torch.zeros(2, 3, 1, 1, dtype=dtype))
    with pytest.raises(ImageError, match=r"expected .*\(B, 3, H, W\).* got"):
        check_batch(image)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif", "a.TIFF", "a.bmp"])
@pytest.mark.parametrize("size", [(1, 1), (5, 1), (1, 4), (13, 9)])
def test_lossless_formats_return_every_pixel(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    rgb = from_pil(noise(*size))
    write_image(tmp_path / name, rgb)
    picture = read_image(tmp_path / name)
    assert torch.equal(picture.rgb, rgb) and picture.alpha is None and picture.notes == ()


def test_a_picture_keeps_the_files_own_type_and_its_rgb_is_the_same_in_floating_point(tmp_path: Path) -> None:
    picture = read_image(saved(tmp_path / "a.png", noise()))
    assert picture.values.dtype == torch.uint8 and torch.equal(picture.rgb, from_pil(noise()))
    for dtype in (torch.uint8, torch.uint16):
        every = torch.arange(2 ** (8 * dtype.itemsize)).to(dtype)
        assert torch.equal(as_values(as_float(every), dtype), every)


def test_to_pil_and_from_pil_undo_each_other() -> None:
    image = noise()
    assert to_pil(from_pil(image)).tobytes() == image.tobytes()
    assert from_pil(image).dtype is torch.float32 and from_pil(image).shape == (1, 3, 9, 13)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("1", "grey"), ("L", "grey"), ("LA", "grey"), ("P", "palette"), ("RGB", "rgb"), ("RGBA", "rgb"),
     ("CMYK", "cmyk")],
)  # fmt: skip
def test_every_mode_is_read_as_pil_converts_it(tmp_path: Path, mode: str, kind: str) -> None:
    image = noise(12, 8, "L").convert(mode) if mode in ("1", "P") else noise(12, 8, mode)
    picture = read_image(saved(tmp_path / "a.tif", image))
    assert picture.mode == kind
    assert torch.equal(picture.rgb, from_pil(image.convert("RGBA" if "A" in mode else "RGB")))
    assert (picture.alpha is None) == ("A" not in mode)


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "LAB", "RGBX"])
def test_other_colour_spaces_of_pil_are_taken_as_rgb(mode: str) -> None:
    assert torch.equal(from_pil(noise(mode=mode)), from_pil(noise(mode=mode).convert("RGB")))


def test_a_transparent_palette_gives_colours_and_alpha_and_is_written_as_rgb(tmp_path: Path) -> None:
    image = noise(mode="L").quantize(4)
    picture = read_image(saved(tmp_path / "a.png", image, transparency=2))
    assert picture.alpha is not None and picture.alpha.tolist() == [
        [0 if image.getpixel((x, y)) == 2 else 255 for x in range(13)] for y in range(9)
    ]
    write_image(tmp_path / "b.png", picture.rgb, source=picture)
    with Image.open(tmp_path / "b.png") as written:
        assert written.mode == "RGBA"


@pytest.mark.parametrize(("source", "lossless"), [("JPEG", False), ("PNG", True), ("WEBP", True)])
def test_webp_is_lossless_unless_the_source_was_a_jpeg(tmp_path: Path, source: str, lossless: bool) -> None:
    rgb = from_pil(noise())
    write_image(tmp_path / "a.webp", rgb, source=Picture(rgb, format=source))
    assert torch.equal(read_image(tmp_path / "a.webp").rgb, rgb) == lossless


def test_a_grey_source_is_written_grey_by_luma(tmp_path: Path) -> None:
    picture = read_image(saved(tmp_path / "a.png", noise(mode="L"), icc_profile=GREY_PROFILE))
    green = torch.zeros_like(picture.rgb)
    green[:, 1] = 1
    write_image(tmp_path / "b.png", green, source=picture)
    with Image.open(tmp_path / "b.png") as image:
        assert image.mode == "L" and image.getpixel((0, 0)) == round(0.587 * 255)
        assert image.info["icc_profile"] == GREY_PROFILE
    write_image(tmp_path / "b.webp", picture.rgb, source=picture)
    assert read_image(tmp_path / "b.webp").icc_profile is None  # WebP holds RGB, of which it would be wrong
    assert torch.equal(read_image(tmp_path / "b.webp").rgb, picture.rgb)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_carried_over_and_scaled_where_the_format_has_it(tmp_path: Path, mode: str) -> None:
    picture = read_image(saved(tmp_path / "a.png", noise(mode=mode)))
    for name in ("b.png", "b.webp", "b.tif"):
        write_image(tmp_path / name, picture.rgb, source=picture)
        again = read_image(tmp_path / name)
        assert again.alpha is not None and picture.alpha is not None
        assert torch.equal(again.rgb, picture.rgb) and torch.equal(again.alpha, picture.alpha)
    write_image(tmp_path / "c.png", picture.rgb.repeat(1, 1, 3, 3), source=picture)
    larger = read_image(tmp_path / "c.png").alpha
    assert larger is not None and larger.shape == (27, 39)
    for name in ("b.jpg", "b.bmp"):
        write_image(tmp_path / name, picture.rgb, source=picture)
        assert read_image(tmp_path / name).alpha is None
    with pytest.raises(ImageError, match="13x9 does not fit an image of 13x18"):
        write_image(tmp_path / "d.png", picture.rgb.repeat(1, 1, 2, 1), source=picture)


def test_values_beyond_the_range_are_clipped_and_nan_is_refused(tmp_path: Path) -> None:
    assert to_pil(torch.tensor([-1.0, 0.5, 7.0]).view(1, 3, 1, 1)).getpixel((0, 0)) == (0, 128, 255)
    with pytest.raises(ImageError, match="NaN"):
        write_image(tmp_path / "a.png", torch.full((1, 3, 2, 2), torch.nan))
    with pytest.raises(ImageError, match="batch of 2"):
        write_image(tmp_path / "a.png", torch.zeros(2, 3, 2, 2))
    assert list(tmp_path.iterdir()) == []
