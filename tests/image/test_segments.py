"""Laws of JPEG segments: kept, or their loss is named; nothing in the output points at what is gone."""

import struct
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import ExifTags, Image

from restorekit.image import from_pil, read_image, write_image, xmp
from tests.image.made import jpeg, lossless_jpeg, noise, odd_sampling, photoshop, segment

IPTC = b"\x1c\x02\x78\x00\x09A caption\x1c\x02\x19\x00\x07keyword"
RDF = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b"%s</rdf:RDF></x:xmpmeta>"
)
XMP_MARK = b"http://ns.adobe.com/xap/1.0/\0"


def app13(*resources: tuple[int, bytes]) -> bytes:
    return segment(0xED, b"Photoshop 3.0\0" + photoshop(*resources))


def rewritten(path: Path, name: str = "out.jpg") -> tuple[bytes, str]:
    """The file read and written, and what was said of it."""
    picture = read_image(path)
    lines = write_image(path.with_name(name), picture.rgb, source=picture, overwrite=True)
    return path.with_name(name).read_bytes(), "\n".join(lines)


def test_comments_are_kept_in_a_jpeg_become_text_in_a_png_and_are_named_elsewhere(tmp_path: Path) -> None:
    path = jpeg(tmp_path / "a.jpg", noise(), segment(0xFE, b"box 12"), segment(0xFE, b"roll 3"))
    data, lines = rewritten(path)
    assert lines == "" and read_image(tmp_path / "out.jpg").extras.comments == (b"box 12", b"roll 3")
    assert data.count(segment(0xFE, b"box 12")) == 1
    rewritten(path, "out.png")
    assert ("Comment", "roll 3") in read_image(tmp_path / "out.png").text
    assert "the comment" in rewritten(path, "out.tif")[1]


def test_iptc_passes_between_jpeg_and_tiff_and_is_named_elsewhere(tmp_path: Path) -> None:
    path = jpeg(tmp_path / "a.jpg", noise(), app13((0x0404, IPTC), (0x0425, bytes(16))))
    assert rewritten(path)[1] == "" and read_image(tmp_path / "out.jpg").extras.iptc == IPTC
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.info["photoshop"][0x0404] == IPTC
    assert rewritten(path, "out.tif")[1] == "" and read_image(tmp_path / "out.tif").extras.iptc == IPTC
    assert rewritten(tmp_path / "out.tif", "again.jpg")[1] == ""
    assert read_image(tmp_path / "again.jpg").extras.iptc == IPTC
    for name in ("out.png", "out.webp", "out.bmp"):
        assert "IPTC" in rewritten(path, name)[1]


def test_long_iptc_goes_into_several_segments(tmp_path: Path) -> None:
    long = IPTC * 4000
    data = photoshop((0x0404, long))
    parts = [segment(0xED, b"Photoshop 3.0\0" + data[i : i + 60_000]) for i in range(0, len(data), 60_000)]
    rewritten(jpeg(tmp_path / "a.jpg", noise(), *parts))
    assert read_image(tmp_path / "out.jpg").extras.iptc == long


def test_photoshop_s_thumbnail_and_settings_go_and_are_named(tmp_path: Path) -> None:
    _, lines = rewritten(jpeg(tmp_path / "a.jpg", noise(), app13((0x040C, b"thumb"), (0x07D0, b"a path"))))
    assert "the thumbnail" in lines and "Photoshop's own settings" in lines


