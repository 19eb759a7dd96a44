"""Laws of `restorekit restore`: what a file is and says comes out again, unless told otherwise."""

import io
import json
import sys
import types
from pathlib import Path

import pytest
import torch
from PIL import Image

from restorekit.image import Picture, read_image, read_pages, write_image, write_pages
from restorekit.work.pipeline import Pipeline
from tests.image.made import jpeg, noise, segment


def untouched(cli, *arguments):
    """Restore with every weight at zero."""
    return cli("restore", *arguments, "--only", "--set", "rain=0")


def barely(cli, *arguments):
    """Restore with weights so small that no pixel changes, but not zero: the file is written anew."""
    return cli("restore", *arguments, "--only", "--set", "rain=1e-9")


def test_metadata_is_kept_or_stripped(cli, tmp_path):
    rgb = torch.full((1, 3, 9, 13), 0.5)
    write_image(tmp_path / "a.png", rgb, source=Picture(rgb, text=(("Author", "Zoë"),), dpi=(300, 300)))
    untouched(cli, "a.png", "-o", "kept.png")
    untouched(cli, "a.png", "-o", "stripped.png", "--metadata", "strip")
    assert read_image("kept.png").text == (("Author", "Zoë"),)
    assert read_image("stripped.png").text == () and read_image("stripped.png").dpi is None
    assert cli("restore", "a.png", "--metadata", "lose").is_one_error()


def test_a_jpeg_keeps_its_quality_unless_told_or_so_low_that_artefacts_would_come_back(cli, tmp_path):
    for own, written in ((80, 80), (60, 95)):
        Image.radial_gradient("L").resize((20, 14)).convert("RGB").save(tmp_path / "a.jpg", quality=own)
        outcome = barely(cli, "a.jpg", "-o", "own.jpg", "--overwrite")
        assert ("would put artefacts back" in outcome.err) == (own < 75)
        assert read_image("own.jpg").jpeg.quality == written
        assert untouched(cli, "a.jpg", "-o", "told.jpg", "--quality", "30", "--overwrite").err == ""
        assert read_image("told.jpg").jpeg.quality == 30
    assert cli("restore", "a.jpg", "--quality", "101").code == 2


def test_16_bits_stay_16_through_the_network(cli, tmp_path):
    pytest.importorskip("pyvips")
    rgb = torch.randint(0, 65_536, (1, 3, 9, 13), generator=torch.Generator().manual_seed(0)) / 65_535
    write_image(tmp_path / "a.png", rgb, source=Picture(rgb, depth=16))
    assert barely(cli, "a.png", "-o", "b.png").err == ""
    assert torch.equal(read_image("b.png").rgb, rgb) and read_image("b.png").depth == 16
    assert "cannot hold 16 bits" in untouched(cli, "a.png", "-o", "b.webp").err
    cli("restore", "a.png", "-o", "c.png", "--only", "--set", "noise=1")
    levels = read_image("c.png").rgb * 65_535
    assert (levels.round().int() % 257 != 0).any()  # more than what 8 bits can say


def test_every_page_is_restored_into_one_file(cli, tmp_path):
    first, second = torch.full((1, 3, 9, 13), 0.5), torch.full((1, 3, 20, 7), 0.25)
    write_pages(tmp_path / "a.tif", [(first, Picture(first)), (second, Picture(second, mode="grey"))])
    outcome = cli("restore", "a.tif", "--set", "noise=1", "--scale", "2")
    assert outcome.code == 0 and "page 1: noise 1.00" in outcome.out
    assert "noise 1.00" in outcome.out.split("; page 2: ")[1]  # the encoder may be as sure of another
    assert [tuple(p.rgb.shape[2:]) for p in read_pages("a.restored.tif")] == [(18, 26), (40, 14)]
    record = json.loads(cli("restore", "a.tif", "-o", "b.tif", "--json").out)
    assert [page["size"] for page in record["pages"]] == [[13, 9], [7, 20]]
    assert record["size"] == [13, 9] and record["weights"] == record["pages"][0]["weights"]
    refused = cli("restore", "a.tif", "-o", "c.png")
    assert refused.is_one_error() and "2 pages" in refused.err


