"""Laws of depth: 16 bits stay 16, floating point stays so, and a cut to 8 is never silent."""

import struct
from pathlib import Path

import pytest
import torch
from PIL import ExifTags, Image, TiffImagePlugin

from restorekit.errors import ImageError
from restorekit.image import Picture, deep, from_pil, read_image, write_image
from tests.image.made import SRGB, XMP, exif_block, noise, png, png16, saved

GENERATOR = torch.Generator().manual_seed(0)
LEVELS = torch.randint(0, 65_536, (9, 13, 4), generator=GENERATOR)  # of 16 bits


def rgb16() -> torch.Tensor:
    return (LEVELS[..., :3] / 65_535).permute(2, 0, 1)[None]


@pytest.fixture
def vips():
    return pytest.importorskip("pyvips")


@pytest.fixture
def no_vips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep, "available", lambda: False)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_pixels_and_alpha_go_through_bit_for_bit(tmp_path: Path, vips, name: str, channels: int) -> None:
    levels = LEVELS[..., :channels]
    data = struct.pack(f"<{levels.numel()}H", *levels.flatten().tolist())
    made = vips.Image.new_from_memory(data, 13, 9, channels, "ushort")
    made = made.copy(interpretation="grey16" if channels < 3 else "rgb16")
    made.write_to_file(str(tmp_path / name))
    picture = read_image(tmp_path / name)
    assert (picture.depth, picture.notes) == (16, ())
    assert picture.mode == ("grey" if channels < 3 else "rgb")
    write_image(tmp_path / f"b{name}", picture.rgb, source=picture)
    written = vips.Image.new_from_file(str(tmp_path / f"b{name}"))
    assert (written.format, written.bands) == ("ushort", channels)
    assert bytes(written.write_to_memory()) == data


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_floating_point_goes_through_bit_for_bit(tmp_path: Path, vips, channels: int) -> None:
    values = torch.rand(9, 13, channels, generator=GENERATOR)
    data = struct.pack(f"<{values.numel()}f", *values.flatten().tolist())
    made = vips.Image.new_from_memory(data, 13, 9, channels, "float")
    made.copy(interpretation="b-w" if channels < 3 else "rgb").write_to_file(str(tmp_path / "a.tif"))
    picture = read_image(tmp_path / "a.tif")
    assert picture.depth == 32 and picture.notes == ()
    write_image(tmp_path / "b.tif", picture.rgb, source=picture)
    written = vips.Image.new_from_file(str(tmp_path / "b.tif"))
    assert (written.format, written.bands) == ("float", channels)
    assert bytes(written.write_to_memory()) == data


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0.5, torch.nan), "NaN"),
        ((torch.inf, 0), "NaN or inf"),
        ((0, 1.5), "from 0 to 1.5; scale"),
        ((-1, 0), "scale"),
    ],
)
def test_floating_point_that_is_no_picture_is_refused_in_one_line(
    tmp_path: Path, vips, values: tuple[float, float], message: str
) -> None:
    image = Image.frombytes("F", (2, 1), struct.pack("<ff", *values))
    with pytest.raises(ImageError, match=rf"a\.tif holds .*{message}") as refusal:
        read_image(saved(tmp_path / "a.tif", image))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_pictures_are_turned_as_8_bit_ones_are(tmp_path: Path, vips, name: str, orientation: int) -> None:
    exif = exif_block(orientation).tobytes()
    rgb = from_pil(noise())
    for depth in (8, 16):
        write_image(tmp_path / f"{depth}{name}", rgb, source=Picture(rgb, depth=depth, exif=exif))
    shallow, full = (read_image(tmp_path / f"{depth}{name}") for depth in (8, 16))
    assert (shallow.depth, full.depth) == (8, 16)
    assert torch.allclose(shallow.rgb, full.rgb, atol=1e-6)
    assert full.exif == shallow.exif


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_files_carry_their_metadata(tmp_path: Path, vips, name: str) -> None:
    exif = exif_block().tobytes()
    text = (("Author", "Zoë 写真"),)
    source = Picture(rgb16(), depth=16, icc_profile=SRGB, exif=exif, xmp=XMP, dpi=(300, 150), text=text)
    write_image(tmp_path / name, source.rgb, source=source)
    picture = read_image(tmp_path / name)
    assert picture.depth == 16 and torch.equal(picture.rgb, source.rgb)
    assert picture.icc_profile == SRGB and picture.xmp == XMP.replace(b'="6"', b'="1"')
    assert picture.dpi == pytest.approx((300, 150), abs=0.1)
    assert picture.text == (text if name == "a.png" else ())
    read = Image.Exif()
    read.load(picture.exif)
    assert read[ExifTags.Base.Make] == "Maker" and read.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"
    assert read.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] == 13


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.bmp"])
def test_what_a_format_cannot_hold_is_said(tmp_path: Path, name: str) -> None:
    alpha = torch.full((9, 13), 0.5)
    lines = write_image(tmp_path / name, rgb16(), source=Picture(rgb16(), depth=32, alpha=alpha))
    assert "floating point: written with 8" in lines[0]
    assert len(lines) == 1 + (name != "a.webp")  # which has transparency
    assert write_image(tmp_path / "a.png", rgb16()) == ()
    assert (
        "floating point: written with 16"
        in write_image(tmp_path / "b.png", rgb16(), source=Picture(rgb16(), depth=32))[0]
    )


