"""Laws of safety: an odd or hostile file is restored or refused in one line, and nothing else is touched."""

from __future__ import annotations

import errno
import io
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from restorekit.cli.main import run
from restorekit.image import read_image

PHOTO = Image.radial_gradient("L").resize((40, 30)).convert("RGB")
FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "tif": "TIFF", "bmp": "BMP"}


def encoded(kind: str, image: Image.Image = PHOTO, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, data: bytes, depth: int = 8, colour: int = 2, extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tiff(values: bytes, bits: int, kind: int) -> bytes:
    """One grey pixel of 32 bits. kind: TIFF's SampleFormat."""
    tags = [(256, 1), (257, 1), (258, bits), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 4)]
    tags.append((339, kind))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 12) + values + struct.pack("<H", len(tags)) + entries + bytes(4)


def pages(count: int, side: int) -> bytes:
    """A TIFF whose pages claim to be so large; all of them share one byte of pixels."""
    tags = [(256, side), (257, side), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, side), (279, 1)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    size = 2 + len(entries) + 4
    links = [12 + size * (n + 1) for n in range(count - 1)] + [0]
    body = b"".join(struct.pack("<H", len(tags)) + entries + struct.pack("<I", link) for link in links)
    return b"II*\0" + struct.pack("<I", 12) + bytes(4) + body


def flipped(data: bytes, place: float) -> bytes:
    """With sixteen bytes turned over."""
    start = int(len(data) * place)
    return data[:start] + bytes(b ^ 0xFF for b in data[start : start + 16]) + data[start + 16 :]