def maker_note_and_thumbnail() -> bytes:
    """EXIF with a maker note, whose pointers count from the block's beginning, and a thumbnail."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Canon"
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.MakerNote.value: b"NOTE AT ITS PLACE", 0x829A: 0.01}
    block = bytearray(exif.tobytes()[6:])
    entries = struct.unpack_from(">H", block, 8)[0]
    link = 10 + 12 * entries
    struct.pack_into(">L", block, link, len(block))  # a second directory
    thumb = b"\xff\xd8THUMBNAIL\xff\xd9"
    place = len(block) + 2 + 24 + 4
    block += struct.pack(">H", 2) + struct.pack(">HHLL", 513, 4, 1, place)
    block += struct.pack(">HHLL", 514, 4, 1, len(thumb)) + bytes(4) + thumb
    return b"Exif\0\0" + bytes(block)


@pytest.mark.parametrize("name", ["out.jpg", "out.png", "out.webp", "out.tif"])
def test_a_maker_note_and_a_thumbnail_go_and_are_named(tmp_path: Path, name: str) -> None:
    path = jpeg(tmp_path / "a.jpg", noise(), segment(0xE1, maker_note_and_thumbnail()))
    data, lines = rewritten(path, name)
    assert "maker note" in lines and "thumbnail" in lines
    assert b"NOTE AT ITS PLACE" not in data and b"THUMBNAIL" not in data
    with Image.open(tmp_path / name) as image:
        exif = image.getexif()
        assert exif[ExifTags.Base.Make] == "Canon" and not exif.get_ifd(ExifTags.IFD.IFD1)
        assert exif.get_ifd(ExifTags.IFD.Exif)[0x829A] == pytest.approx(0.01)
    assert rewritten(tmp_path / name, f"again{name}")[1] == ""  # there is nothing more to lose


def gain_map(path: Path) -> Path:
    """A photograph as phones make it: a gain map behind it, of which MPF and XMP tell."""
    names = (
        b'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" '
        b'xmlns:C="http://ns.google.com/photos/1.0/container/" xmlns:I="http://ns.google.com/photos/1.0/container/item/"'
        b' xmlns:dc="http://purl.org/dc/elements/1.1/"'
    )
    directory = b'<C:Directory><rdf:Seq><rdf:li><C:Item I:Semantic="GainMap" I:Length="900"/></rdf:li></rdf:Seq>'
    about = b'<rdf:Description %s hdrgm:Version="1.0" dc:title="kept">%s</C:Directory></rdf:Description>'
    mpf = struct.pack("<4sLHHHL4sHHLLL", b"II*\0", 8, 2, 0xB000, 7, 4, b"0100", 0xB001, 4, 1, 2, 0)
    parts = (segment(0xE2, b"MPF\0" + mpf), segment(0xE1, XMP_MARK + RDF % (about % (names, directory))))
    jpeg(path.with_name("map.jpg"), noise(mode="L"))
    return jpeg(path, noise(), *parts, behind=path.with_name("map.jpg").read_bytes())


@pytest.mark.parametrize("name", ["out.jpg", "out.png", "out.webp", "out.tif"])
def test_nothing_points_at_a_gain_map_that_is_gone(tmp_path: Path, name: str) -> None:
    data, lines = rewritten(gain_map(tmp_path / "a.jpg"), name)
    assert "gain map" in lines and "list of further pictures" in lines and "follows the picture" in lines
    assert b"MPF\0" not in data and b"hdrgm:" not in data and b"GainMap" not in data and b"Length" not in data
    packet = read_image(tmp_path / name).xmp
    assert packet is not None and b'dc:title="kept"' in packet
    assert rewritten(tmp_path / name, f"again{name}")[1] == ""


@pytest.mark.parametrize(
    ("content", "named", "gone"),
    [
        (b'<rdf:Description xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="AB12"/>',
         "extended XMP", b"AB12"),
        (b'<rdf:Description xmlns:G="http://ns.google.com/photos/1.0/camera/" G:MotionPhoto="1" G:BurstID="b"/>',
         "moving picture", b"MotionPhoto"),
        (b'<rdf:Description xmlns:D="http://ns.google.com/photos/1.0/depthmap/"><D:Data>AAAA</D:Data>'
         b"</rdf:Description>", "depth map", b"AAAA"),
        (b'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="3"><xmp:Thumbnails><rdf:Alt>'
         b"<rdf:li>AAAA</rdf:li></rdf:Alt></xmp:Thumbnails></rdf:Description>", "thumbnail", b"AAAA"),
    ],
)  # fmt: skip
def test_xmp_loses_what_points_elsewhere_and_nothing_else(
    tmp_path: Path, content: bytes, named: str, gone: bytes
) -> None:
    path = jpeg(tmp_path / "a.jpg", noise(), segment(0xE1, XMP_MARK + RDF % content))
    _, lines = rewritten(path)
    packet = read_image(tmp_path / "out.jpg").xmp
    assert named in lines and xmp is not None and gone not in packet
    for kept in (b'G:BurstID="b"', b'xmp:Rating="3"'):
        assert (kept in packet) == (kept in content)


def test_xmp_without_such_pointers_stays_byte_for_byte_and_a_broken_one_with_them_goes(tmp_path: Path) -> None:
    plain = RDF % b"<rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/' dc:title='a &gt; b'/>  \n "
    rewritten(jpeg(tmp_path / "a.jpg", noise(), segment(0xE1, XMP_MARK + plain)))
    assert read_image(tmp_path / "out.jpg").xmp == plain
    broken = RDF % b'<rdf:Description hdrgm:Version="1.0">'
    _, lines = rewritten(jpeg(tmp_path / "b.jpg", noise(), segment(0xE1, XMP_MARK + broken)), "b2.jpg")
    assert "damaged" in lines and read_image(tmp_path / "b2.jpg").xmp is None


def test_sizes_in_xmp_are_those_of_the_written_picture(tmp_path: Path) -> None:
    said = RDF % b'<rdf:Description tiff:ImageWidth="13" exif:PixelYDimension="9"/>'
    picture = read_image(jpeg(tmp_path / "a.jpg", noise(), segment(0xE1, XMP_MARK + said)))
    write_image(tmp_path / "b.jpg", picture.rgb.repeat(1, 1, 2, 2), source=picture)
    packet = read_image(tmp_path / "b.jpg").xmp
    assert packet is not None and b'tiff:ImageWidth="26" exif:PixelYDimension="18"' in packet


def test_what_is_too_long_for_a_jpeg_is_named(tmp_path: Path) -> None:
    rgb = from_pil(noise())
    picture = read_image(jpeg(tmp_path / "a.jpg", noise(), segment(0xE1, XMP_MARK + RDF % b"")))
    long = replace(picture, xmp=RDF % (b"<a>" + b"x" * 70_000 + b"</a>"))
    assert "XMP of more than" in "\n".join(write_image(tmp_path / "b.jpg", rgb, source=long))
    padded = replace(picture, xmp=RDF % b"" + b" \n" * 40_000 + b"<?xpacket end='w'?>")
    assert write_image(tmp_path / "c.jpg", rgb, source=padded) == ()
    assert read_image(tmp_path / "c.jpg").xmp is not None


@pytest.mark.parametrize("sampling", ["4:1:1", "4:4:0"])
def test_a_sampling_that_cannot_be_written_is_named(tmp_path: Path, sampling: str) -> None:
    path = odd_sampling(tmp_path / "a.jpg", sampling)
    picture = read_image(path)
    assert picture.jpeg is not None and picture.jpeg.sampling == sampling
    _, lines = rewritten(path)
    assert f"sampled {sampling}" in lines
    again = read_image(tmp_path / "out.jpg")
    assert again.jpeg is not None and again.jpeg.sampling == "4:4:4"


def test_of_a_lossless_jpeg_it_is_said_that_the_output_loses(tmp_path: Path) -> None:
    path = lossless_jpeg(tmp_path / "a.jpg", 16, 8)
    picture = read_image(path)
    assert picture.jpeg is None and torch.equal(picture.values, torch.full((1, 3, 8, 16), 128, dtype=torch.uint8))
    assert "lossless JPEG" in rewritten(path)[1]
    assert rewritten(path, "out.png")[1] == ""


def test_unknown_segments_and_what_follows_the_picture_are_named_but_not_padding(tmp_path: Path) -> None:
    _, lines = rewritten(jpeg(tmp_path / "a.jpg", noise(), segment(0xE7, b"FLIR"), behind=b"trailer"))
    assert "the segment APP7" in lines and "follows the picture in the file (7 bytes)" in lines
    assert rewritten(jpeg(tmp_path / "b.jpg", noise(), behind=bytes(99)))[1] == ""


def test_xmp_of_any_make_is_gone_through_in_no_time() -> None:
    gone = b'<x xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"%s hdrgm:Version="1"/>'
    for filler in (b" " * 2**20, b' a="' + b"<".replace(b"<", b"&lt;") * 2**17 + b'"', b"\n\t" * 2**19):
        started = time.perf_counter()
        packet, names = xmp.without_pointers(gone % filler)
        assert names == ("the gain map (HDR)",) and b"Version" not in packet
        assert time.perf_counter() - started < 5
    assert xmp.without_pointers(b"<x>" + bytes(xmp.LARGEST))[0] == b""
    assert xmp.without_pointers(b'<!DOCTYPE x [<!ENTITY a "hdrgm:">]><x>&a;</x>') == (
        b"",
        ("the XMP, which is damaged",),
    )
