"""Laws of salvage: what is left of a damaged file is read, with a note, if one asks for it, and else refused."""

import threading
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageFile

from restorekit.errors import ImageError
from restorekit.image import Picture, decoder, from_pil, read_image, read_pages, write_image, write_pages
from tests.image.made import noise

OPTIONS = {"a.jpg": {"quality": 95}, "p.jpg": {"progressive": True}}


def photo(size: int = 96) -> Image.Image:
    """Structure everywhere, so that what is right can be told from what is blank."""
    return Image.blend(noise(size, size), Image.radial_gradient("L").resize((size, size)).convert("RGB"), 0.5)


def share(found: torch.Tensor, whole: torch.Tensor) -> float:
    """The share of pixels that are as they were."""
    return float(((found - whole).abs().amax(1) < 0.02).float().mean())


@pytest.mark.parametrize("name", ["a.jpg", "p.jpg", "a.png", "a.bmp", "a.tif"])
@pytest.mark.parametrize("part", [0.6, 0.97])
def test_a_file_cut_short_is_refused_and_its_beginning_salvaged(tmp_path: Path, name: str, part: float) -> None:
    path = tmp_path / name
    photo().save(path, **OPTIONS.get(name, {}))
    whole = read_image(path, salvage=True)
    assert not whole.salvaged and whole.notes == ()  # a whole file is read as ever
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(ImageError, match=r"damaged or cut short .*--salvage") as refusal:
        read_image(path)
    assert "\n" not in str(refusal.value)
    picture = read_image(path, salvage=True)
    assert picture.salvaged and "cut short" in picture.notes[0]
    assert picture.values.shape == whole.values.shape
    if name != "p.jpg":  # of which all is there, but coarse
        assert share(picture.rgb, whole.rgb) > part - 0.15


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_what_libvips_reads_is_salvaged_too(tmp_path: Path, name: str, depth: int) -> None:
    pytest.importorskip("pyvips")
    rgb = from_pil(photo(400))
    write_image(tmp_path / name, rgb, source=Picture(rgb, depth=depth))
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(0.8 * len(data))])
    with pytest.raises(ImageError, match="--salvage"):
        read_image(tmp_path / name)
    picture = read_image(tmp_path / name, salvage=True)
    assert picture.salvaged and picture.depth == depth
    assert share(picture.rgb, rgb) > 0.4  # of a TIFF whole strips


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_is_salvaged_whole(tmp_path: Path, progressive: bool) -> None:
    photo().save(tmp_path / "a.jpg", progressive=progressive)
    expected = read_image(tmp_path / "a.jpg").values
    data = (tmp_path / "a.jpg").read_bytes()
    assert data[-2:] == b"\xff\xd9"
    for end in (data[:-2], data[:-1]):
        (tmp_path / "b.jpg").write_bytes(end)
        with pytest.raises(ImageError, match="--salvage"):
            read_image(tmp_path / "b.jpg")
        assert torch.equal(read_image(tmp_path / "b.jpg", salvage=True).values, expected)


@pytest.mark.parametrize("before", [(b"", bytes(4)), (b"HTTP/1.1 200 OK\r\n\r\n", b""), (b"", b"\0\xff\0abc")])
def test_bytes_before_the_first_segment_are_passed_over(tmp_path: Path, before: tuple[bytes, bytes]) -> None:
    photo().save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(before[0] + data[:2] + before[1] + data[2:])
    with pytest.raises(ImageError, match=r"damaged|not an image"):
        read_image(tmp_path / "b.jpg")
    picture = read_image(tmp_path / "b.jpg", salvage=True)
    assert picture.salvaged and torch.equal(picture.values, read_image(tmp_path / "a.jpg").values)


def test_pages_before_a_damage_are_salvaged(tmp_path: Path) -> None:
    pytest.importorskip("pyvips")
    rgb = from_pil(photo())
    write_pages(tmp_path / "a.tif", [(rgb, Picture(rgb))] * 3)
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "b.tif").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match="--salvage"):
        list(read_pages(tmp_path / "b.tif"))
    pages = read_pages(tmp_path / "b.tif", salvage=True)
    found = list(pages)
    assert len(found) == 2 and pages.salvaged and torch.equal(found[0].rgb, rgb)
    assert any("some may be missing" in note for note in found[0].notes)


def test_where_nothing_is_left_that_is_said(tmp_path: Path) -> None:
    for name in ("a.webp", "a.png", "a.jpg", "a.tif"):
        noise(40, 40).save(tmp_path / name)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:30])
        with pytest.raises(ImageError, match="too damaged to salvage anything") as refusal:
            read_image(tmp_path / name, salvage=True)
        assert "\n" not in str(refusal.value)


def test_salvage_in_one_thread_makes_no_other_tolerant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    inside, leave = threading.Event(), threading.Event()
    seen: list[tuple[str, bool]] = []

    def tolerant() -> None:
        with decoder.decoding(tmp_path, salvage=True):
            inside.set()
            leave.wait(10)
            seen.append(("tolerant", ImageFile.LOAD_TRUNCATED_IMAGES))

    def strict() -> None:
        with decoder.decoding(tmp_path):
            seen.append(("strict", ImageFile.LOAD_TRUNCATED_IMAGES))

    first, *others = threads = [threading.Thread(target=work) for work in (tolerant, strict, strict)]
    first.start()
    assert inside.wait(10)
    for thread in others:
        thread.start()
        thread.join(0.05)  # it waits for its turn
    leave.set()
    for thread in threads:
        thread.join(10)
    assert seen == [("tolerant", True), ("strict", False), ("strict", False)] and ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError("out of memory error"),
        RuntimeError("can't allocate memory"),
        RuntimeError("Memory allocation error: Unspecified"),  # libheif's
    ],
)
def test_out_of_memory_is_never_called_damaged(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(ImageError, match=r"a\.png: not enough memory") as refusal, decoder.decoding(path):
        raise error
    assert "damaged" not in str(refusal.value)


def test_a_decoder_that_merely_speaks_of_memory_met_damage(tmp_path: Path) -> None:
    with pytest.raises(decoder.DamagedError, match="damaged"), decoder.decoding(tmp_path / "a.png"):
        raise OSError("the block lies beyond the mapped memory")