@pytest.mark.parametrize("white_is_zero", [False, True])
def test_16_bit_grey_needs_no_extra(tmp_path: Path, no_vips: None, white_is_zero: bool) -> None:
    image = Image.frombytes("I;16", (3, 1), struct.pack("<HHH", 0, 257, 65535))
    expected = torch.tensor([0, 257 / 65535, 1])
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    if white_is_zero:
        tags[262] = 0
        expected = 1 - expected
    picture = read_image(saved(tmp_path / "a.tif", image, tiffinfo=tags))
    assert torch.allclose(picture.rgb[0, 1, 0], expected, atol=1e-7)
    assert (picture.mode, picture.depth, picture.notes) == ("grey", 16, ())
    for name in ("b.png", "b.tif"):
        write_image(tmp_path / name, picture.rgb, source=picture)
        again = read_image(tmp_path / name)
        assert torch.equal(again.rgb, picture.rgb) and again.depth == 16


def test_without_the_extra_16_bit_colour_is_cut_to_8_and_the_note_names_it(tmp_path: Path, no_vips: None) -> None:
    source = Picture(rgb16(), depth=16)
    write_image(tmp_path / "b.tif", rgb16(), source=source)
    for path in (png16(tmp_path / "a.png", 2, [0, 65535, 32768]), tmp_path / "b.tif"):
        picture = read_image(path)
        assert picture.depth == 8
        assert picture.notes == (
            "16 bits per channel were cut to 8; pip install 'restorekit[hdr]' to read them in full",
        )
    grey = read_image(png16(tmp_path / "grey.png", 4, [65535, 0]))
    assert grey.mode == "grey" and grey.alpha is not None and len(grey.notes) == 1
    assert read_image(png16(tmp_path / "l.png", 0, [0, 65535])).rgb[0, 0].tolist() == [[0, 1]]


def test_without_the_extra_what_pil_cannot_read_at_all_is_refused_with_its_name(
    tmp_path: Path, no_vips: None
) -> None:
    with pytest.raises(ImageError, match=r"restorekit\[hdr\]"):
        read_image(saved(tmp_path / "a.tif", Image.new("F", (2, 2))))
    write_image(tmp_path / "b.tif", rgb16(), source=Picture(rgb16(), depth=32))
    with pytest.raises(ImageError, match=r"restorekit\[hdr\]"):
        read_image(tmp_path / "b.tif")


def test_values_of_no_known_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="convert it to RGB first"):
        from_pil(Image.new("I", (2, 2)))
    with pytest.raises(ImageError, match="scale them to 16 bits"):
        read_image(saved(tmp_path / "a.tif", Image.new("I", (2, 2))))


