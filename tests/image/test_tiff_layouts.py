"""Laws of TIFF's many layouts: read right, or refused by the true cause; never garbage."""

import struct
from pathlib import Path

import pytest
import torch
from PIL import Image

from restorekit.errors import ImageError
from restorekit.image import deep, read_image, write_image
from tests.image.made import plain_tags, tiff

LEVELS = torch.randint(0, 65_536, (5, 4, 4), generator=torch.Generator().manual_seed(0))


def values(channels: int, bits: int, *, planar: bool, floating: bool = False) -> bytes:
    """Pixels of LEVELS, in a file's order."""
    levels = LEVELS[..., :channels] >> (16 - min(bits, 16))
    levels = levels.permute(2, 0, 1) if planar else levels
    numbers = levels.flatten().tolist()
    if floating:
        letter = {16: "e", 32: "f", 64: "d"}[bits]
        return struct.pack(f"<{len(numbers)}{letter}", *(n / 65_535 for n in numbers))
    return struct.pack(f"<{len(numbers)}{'B' if bits == 8 else 'H' if bits == 16 else 'I'}", *numbers)


def planes(path: Path, channels: int, bits: int, *, floating: bool = False) -> Path:
    """An uncompressed TIFF in which each channel stands on its own."""
    data = values(channels, bits, planar=True, floating=floating)
    size = len(data) // channels
    tags = plain_tags(4, 5, channels, bits) | {
        273: ("I", tuple(8 + i * size for i in range(channels))),
        279: ("I", (size,) * channels),
        284: ("H", (2,)),
        339: ("H", (3 if floating else 1,) * channels),
    }
    if channels in (2, 4):
        tags[338] = ("H", (2,))
    return tiff(path, data, tags)


def exact(bits: int) -> torch.Tensor:
    return (LEVELS[..., :3] >> (16 - bits)).permute(2, 0, 1)[None]


def test_planes_of_8_bits_are_read(tmp_path: Path) -> None:
    assert torch.equal(read_image(planes(tmp_path / "a.tif", 3, 8)).values.long(), exact(8))


