"""Laws of maps and reports: what `inspect --map` and `restore --report` write."""

import base64
import html
import io
import json
import os
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from restorekit.image import read_image


def test_a_map_is_one_picture_with_a_panel_for_each_keyed_basis(cli, photo):
    photo("photo.png", (200, 120))
    before = Path("photo.png").read_bytes()
    outcome = cli("inspect", "photo.png", "--map", "found.png", "--json")
    record = json.loads(outcome.out)
    assert record["map"] == "found.png" and set(record["areas"]) == {"blur", "jpeg", "lowres", "noise", "rain"}
    assert all(0 <= share <= 1 for share in record["areas"].values())
    height, width = read_image("found.png").rgb.shape[-2:]
    assert width > 3 * 200 and height > 2 * 120  # six panels, three beside each other
    assert Path("photo.png").read_bytes() == before and sorted(os.listdir()) == ["found.png", "photo.png"]


def pictures_of(page):
    found = re.findall(r'src="data:image/webp;base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def commands_of(page):
    lines = re.findall(r"<pre>(.*?)</pre>", page)
    return [shlex.split(html.unescape(re.sub("<[^>]+>", "", line))) for line in lines]


@pytest.fixture
def reported(cli, photo):
    def run(name, *options):
        photo(name, (90, 60))
        outcome = cli("restore", name, "-o", "out.png", "--precision", "fp32", "--report", "page.html", *options)
        assert outcome.code == 0, outcome.err
        return Path("page.html").read_text()

    return run


def test_a_report_shows_before_and_after_and_what_each_basis_took_away(reported):
    page = reported("photo.png", "--set", "noise=1", "--set", "rain=0.5", "--only")
    assert [picture.size for picture in pictures_of(page)] == [(90, 60)] * 4
    assert re.findall(r"<figcaption>(\w+), weight ([\d.]+), (?:as large|amplified \d+ times)", page) == [
        ("noise", "1.00"),
        ("rain", "0.50"),
    ]


def test_a_report_reaches_for_nothing_outside_itself(reported):
    page = reported("photo.png")
    assert "default-src &#x27;none&#x27;" in page
    outside = re.findall(r"""(?:src|href|url|action)\s*[=(]\s*["']?(?!data:)[^"')\s]""", page)
    assert not outside and "http:" not in page and "https:" not in page and "@import" not in page


def test_a_name_with_quotes_and_tags_breaks_neither_the_page_nor_the_command(cli, reported):
    name = "a <b>\"x' & $(y).png"
    page = reported(name, "--set", "noise=0.7", "--only")
    assert "<b>" not in page
    typed, pinned = commands_of(page)
    assert name in typed and name in pinned and typed[:2] == pinned[:2] == ["restorekit", "restore"]


def test_each_command_of_a_report_makes_the_same_pixels_again(cli, reported):
    page = reported("photo.png", "--set", "noise=0.7", "--steps", "2")
    first = read_image("out.png").rgb
    for command in commands_of(page):
        os.remove("out.png")
        Path("page.html").unlink(missing_ok=True)
        assert cli(*command[1:]).code == 0
        assert read_image("out.png").rgb.equal(first)


def test_a_large_or_enlarged_picture_has_a_part_at_full_size_and_a_page_of_bounded_size(cli, photo):
    photo("large.png", (640, 440))
    outcome = cli(
        "restore", "large.png", "-o", "o.png", "--scale", "2", "--set", "noise=1", "--only", "--precision", "fp32",
        "--report", "pages/",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    page = Path("pages/large.png.report.html").read_text()
    sizes = [picture.size for picture in pictures_of(page)]
    assert sizes == [(1200, 825)] * 2 + [(768, 512)] * 2 + [(384, 256)]
    assert len(page) < 4e6


def test_a_report_that_exists_is_kept_and_nothing_is_restored(cli, photo):
    photo("photo.png")
    Path("page.html").write_text("mine")
    outcome = cli("restore", "photo.png", "--report", "page.html")
    assert outcome.code == 1 and "--overwrite" in outcome.err
    assert Path("page.html").read_text() == "mine" and not Path("photo.restored.png").exists()


def test_a_cluster_writes_no_reports_and_says_so(cli, photo):
    photo("photo.png")
    outcome = cli("restore", "photo.png", "--report", "page.html", "--engine", "ray")
    assert outcome.is_one_error() and "--engine local" in outcome.err
