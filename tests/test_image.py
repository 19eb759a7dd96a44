"""Laws of reading and writing: what a file holds comes in once, goes out whole, and is never half done."""

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import (
    ExifTags,
    Image,
    ImageCms,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
)

from restorekit.errors import ImageError
from restorekit.image import (
    Picture,
    check_batch,
    from_pil,
    read_image,
    to_pil,
    write_image,
)

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_PROFILE = bytes(16) + b"GRAY" + bytes(108)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
ORIENTATION = ExifTags.Base.Orientation


def noise(width: int = 13, height: int = 9, mode: str = "RGB") -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    generator = torch.Generator().manual_seed(0)
    levels = torch.randint(0, 256, (height * width * bands,), dtype=torch.uint8, generator=generator)
    return Image.frombytes(mode, (width, height), bytes(levels.tolist()))


def exif_block(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ExifImageWidth.value: 13}
    exif[ExifTags.IFD.GPSInfo] = {1: "N"}
    return exif


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png16(path: Path, colour_type: int, values: list[int]) -> Path:
    """A PNG of one row of 16-bit pixels, which PIL itself cannot write."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    header = struct.pack(">IIBBBBB", len(values) // channels, 1, 16, colour_type, 0, 0, 0)
    row = b"\0" + struct.pack(f">{len(values)}H", *values)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    )
    return path


def tiff16_rgb(path: Path) -> Path:
    """A TIFF of one 16-bit RGB pixel."""
    tags = [(256, 4, 1, 1), (257, 4, 1, 1), (258, 3, 3, 200), (262, 3, 1, 2), (273, 4, 1, 208),
            (277, 3, 1, 3), (278, 4, 1, 1), (279, 4, 1, 6)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    path.write_bytes(
        head.ljust(200, b"\0") + struct.pack("<HHHH", 16, 16, 16, 0) + struct.pack("<HHH", 0, 65535, 32768)
    )
    return path


def cmyk_profile() -> bytes:
    """The least ICC profile: paper is white, every other corner of CMYK is black."""
    corners = b"".join(bytes([0 if i else 255, 128, 128]) for i in range(16))
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(65536 if i % 4 == 0 else 0 for i in range(9)))
    table = b"mft1" + bytes([0, 0, 0, 0, 4, 3, 2, 0]) + identity + ramp * 4 + corners + ramp * 3
    head = struct.pack(">8xI4s4s4s12x4s28x3i", 0x02400000, b"prtr", b"CMYK", b"Lab ", b"acsp", 63190, 65536, 54061)
    body = head.ljust(128, b"\0")[4:] + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table
    return struct.pack(">I", len(body) + 4) + body


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(3, 4, 4),
        torch.zeros(1, 4, 4, 4),
        torch.zeros(1, 3, 0, 4),
        torch.zeros(1, 3, 4, 4).byte(),
        "a",
    ],
)
def test_only_floating_batches_of_three_channels_are_images(image: torch.Tensor) -> None:
    check_batch(torch.zeros(2, 3, 1, 1, dtype=torch.float16))
    with pytest.raises(ImageError, match=r"expected .*\(B, 3, H, W\).* got"):
        check_batch(image)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif", "a.TIFF", "a.bmp"])
@pytest.mark.parametrize("size", [(1, 1), (5, 1), (1, 4), (13, 9)])
def test_lossless_formats_return_every_pixel(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    rgb = from_pil(noise(*size))
    write_image(tmp_path / name, rgb)
    picture = read_image(tmp_path / name)
    assert torch.equal(picture.rgb, rgb) and picture.alpha is None and picture.notes == ()


def test_to_pil_and_from_pil_undo_each_other() -> None:
    image = noise()
    assert to_pil(from_pil(image)).tobytes() == image.tobytes()
    assert from_pil(image).dtype is torch.float32 and from_pil(image).shape == (1, 3, 9, 13)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_exif_orientation_is_applied_once_and_reset(tmp_path: Path, name: str, orientation: int) -> None:
    options = {"lossless": True} if name == "a.webp" else {}
    path = saved(tmp_path / name, noise(), exif=exif_block(orientation).tobytes(), **options)
    with Image.open(path) as image:
        upright = from_pil(ImageOps.exif_transpose(image))
    picture = read_image(path)
    assert torch.equal(picture.rgb, upright)
    write_image(tmp_path / "again.png", picture.rgb, source=picture)
    with Image.open(tmp_path / "again.png") as again:
        assert again.getexif().get(ORIENTATION, 1) == 1
    assert torch.equal(read_image(tmp_path / "again.png").rgb, upright)


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


@pytest.mark.parametrize("white_is_zero", [False, True])
def test_16_bit_grey_is_read_in_full_and_said_to_be_written_in_8(tmp_path: Path, white_is_zero: bool) -> None:
    image = Image.frombytes("I;16", (3, 1), struct.pack("<HHH", 0, 257, 65535))
    expected = torch.tensor([0, 257 / 65535, 1])
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    if white_is_zero:
        tags[262] = 0
        expected = 1 - expected
    picture = read_image(saved(tmp_path / "a.tif", image, tiffinfo=tags))
    assert torch.allclose(picture.rgb[0, 1, 0], expected, atol=1e-7)
    assert picture.mode == "grey" and "16-bit grey" in picture.notes[0]


def test_16_bit_colour_which_pil_cuts_to_8_is_noted(tmp_path: Path) -> None:
    for path in (png16(tmp_path / "a.png", 2, [0, 65535, 32768]), tiff16_rgb(tmp_path / "a.tif")):
        picture = read_image(path)
        assert picture.notes == ("16 bits per channel were cut to 8 on reading",)
        assert picture.rgb.flatten().tolist() == pytest.approx([0, 1, 0.5], abs=0.005)
    grey = read_image(png16(tmp_path / "grey.png", 4, [65535, 0]))
    assert grey.mode == "grey" and grey.alpha is not None and len(grey.notes) == 1
    assert read_image(png16(tmp_path / "l.png", 0, [0, 65535])).rgb[0, 0].tolist() == [[0, 1]]


def test_32_bit_values_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="convert it to RGB first"):
        from_pil(Image.new("I", (2, 2)))
    with pytest.raises(ImageError, match="scale them to 16 bits"):
        read_image(saved(tmp_path / "a.tif", Image.new("F", (2, 2))))


@pytest.mark.parametrize(("profile", "note"), [(cmyk_profile(), "through its profile"), (b"junk", "approximate")])
def test_cmyk_becomes_srgb_and_leaves_its_profile_behind(tmp_path: Path, profile: bytes, note: str) -> None:
    image = Image.frombytes("CMYK", (2, 1), bytes([0, 0, 0, 0, 0, 0, 0, 255]))
    picture = read_image(saved(tmp_path / "a.tif", image, icc_profile=profile))
    assert picture.icc_profile is None and note in picture.notes[0]
    assert picture.rgb[0, :, 0].T.tolist() == [
        pytest.approx([1] * 3, abs=0.02),
        pytest.approx([0] * 3, abs=0.02),
    ]


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("start", ["s.jpg", "s.png", "s.webp", "s.tif"])
def test_metadata_passes_from_any_format_to_any(tmp_path: Path, start: str, name: str) -> None:
    source = Picture(from_pil(noise()), icc_profile=SRGB, exif=exif_block().tobytes(), xmp=XMP, dpi=(300, 150))
    write_image(tmp_path / start, source.rgb, source=source)
    picture = read_image(tmp_path / start)
    write_image(tmp_path / name, picture.rgb.repeat(1, 1, 2, 2), source=picture)
    with Image.open(tmp_path / name) as image:
        exif = image.getexif()
        assert image.info["icc_profile"] == SRGB
        assert exif[ExifTags.Base.Make] == "Maker" and exif.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"
        assert exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] == 26  # of this image, not the source
        if "webp" not in start + name:  # which has no place for it
            assert image.info["dpi"] == pytest.approx((300, 150), abs=0.1)
    again = read_image(tmp_path / name)
    assert again.xmp == XMP.replace(b'="6"', b'="1"') and again.notes == ()


def test_of_a_camera_s_mpo_the_first_picture_is_read_as_a_jpeg(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.mpo", noise(), save_all=True, append_images=[Image.new("RGB", (4, 4))])
    picture = read_image(path.rename(tmp_path / "a.jpg"))
    assert picture.format == "JPEG" and picture.rgb.shape == (1, 3, 9, 13) and "MPO" in picture.notes[0]


def test_the_preview_in_a_raw_file_is_not_taken_for_the_picture(tmp_path: Path) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = 1
    with pytest.raises(ImageError, match="preview"):
        read_image(saved(tmp_path / "a.dng.tif", noise(), tiffinfo=tags))


@pytest.mark.parametrize(("source", "lossless"), [("JPEG", False), ("PNG", True), ("WEBP", True)])
def test_webp_is_lossless_unless_the_source_was_a_jpeg(tmp_path: Path, source: str, lossless: bool) -> None:
    rgb = from_pil(noise())
    write_image(tmp_path / "a.webp", rgb, source=Picture(rgb, format=source))
    assert torch.equal(read_image(tmp_path / "a.webp").rgb, rgb) == lossless


def test_png_text_is_kept(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "Zoë 写真")
    picture = read_image(saved(tmp_path / "a.png", noise(), pnginfo=info))
    write_image(tmp_path / "b.png", picture.rgb, source=picture)
    assert read_image(tmp_path / "b.png").text == (("Author", "Zoë 写真"),)


def test_a_damaged_exif_block_does_not_stop_the_picture(tmp_path: Path) -> None:
    picture = read_image(saved(tmp_path / "a.jpg", noise(), exif=b"Exif\0\0not a directory"))
    assert picture.exif is None and "EXIF" in picture.notes[0]


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


@pytest.mark.parametrize(("quality", "written"), [(10, 95), (75, 95), (98, 98), (100, 100)])
def test_a_jpeg_is_written_at_its_own_quality_but_never_below_95(
    tmp_path: Path, quality: int, written: int
) -> None:
    picture = read_image(saved(tmp_path / "a.jpg", noise(), quality=quality))
    assert picture.jpeg_quality == quality
    write_image(tmp_path / "b.jpg", picture.rgb, source=picture)
    saved(tmp_path / "c.jpg", noise(), quality=written, subsampling=0)
    with Image.open(tmp_path / "b.jpg") as ours, Image.open(tmp_path / "c.jpg") as reference:
        assert isinstance(ours, JpegImagePlugin.JpegImageFile)
        assert isinstance(reference, JpegImagePlugin.JpegImageFile)
        assert ours.quantization == reference.quantization
        assert JpegImagePlugin.get_sampling(ours) == 0  # 4:4:4


def test_values_beyond_the_range_are_clipped_and_nan_is_refused(tmp_path: Path) -> None:
    assert to_pil(torch.tensor([-1.0, 0.5, 7.0]).view(1, 3, 1, 1)).getpixel((0, 0)) == (0, 128, 255)
    with pytest.raises(ImageError, match="NaN"):
        write_image(tmp_path / "a.png", torch.full((1, 3, 2, 2), torch.nan))
    with pytest.raises(ImageError, match="batch of 2"):
        write_image(tmp_path / "a.png", torch.zeros(2, 3, 2, 2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.bmp", "a.gif"])
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


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tif"])
def test_several_frames_are_refused(tmp_path: Path, name: str) -> None:
    saved(tmp_path / name, noise(), save_all=True, append_images=[Image.new("RGB", (13, 9))])
    with pytest.raises(ImageError, match="2 frames or pages; save one"):
        read_image(tmp_path / name)
