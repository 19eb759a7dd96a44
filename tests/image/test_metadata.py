"""Laws of metadata: it goes where its picture goes, and stays true of it."""

import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import ExifTags, Image, ImageOps, PngImagePlugin, TiffImagePlugin

from restorekit.image import Picture, from_pil, read_image, write_image
from restorekit.image.picture import Extras
from tests.image.made import ORIENTATION, SRGB, XMP, exif_block, noise, saved


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


def test_png_text_is_kept(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "Zoë 写真")
    picture = read_image(saved(tmp_path / "a.png", noise(), pnginfo=info))
    write_image(tmp_path / "b.png", picture.rgb, source=picture)
    assert read_image(tmp_path / "b.png").text == (("Author", "Zoë 写真"),)


def test_a_damaged_exif_block_does_not_stop_the_picture(tmp_path: Path) -> None:
    picture = read_image(saved(tmp_path / "a.jpg", noise(), exif=b"Exif\0\0not a directory"))
    assert picture.exif is None and "EXIF" in picture.extras.gone[0]


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_a_stripped_picture_says_nothing_but_its_colours(tmp_path: Path, name: str) -> None:
    rgb = from_pil(noise())
    text = (("Author", "Zoë"),)
    extras = Extras(comments=(b"Scanned",), iptc=b"\x1c\x02\x78\0\1A caption", gone=("the thumbnail",))
    source = Picture(rgb, icc_profile=SRGB, exif=exif_block().tobytes(), xmp=XMP, dpi=(300, 150), text=text)
    source = replace(source, extras=extras)
    assert write_image(tmp_path / name, rgb, source=source.stripped()) == ()  # which is no loss
    picture = read_image(tmp_path / name)
    assert (picture.exif, picture.xmp, picture.dpi, picture.text) == (None, None, None, ())
    assert picture.icc_profile == SRGB
    data = (tmp_path / name).read_bytes()
    assert b"Maker" not in data and b"xmpmeta" not in data and b"Author" not in data
    assert b"Scanned" not in data and b"A caption" not in data


def turned_by(xmp: int | None, exif: int | None, tmp_path: Path, name: str) -> Path:
    """A file of 13 x 9 whose XMP and EXIF say orientations, None for nothing."""
    options: dict[str, object] = {"lossless": True} if name == "a.webp" else {}
    packet = XMP.replace(b'="6"', b'="%d"' % xmp) if xmp else b""
    if exif:
        options["exif"] = exif_block(exif).tobytes()
    if packet and name == "a.png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        options["pnginfo"] = info
    elif packet and name == "a.tif":
        options["tiffinfo"] = {700: packet, **({ORIENTATION.value: exif} if exif else {})}
        options.pop("exif", None)
    elif packet:
        options["xmp"] = packet
    return saved(tmp_path / name, noise(), **options)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize(("xmp", "exif", "rule"), [(6, None, 6), (6, 1, 1), (6, 3, 3), (3, 6, 6), (8, None, 8)])
def test_exif_decides_the_orientation_and_xmp_where_exif_says_none(
    tmp_path: Path, name: str, xmp: int, exif: int | None, rule: int
) -> None:
    picture = read_image(turned_by(xmp, exif, tmp_path, name))
    (tmp_path / "plain").mkdir()
    plain = read_image(turned_by(None, rule, tmp_path / "plain", name))
    assert torch.equal(picture.rgb, plain.rgb)
    for target in ("b.jpg", "b.png", "b.webp", "b.tif"):  # applied once: what is written is upright for everybody
        write_image(tmp_path / target, picture.rgb, source=picture)
        again = read_image(tmp_path / target)
        assert again.rgb.shape == picture.rgb.shape
        assert again.xmp is not None and b'Orientation="1"' in again.xmp
        with Image.open(tmp_path / target) as image:
            assert image.getexif().get(ORIENTATION, 1) == 1


@pytest.mark.parametrize("quote", [b"='6'", b' = "6"', b">6</tiff:Orientation"])
def test_an_orientation_in_xmp_is_found_however_it_is_written(tmp_path: Path, quote: bytes) -> None:
    packet = b"<x:xmpmeta><a tiff:Orientation" + quote + b"/></x:xmpmeta>"
    for name in ("a.tif", "a.jpg"):
        options = {"tiffinfo": {700: packet}} if name == "a.tif" else {"xmp": packet}
        assert read_image(saved(tmp_path / name, noise(), **options)).rgb.shape == (1, 3, 13, 9)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_values_that_exif_leaves_undefined_are_written_so(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.IFD.Exif] = {
        0x9286: b"ASCII\0\0\0hello",
        0xA301: b"\1",
        0x829A: TiffImagePlugin.IFDRational(1, 100),
        0xA40B: b"1234",
    }
    exif[ExifTags.IFD.GPSInfo] = {0x1B: b"ASCII\0\0\0GPS", 5: b"\0"}
    path = saved(tmp_path / "s.jpg", noise(), exif=exif.tobytes())
    picture = read_image(path)
    write_image(tmp_path / name, picture.rgb, source=picture)
    data = (tmp_path / name).read_bytes()
    start = 0 if name == "a.tif" else data.index(b"MM\0*" if b"MM\0*" in data else b"II*\0")
    order = "<" if data[start : start + 2] == b"II" else ">"

    def types(directory: int) -> dict[int, int]:
        count = struct.unpack_from(f"{order}H", data, start + directory)[0]
        places = range(start + directory + 2, start + directory + 2 + 12 * count, 12)
        found = [struct.unpack_from(f"{order}HHLL", data, place) for place in places]
        pointers.update({tag: value for tag, _, _, value in found})
        return {tag: kind for tag, kind, _, _ in found}

    pointers: dict[int, int] = {}
    types(struct.unpack_from(f"{order}L", data, start + 4)[0])
    details, gps = types(pointers[0x8769]), types(pointers[0x8825])
    assert [details[tag] for tag in (0x9286, 0xA301, 0xA40B, 0x829A)] == [7, 7, 7, 5]
    assert gps[0x1B] == 7 and gps[5] == 1
    with Image.open(tmp_path / name) as image:
        assert image.getexif().get_ifd(ExifTags.IFD.Exif)[0x9286] == b"ASCII\0\0\0hello"


def test_exif_in_imagemagick_s_raw_profile_is_exif(tmp_path: Path) -> None:
    block = exif_block(6).tobytes()
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n", zip=True)
    info.add_text("Raw profile type iptc", "\niptc\n       4\n00000000\n")
    picture = read_image(saved(tmp_path / "a.png", noise(), pnginfo=info))
    assert picture.rgb.shape == (1, 3, 13, 9) and picture.exif is not None and b"Maker" in picture.exif
    assert picture.text == () and picture.extras.gone == ("the iptc in a raw profile",)
