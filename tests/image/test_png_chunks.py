"""Laws of PNG chunks: what says the meaning of the colours stays with them, and long texts are no damage."""

import io
import struct
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageCms

from restorekit.image import Picture, read_image, write_image
from restorekit.image import png as chunks_of
from tests.image.made import SRGB, chunk, noise, png, png16, saved

PRIMARIES = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)  # those of Display P3
GAMMA, CHROMA = (b"gAMA", struct.pack(">I", 100_000)), (b"cHRM", struct.pack(">8I", *PRIMARIES))


def found(path: Path) -> dict[bytes, bytes]:
    """The chunks of a file by name."""
    data = path.read_bytes()
    return dict(chunks_of._chunks(data))


def rewritten(path: Path, name: str = "out.png") -> str:
    picture = read_image(path)
    return "\n".join(write_image(path.with_name(name), picture.rgb, source=picture, overwrite=True))


@pytest.mark.parametrize("depth", [8, 16])
def test_chunks_of_colour_stay_as_they_are(tmp_path: Path, depth: int) -> None:
    if depth == 16:
        pytest.importorskip("pyvips")
    said = [GAMMA, CHROMA, (b"sRGB", b"\1"), (b"cICP", bytes([12, 13, 0, 1])), (b"sBIT", bytes([5, 6, 5])),
            (b"mDCV", bytes(24)), (b"cLLI", bytes(8)), (b"bKGD", bytes([0, 255, 0, 1, 0, 2]))]  # fmt: skip
    if depth == 8:
        path = png(tmp_path / "a.png", 8, 2, 2, bytes(6), *said)
    else:
        path = png16(tmp_path / "a.png", 2, [1, 2, 3, 4, 5, 6], *said)
    assert rewritten(path) == "" and read_image(tmp_path / "out.png").depth == depth
    out = found(tmp_path / "out.png")
    assert {name: out.get(name) for name, _ in said} == dict(said)
    names = list(out)
    assert max(names.index(name) for name, _ in said) < names.index(b"IDAT")


def test_significant_bits_fit_the_kind_of_colour_that_is_written(tmp_path: Path) -> None:
    palette = (b"PLTE", bytes([0, 0, 0, 255, 0, 0]))
    path = png(tmp_path / "a.png", 8, 3, 2, bytes([0, 1]), palette, (b"tRNS", b"\0"), (b"sBIT", bytes([5, 6, 5])))
    rewritten(path)  # as RGBA
    assert found(tmp_path / "out.png")[b"sBIT"] == bytes([5, 6, 5, 8])
    assert chunks_of.fitting([(b"sBIT", b"\x0c")], 0, 8) == [(b"sBIT", b"\x08")]
    assert chunks_of.fitting([(b"sBIT", bytes([5, 6, 5, 8]))], 2, 8) == [(b"sBIT", bytes([5, 6, 5]))]