def corpus() -> Iterator[tuple[str, bytes]]:
    """Names and contents."""
    for ending, kind in FORMATS.items():
        whole = encoded(kind)
        for tenth in range(10):
            yield f"cut {tenth} tenths.{ending}", whole[: len(whole) * tenth // 10]
        for place in (0.02, 0.3, 0.8):
            yield f"flipped at {place}.{ending}", flipped(whole, place)
        yield f"named wrongly, a {ending}.{'png' if ending != 'png' else 'jpg'}", whole
        yield f"with a tail.{ending}", whole + b"\0" * 999
    yield "text.png", b"no image at all\n"
    yield "script.svg.png", b"<svg onload='x'/>"
    yield "one pixel.png", encoded("PNG", PHOTO.resize((1, 1)))
    yield "one line.png", encoded("PNG", PHOTO.resize((20000, 1)))
    yield "one column.bmp", encoded("BMP", PHOTO.resize((1, 5000)))
    yield "bomb.png", png(60000, 60000, b"")
    yield "no width.png", png(0, 10, b"")
    yield "too little data.png", png(500, 500, bytes(100))
    yield "depth 3.png", png(4, 4, bytes(64), depth=3)
    yield "unknown colour type.png", png(4, 4, bytes(64), colour=5)
    yield "no palette.png", png(4, 4, bytes(20), colour=3)
    yield "broken profile.png", png(2, 2, bytes(14), extra=chunk(b"iCCP", b"x\0\0garbage"))
    yield "broken profile.jpg", encoded("JPEG", icc_profile=b"not a profile")
    yield "broken exif.jpg", encoded("JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    yield "broken exif.webp", encoded("WEBP", exif=b"Exif\0\0MM\0*garbage")
    yield "nan.tif", tiff(struct.pack("<f", float("nan")), 32, 3)
    yield "infinite.tif", tiff(struct.pack("<f", float("inf")), 32, 3)
    yield "out of range.tif", tiff(struct.pack("<f", -4.0), 32, 3)
    yield "whole numbers.tif", tiff(struct.pack("<I", 2**31), 32, 1)
    yield "näme with späces and 雨 ☂.png", encoded("PNG")
    yield "-o.png", encoded("PNG")
    yield "[a-z]*?.png", encoded("PNG")
    yield "$(touch owned);`touch owned`.png", encoded("PNG")
    yield "text bomb.png", png(1, 1, bytes(4), extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**27))))
    yield "profile bomb.png", png(1, 1, bytes(4), extra=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**27))))
    yield "pages bomb.tif", pages(500, 12_000)
    yield "entities.jpg", encoded("JPEG", xmp=b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><x a="&b;"/>')
    yield "no end.jpg", encoded("JPEG")[:-2]
    yield "late beginning.jpg", b"\xff\xd8" + bytes(9) + encoded("JPEG")[2:]
    yield "a drawing.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    yield "a map.ppm.png", b"P6 99999 99999 255\n"
    yield "animated.gif", encoded("GIF", save_all=True, append_images=[PHOTO.rotate(90)])
    yield "animated.webp", encoded("WEBP", save_all=True, append_images=[PHOTO.rotate(90)])
    yield "animated.png", encoded("PNG", save_all=True, append_images=[PHOTO.rotate(90)])


CORPUS = dict(corpus())


@pytest.fixture
def cli(tiny, tmp_path, monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run(arguments)
        return int(ended.value.code or 0), *capsys.readouterr()

    return call


def everything(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*")}


def test_the_corpus_is_large():
    assert len(CORPUS) >= 60


@pytest.mark.parametrize("name", CORPUS)
def test_an_odd_file_is_restored_or_refused_in_one_line(cli, tmp_path, name):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(CORPUS[name])
    before = everything(tmp_path)
    code, out, err = cli("restore", f"in/{name}", "-o", "out/")
    made = everything(tmp_path) - before
    if code == 0:
        [restored] = [tmp_path / m for m in made if m != "out"]
        assert restored.parent == tmp_path / "out" and out.count("\n") == 1
        assert read_image(restored).values.numel()  # PIL refuses some of what is copied
    else:
        assert code == 1 and out == "" and made <= {"out"}
        assert err.startswith("error: ") and err.count("\n") == 1, err
        assert "Traceback" not in err and ";" in err, err  # what is wrong; what to do


def test_all_of_them_in_one_folder_and_the_good_ones_come_out(cli, tmp_path):
    (tmp_path / "in").mkdir()
    names = [n for n in CORPUS if Path(n).suffix[1:] in FORMATS]
    for i, name in enumerate(names):  # numbered: some differ in their endings only
        (tmp_path / "in" / f"{i} {name}").write_bytes(CORPUS[name])
    os.symlink("loop.png", tmp_path / "in" / "loop.png")
    (tmp_path / "in" / "folder.png").mkdir()
    code, out, _ = cli("restore", "in", "-o", "out", "--json")
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 1 and len(records) == len(names)
    good = {Path(r["output"]).name for r in records if "error" not in r}
    assert good == {p.name for p in (tmp_path / "out").iterdir()}
    assert any("näme" in name for name in good)


def test_with_salvage_too_each_is_restored_or_refused_in_one_line(cli, tmp_path):
    (tmp_path / "in").mkdir()
    names = [n for n in CORPUS if Path(n).suffix[1:] in FORMATS]
    for i, name in enumerate(names):
        (tmp_path / "in" / f"{i}{Path(name).suffix}").write_bytes(CORPUS[name])
    _, out, _ = cli("restore", "in", "-o", "out", "--json", "--salvage")
    records = [json.loads(line) for line in out.splitlines()]
    errors = [record["error"] for record in records if "error" in record]
    assert len(records) == len(names) and all("\n" not in e and "Traceback" not in e for e in errors)
    assert any("cut short" in note for record in records for note in record.get("notes", ()))


def test_a_full_disk_is_one_line_and_leaves_nothing(cli, tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(encoded("PNG"))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code, out, err = cli("restore", "a.png")
    assert code == 1 and out == "" and "free some space" in err and err.count("\n") == 1
    assert everything(tmp_path) == {"a.png"}


@pytest.mark.skipif(os.name == "nt", reason="no such files there")
def test_what_is_no_regular_file_is_refused_without_waiting(cli, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("pipe.png", "/dev/null"):
        code, _, err = cli("restore", name, "-o", "out.png")
        assert code == 1 and "no regular file" in err