def test_a_truncated_16_bit_file_is_refused(tmp_path: Path, vips) -> None:
    rgb = torch.rand(1, 3, 40, 40, generator=GENERATOR)
    for name in ("a.png", "a.tif"):
        write_image(tmp_path / name, rgb, source=Picture(rgb, depth=16))
        data = (tmp_path / name).read_bytes()
        for part in (4, 30, 200, len(data) // 2, len(data) - 40):
            (tmp_path / name).write_bytes(data[:part])
            with pytest.raises(ImageError, match=rf"{name} is (damaged or cut short|not an image)") as refusal:
                read_image(tmp_path / name)
            assert "\n" not in str(refusal.value)


def test_a_name_is_a_name_whatever_is_in_it(tmp_path: Path, vips) -> None:
    write_image(tmp_path / "a[1].tif", rgb16(), source=Picture(rgb16(), depth=16))
    assert torch.equal(read_image(tmp_path / "a[1].tif").rgb, rgb16())


def test_colours_multiplied_with_their_alpha_are_divided_again(tmp_path: Path, vips) -> None:
    made = vips.Image.new_from_memory(struct.pack("<8H", 100, 200, 300, 1000, 0, 0, 0, 0), 2, 1, 4, "ushort")
    made.copy(interpretation="rgb16").tiffsave(str(tmp_path / "a.tif"), premultiply=False)
    data = (tmp_path / "a.tif").read_bytes()
    entry = struct.pack("<HHIHH", 338, 3, 1, 2, 0)
    assert data.count(entry) == 1
    (tmp_path / "a.tif").write_bytes(data.replace(entry, struct.pack("<HHIHH", 338, 3, 1, 1, 0)))
    picture = read_image(tmp_path / "a.tif")
    assert picture.rgb[0, :, 0].T.tolist() == [pytest.approx([0.1, 0.2, 0.3], abs=2e-5), [0, 0, 0]]
    assert picture.alpha is not None and picture.alpha.tolist() == [[1000, 0]]


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("kind", ["grey", "palette"])
def test_fewer_bits_than_8_are_read_as_what_they_mean(tmp_path: Path, bits: int, kind: str) -> None:
    top = 2**bits - 1
    row = bytes([top << (8 - bits) | 0])  # white, or the last colour, then the first
    palette = bytes(v for n in range(top + 1) for v in (n, 0, 255 - n))
    chunks = [(b"PLTE", palette), (b"tRNS", bytes([9]))] if kind == "palette" else [(b"tRNS", bytes(2))]
    picture = read_image(png(tmp_path / "a.png", bits, 3 if kind == "palette" else 0, 2, row, *chunks))
    expected = [[top, 0], [0, 0], [255 - top, 255]] if kind == "palette" else [[255, 0]] * 3
    assert torch.allclose(picture.rgb[0, :, 0] * 255, torch.tensor(expected).float())
    assert (picture.mode, picture.depth, picture.notes) == (kind, 8, ())
    assert picture.alpha is not None and picture.alpha.tolist() == [[255, 9 if kind == "palette" else 0]]


def test_a_transparent_colour_of_16_bits_becomes_alpha(tmp_path: Path, vips) -> None:
    hidden = (b"tRNS", struct.pack(">3H", 1, 2, 3))
    picture = read_image(png16(tmp_path / "a.png", 2, [1, 2, 3, 1, 2, 4], hidden))
    assert picture.alpha is not None and picture.alpha.tolist() == [[0, 65535]]
    grey = read_image(png16(tmp_path / "b.png", 0, [7, 8], (b"tRNS", struct.pack(">H", 7))))
    assert grey.alpha is not None and grey.alpha.tolist() == [[0, 65535]]


@pytest.mark.parametrize(
    "options",
    [
        {"bigtiff": True},
        {"tile": True},
        {"compression": "lzw", "predictor": "horizontal"},
        {"compression": "deflate"},
    ],
)
def test_16_bit_tiffs_of_every_make_are_read(tmp_path: Path, vips, options: dict[str, object]) -> None:
    data = struct.pack(f"<{9 * 13 * 3}H", *LEVELS[..., :3].flatten().tolist())
    made = vips.Image.new_from_memory(data, 13, 9, 3, "ushort").copy(interpretation="rgb16")
    made.tiffsave(str(tmp_path / "a.tif"), **options)
    assert torch.equal(read_image(tmp_path / "a.tif").rgb, rgb16())


def test_inks_of_16_bits_are_cut_to_8_and_that_is_said(tmp_path: Path, vips) -> None:
    data = struct.pack(f"<{9 * 13 * 4}H", *LEVELS.flatten().tolist())
    made = vips.Image.new_from_memory(data, 13, 9, 4, "ushort").copy(interpretation="cmyk")
    made.tiffsave(str(tmp_path / "a.tif"))
    picture = read_image(tmp_path / "a.tif")
    assert picture.mode == "cmyk" and picture.notes[0] == "16 bits per channel were cut to 8"