def test_unknown_chunks_stay_where_they_are_marked_as_safe_to_copy_and_are_named_where_not(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png", 8, 2, 1, bytes(3), (b"saFe", b"1"), (b"noSA", b"2"), (b"tIME", bytes(7)))
    assert rewritten(path).endswith("the PNG chunk noSA, the PNG chunk tIME")
    out = found(tmp_path / "out.png")
    assert out[b"saFe"] == b"1" and b"noSA" not in out
    assert "saFe" in rewritten(path, "out.jpg")
    picture = read_image(path)
    write_image(tmp_path / "stripped.png", picture.rgb, source=picture.stripped())
    assert b"saFe" not in found(tmp_path / "stripped.png")


def test_proportions_of_pixels_stay_and_turn_with_the_picture(tmp_path: Path) -> None:
    shape = (b"pHYs", struct.pack(">IIB", 2, 1, 0))
    assert rewritten(png(tmp_path / "a.png", 8, 2, 1, bytes(3), shape)) == ""
    assert found(tmp_path / "out.png")[b"pHYs"] == shape[1]
    exif = Image.Exif()
    exif[0x0112] = 6
    rewritten(png(tmp_path / "b.png", 8, 2, 1, bytes(3), shape, (b"eXIf", exif.tobytes()[6:])))
    assert found(tmp_path / "out.png")[b"pHYs"] == struct.pack(">IIB", 1, 2, 0)


@pytest.mark.parametrize("name", ["out.jpg", "out.webp", "out.tif"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_gamma_and_primaries_become_a_profile_where_there_are_no_chunks(
    tmp_path: Path, name: str, mode: str
) -> None:
    kind = 2 if mode == "RGB" else 0
    row = bytes([10, 128, 220]) * 8 if mode == "RGB" else bytes(range(0, 240, 10))
    path = png(tmp_path / "a.png", 8, kind, 8 if mode == "RGB" else 24, row, GAMMA, CHROMA)
    assert rewritten(path, name) == ""
    profile = read_image(tmp_path / name).icc_profile
    assert profile is not None
    written_grey = mode == "L" and name != "out.webp"
    image = Image.frombytes("L" if written_grey else "RGB", (1, 1), bytes([64] if written_grey else [64, 128, 32]))
    parsed = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    seen = ImageCms.profileToProfile(image, parsed, ImageCms.createProfile("sRGB"), outputMode="RGB")
    linear = torch.tensor([64.0] * 3 if written_grey else [64.0, 128.0, 32.0]) / 255  # as gAMA 1 says
    if not written_grey:  # Display P3 to sRGB
        p3 = torch.tensor([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]])
        linear = (p3 @ linear).clamp(0, 1)
    expected = 255 * torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert list(seen.getpixel((0, 0))) == pytest.approx(expected.tolist(), abs=2.5)


def test_what_is_srgb_needs_no_profile_and_what_no_profile_says_is_named(tmp_path: Path) -> None:
    usual = ((b"gAMA", struct.pack(">I", 45455)), (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000,
             60000, 15000, 6000)))  # fmt: skip
    for number, said in enumerate((usual, ((b"sRGB", b"\0"), GAMMA), ((b"cICP", bytes([1, 13, 0, 1])),))):
        path = png(tmp_path / f"{number}.png", 8, 2, 1, bytes(3), *said)
        assert rewritten(path, "out.jpg") == "" and read_image(tmp_path / "out.jpg").icc_profile is None
    pq = png(tmp_path / "pq.png", 8, 2, 1, bytes(3), (b"cICP", bytes([9, 16, 0, 1])))
    assert "cICP" in rewritten(pq, "out.jpg")
    nonsense = png(tmp_path / "n.png", 8, 2, 1, bytes(3), (b"cHRM", bytes(32)))
    assert "make no sense" in rewritten(nonsense, "out.jpg") and rewritten(nonsense) == ""


def test_an_interlaced_png_of_16_bits_is_read_in_full(tmp_path: Path) -> None:
    pytest.importorskip("pyvips")
    pixels = [[1000 * x + c for c in range(3)] for x in range(8)]
    passes = ([0], [4], [2, 6], [1, 3, 5, 7])  # of Adam7, those with pixels in the first row
    data = b"".join(b"\0" + b"".join(struct.pack(">3H", *pixels[x]) for x in columns) for columns in passes)
    head = struct.pack(">IIBBBBB", 8, 1, 16, 2, 0, 0, 1)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(data)), (b"IEND", b""))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    picture = read_image(tmp_path / "a.png")
    assert picture.depth == 16 and picture.values[0, :, 0].T.tolist() == pixels and picture.notes == ()


LONG = "".join(chr(33 + i * i % 90) for i in range(2**16)) * 20  # 1.3 MB


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
@pytest.mark.parametrize("depth", [8, 16])
def test_a_text_above_one_megabyte_is_no_damage(tmp_path: Path, kind: bytes, depth: int) -> None:
    if depth == 16:
        pytest.importorskip("pyvips")
    content = {
        b"tEXt": b"workflow\0" + LONG.encode(),
        b"zTXt": b"workflow\0\0" + zlib.compress(LONG.encode()),
        b"iTXt": b"workflow\0\1\0en\0\0" + zlib.compress(LONG.encode()),
    }[kind]
    short = (b"tEXt", b"Author\0Z")
    if depth == 8:
        path = png(tmp_path / "a.png", 8, 2, 1, bytes(3), (kind, content), short)
    else:
        path = png16(tmp_path / "a.png", 2, [1, 2, 3], (kind, content), short)
    assert rewritten(path) == ""
    for name in ("a.png", "out.png"):
        assert dict(read_image(tmp_path / name).text) == {"workflow": LONG, "Author": "Z"}


def test_a_profile_above_one_megabyte_is_no_damage(tmp_path: Path) -> None:
    large = SRGB + bytes(2**21)
    path = saved(tmp_path / "a.png", noise(), icc_profile=large)
    assert rewritten(path) == ""
    assert read_image(tmp_path / "out.png").icc_profile == large


def test_texts_that_unpack_into_gigabytes_are_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks_of, "LARGEST_TEXT", 3 * 2**20)
    bomb = (b"zTXt", b"bomb\0\0" + zlib.compress(bytes(2**25)))
    several = [(b"zTXt", b"part%d\0\0" % i + zlib.compress(b"a" * 2**20)) for i in range(5)]
    for number, texts in enumerate(([bomb], several)):
        path = png(tmp_path / f"{number}.png", 8, 2, 1, bytes(3), *texts)
        assert "a text of more than" in rewritten(path)
        assert sum(len(value) for _, value in read_image(path).text) <= 3 * 2**20


def test_text_is_named_where_a_format_cannot_hold_it(tmp_path: Path) -> None:
    rgb = torch.zeros(1, 3, 4, 4)
    source = Picture(rgb, text=(("Author", "Z"),), dpi=(300, 300), icc_profile=SRGB, exif=None)
    assert "PNG text (Author)" in write_image(tmp_path / "a.jpg", rgb, source=source)[0]
    [line] = write_image(tmp_path / "a.webp", rgb, source=source)
    assert "PNG text (Author)" in line and "the resolution" in line
    assert "the colour profile" in write_image(tmp_path / "a.bmp", rgb, source=source)[0]