@pytest.mark.parametrize("channels", [3, 4])
def test_planes_of_16_bits_are_right_or_refused_with_the_remedy(
    tmp_path: Path, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = planes(tmp_path / "a.tif", channels, 16)
    if deep.available():
        assert torch.equal(read_image(path).values.long(), exact(16))
    monkeypatch.setattr(deep, "available", lambda: False)
    with pytest.raises(ImageError, match=r"each channel on its own; pip install 'restorekit\[hdr\]'"):
        read_image(path)


@pytest.mark.parametrize(("channels", "bits", "floating"), [(2, 16, False), (2, 32, True), (3, 16, True)])
def test_planes_that_no_decoder_reads_right_are_refused(
    tmp_path: Path, channels: int, bits: int, floating: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = planes(tmp_path / "a.tif", channels, bits, floating=floating)
    for there in {deep.available(), False}:
        monkeypatch.setattr(deep, "available", lambda there=there: there)
        with pytest.raises(ImageError, match=r"of a kind that is not read .*each channel on its own") as refusal:
            read_image(path)
        assert "damaged" not in str(refusal.value)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("bits", "kind", "cause"),
    [
        (64, 3, "floating-point values of 64 bits; save it with 32"),
        (32, 1, "has 32-bit values of no known range; scale them to 16 bits or 8"),
        (8, 2, "signed whole numbers"),
        (16, 2, "signed whole numbers"),
        (64, 6, "complex numbers"),
    ],
)
def test_values_that_are_no_picture_are_refused_by_their_true_cause(
    tmp_path: Path, channels: int, bits: int, kind: int, cause: str
) -> None:
    data = bytes(4 * 5 * channels * bits // 8)
    tags = plain_tags(4, 5, channels, bits) | {339: ("H", (kind,) * channels)}
    with pytest.raises(ImageError, match=cause) as refusal:
        read_image(tiff(tmp_path / "a.tif", data, tags))
    assert "damaged" not in str(refusal.value) and "PIL" not in str(refusal.value)


def test_channels_of_different_depth_and_a_sensor_s_mosaic_are_named(tmp_path: Path) -> None:
    mixed = plain_tags(4, 5, 3, 8) | {258: ("H", (5, 6, 5))}
    with pytest.raises(ImageError, match=r"different depth \(5, 6, 5 bits\)"):
        read_image(tiff(tmp_path / "a.tif", bytes(60), mixed))
    with pytest.raises(ImageError, match="raw file; develop it"):
        read_image(tiff(tmp_path / "b.tif", bytes(40), plain_tags(4, 5, 1, 16) | {262: ("H", (32803,))}))
    with pytest.raises(ImageError, match="compression JPEG XL"):
        read_image(tiff(tmp_path / "c.tif", bytes(60), plain_tags(4, 5, 3, 8) | {259: ("H", (50002,))}))


@pytest.mark.parametrize("bits", [8, 16])
def test_a_fourth_channel_of_no_stated_meaning_is_left_out_and_named(tmp_path: Path, bits: int) -> None:
    if bits == 16:
        pytest.importorskip("pyvips")
    tags = plain_tags(4, 5, 4, bits) | {338: ("H", (0,))}
    picture = read_image(tiff(tmp_path / "a.tif", values(4, bits, planar=False), tags))
    assert torch.equal(picture.values.long(), exact(bits)) and picture.alpha is None
    assert picture.notes == ("channels beside colour and alpha are left out",)
    tags[338] = ("H", (2,))
    plain = read_image(tiff(tmp_path / "b.tif", values(4, bits, planar=False), tags))
    assert plain.alpha is not None and plain.notes == ()


GEO = {
    33550: ("d", (0.5, 0.25, 0.0)),
    33922: ("d", (10.0, 20.0, 0.0, 500_000.0, 4_500_000.0, 0.0)),
    34735: ("H", (1, 1, 0, 2, 1024, 0, 1, 1, 1025, 0, 1, 1)),
    42113: ("s", b"0\0"),
}


def ground(tags: dict[int, object], x: float, y: float) -> tuple[float, float]:
    """Where on earth the point (x, y) of the raster lies, by scale and tiepoint."""
    size, tie = tags[33550], tags[33922]
    assert isinstance(size, tuple) and isinstance(tie, tuple)
    return tie[3] + (x - tie[0]) * size[0], tie[4] - (y - tie[1]) * size[1]


def tags_of(path: Path) -> dict[int, object]:
    with Image.open(path) as image:
        return {number: image.tag_v2[number] for number in image.tag_v2 if number >= 33000}


@pytest.mark.parametrize("scale", [1, 3])
@pytest.mark.parametrize("centres", [False, True])
def test_a_map_stays_where_it_is_on_earth(tmp_path: Path, scale: int, centres: bool) -> None:
    keys = ("H", (*GEO[34735][1][:-1], 2 if centres else 1))
    tags = plain_tags(4, 5, 3, 8) | GEO | {34735: keys}
    path = tiff(tmp_path / "a.tif", values(3, 8, planar=False), tags)
    picture = read_image(path)
    larger = picture.values.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    assert write_image(tmp_path / "b.tif", larger, source=picture) == ()
    before, after = tags_of(path), tags_of(tmp_path / "b.tif")
    assert after[34735] == keys[1] and after[42113] == before[42113]
    corner = 0.5 if centres else 0.0  # of the first pixel, to the left of what is counted from
    for x, y in ((0, 0), (4, 5)):
        assert ground(after, x * scale - corner, y * scale - corner) == pytest.approx(
            ground(before, x - corner, y - corner), abs=1e-6
        )


@pytest.mark.parametrize("centres", [False, True])
def test_a_map_s_matrix_is_scaled_too(tmp_path: Path, centres: bool) -> None:
    matrix = (0.5, 0.1, 0.0, 100.0, 0.2, -0.5, 0.0, 200.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    keys = (1, 1, 0, 1, 1025, 0, 1, 2 if centres else 1)
    tags = plain_tags(4, 5, 3, 8) | {34264: ("d", matrix), 34735: ("H", keys)}
    picture = read_image(tiff(tmp_path / "a.tif", values(3, 8, planar=False), tags))
    write_image(tmp_path / "b.tif", picture.values.repeat(1, 1, 2, 2), source=picture)
    after = tags_of(tmp_path / "b.tif")[34264]
    assert isinstance(after, tuple)
    corner = 0.5 if centres else 0.0
    for x, y in ((0, 0), (4, 5)):
        for row in (0, 4):
            there = [m[row] * px + m[row + 1] * py + m[row + 3] for m, px, py in (
                (matrix, x - corner, y - corner), (after, 2 * x - corner, 2 * y - corner))]  # fmt: skip
            assert there[0] == pytest.approx(there[1])


def test_where_a_map_s_place_would_be_lost_it_is_named(tmp_path: Path) -> None:
    tags = plain_tags(4, 5, 3, 8) | GEO
    picture = read_image(tiff(tmp_path / "a.tif", values(3, 8, planar=False), tags))
    assert "GeoTIFF" in write_image(tmp_path / "a.png", picture.rgb, source=picture)[0]
    turned = read_image(tiff(tmp_path / "b.tif", values(3, 8, planar=False), tags | {274: ("H", (6,))}))
    assert turned.extras.tags == () and "GeoTIFF" in write_image(tmp_path / "c.tif", turned.rgb, source=turned)[0]
    assert write_image(tmp_path / "d.tif", picture.rgb, source=picture.stripped()) == ()
    assert 33550 not in tags_of(tmp_path / "d.tif")


def test_other_tags_are_named(tmp_path: Path) -> None:
    tags = plain_tags(4, 5, 3, 8) | {50838: ("I", (7,)), 305: ("s", b"scanner\0")}
    picture = read_image(tiff(tmp_path / "a.tif", values(3, 8, planar=False), tags))
    [line] = write_image(tmp_path / "b.tif", picture.rgb, source=picture)
    assert line.endswith("the tag 50838") or "ImageJ" in line