def made(folder: Path, name: str) -> bytes:
    """A picture file that no writer of ours would write so."""
    path = folder / name
    if name == "a.jpg":
        jpeg(path, noise(20, 14), segment(0xE7, b"unknown"), behind=b"a trailer", quality=60)
    elif name == "a.tif":
        noise(20, 14).save(path, save_all=True, append_images=[noise(9, 9, "CMYK")], compression="tiff_lzw")
    else:
        noise(20, 14).save(path)
    return path.read_bytes()


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.bmp"])
def test_a_file_that_needs_nothing_is_copied_byte_for_byte_and_that_is_said(cli, tmp_path, name):
    data = made(tmp_path, name)
    outcome = untouched(cli, name)
    assert outcome.code == 0 and "nothing to restore: copied byte for byte" in outcome.out and outcome.err == ""
    assert (tmp_path / name.replace("a.", "a.restored.")).read_bytes() == data
    record = json.loads(untouched(cli, name, "-o", f"b{name[1:]}", "--json").out)
    assert record["copied"] is True and record["notes"] == []
    assert (tmp_path / f"b{name[1:]}").read_bytes() == data
    assert untouched(cli, name, "-o", f"b{name[1:]}").is_one_error()  # nothing is written over


@pytest.mark.parametrize(
    ("output", "options"),
    [
        ("b.png", ()),
        ("b.jpg", ("--quality", "60")),
        ("b.jpg", ("--metadata", "strip")),
        ("b.jpg", ("--scale", "2")),
        ("b.jpg", ("--set", "noise=0.01")),
    ],
)
def test_a_file_of_which_anything_else_is_asked_is_not_copied(cli, tmp_path, output, options):
    data = made(tmp_path, "a.jpg")
    record = json.loads(untouched(cli, "a.jpg", "-o", output, "--json", *options).out)
    assert record["copied"] is False and (tmp_path / output).read_bytes() != data
    assert b"unknown" not in (tmp_path / output).read_bytes()


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_what_comes_from_a_pipe_is_copied_into_one(cli, tmp_path, monkeypatch, name):
    data, written = made(tmp_path, name), io.BytesIO()
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))
    monkeypatch.setattr(sys, "stdout", types.SimpleNamespace(buffer=written, flush=lambda: None))
    assert untouched(cli, "-").code == 0
    assert written.getvalue() == data


def test_a_damaged_file_is_salvaged_where_one_asks_for_it_and_never_copied(cli, tmp_path):
    noise(60, 60).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    refused = untouched(cli, "a.jpg")
    assert refused.is_one_error() and "--salvage" in refused.err
    outcome = untouched(cli, "a.jpg", "--salvage", "--json")
    record = json.loads(outcome.out)
    assert outcome.code == 0 and record["copied"] is False and "cut short" in record["notes"][0]
    assert read_image(tmp_path / "a.restored.jpg").notes == ()


def test_of_many_pages_none_is_held_once_it_is_encoded(cli, tmp_path, monkeypatch):
    rgb = torch.full((1, 3, 16, 16), 0.5)
    write_pages(tmp_path / "a.tif", [(rgb, Picture(rgb))] * 6)
    held = []
    write = Pipeline.write

    def watched(self, job, restored):
        held.extend(page.result.image.untyped_storage().nbytes() for page in restored.pages)
        return write(self, job, restored)

    monkeypatch.setattr(Pipeline, "write", watched)
    assert cli("restore", "a.tif", "--only", "--set", "noise=1").code == 0
    assert held == [0] * 6 and len(read_pages(tmp_path / "a.restored.tif")) == 6


def test_a_damage_in_a_later_page_of_standard_input_is_named_so(cli, tmp_path, monkeypatch):
    rgb = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    write_pages(tmp_path / "a.tif", [(rgb, Picture(rgb))] * 2)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[len(data) - 3000 : len(data) - 2000] = bytes(1000)
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))
    outcome = untouched(cli, "-", "-o", "b.tif")
    assert outcome.is_one_error() and "error: standard input is damaged" in outcome.err
