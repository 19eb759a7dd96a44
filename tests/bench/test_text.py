"""Laws of the readability of text: the score counts characters, a page holds its words, a program reads."""

from __future__ import annotations

import shutil
import stat

import pytest
import torch

from restorekit.bench.errors import BenchError
from restorekit.bench.lettering import GROUNDS, LINES, drawn, pages
from restorekit.bench.look import Way
from restorekit.bench.text import (
    PROTOCOLS,
    SIZES,
    WAYS,
    Tesseract,
    TextRow,
    as_markdown,
    distance,
    measure,
    rows_of,
    share,
)

needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="needs the program tesseract")


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("", "", 0), ("abc", "", 3), ("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("ab", "ba", 2)],
)
def test_the_distance_is_the_least_number_of_edits(one, other, edits):
    assert distance(one, other) == distance(other, one) == edits


def test_the_share_is_1_for_the_words_themselves_however_they_are_spaced_and_never_below_0():
    assert share(" two\n words  ", "two words") == 1
    assert share("two wards", "two words") == pytest.approx(8 / 9)
    assert share("", "two words") == 0 == share("x" * 100, "two words")


@pytest.mark.parametrize("ground", GROUNDS)
def test_a_page_is_a_picture_of_its_words(ground):
    page = drawn("Hello\nworld", 12, ground)
    empty = drawn(" \n ", 12, ground)
    assert page.shape[0:2] == (1, 3) and not any(n % 16 for n in page.shape[2:])
    assert torch.equal(page, (page * 255).round() / 255)
    assert float(empty.amax()) <= 1 and (float(empty.amin()) == 1 if ground == "white" else empty.std() > 0.02)
    assert float(page.amin() if ground == "white" else page.amax()) == (0 if ground == "white" else 1)
    assert torch.equal(page, drawn("Hello\nworld", 12, ground)) and not torch.equal(
        page, drawn("Hello\nworms", 12, ground)
    )


def test_pages_hold_every_letter_and_numeral_in_each_size_on_each_ground():
    made = pages((10, 14))
    assert [(p.ground, p.size) for p in made] == [(g, s) for g in GROUNDS for s in (10, 14)]
    assert set("abcdefghijklmnopqrstuvwxyz0123456789") <= set("".join(LINES).lower())
    assert made[0].words.splitlines() == list(LINES)


class Listening:
    """A restorer that notes how it is asked, and gives back a picture as bright as it is called for."""

    def __init__(self, restorer):
        self.catalog, self.bases, self.asked = restorer.catalog, restorer.bases, []

    def restore(self, image, **how):
        self.asked.append(how)
        return type("Result", (), {"image": torch.full_like(image, how.get("look", 0.25))})


def test_a_page_is_read_clean_degraded_and_restored_blind_in_each_way(restorer):
    page = pages((10,))[0]
    seen = []

    def reader(image):
        seen.append(image)
        return page.words[: round(len(page.words) * float(image.mean()))]

    listening = Listening(restorer)
    row = measure(listening, PROTOCOLS[0], page, reader, 7)
    assert row.clean == share(reader(page.image), page.words) < 1
    assert row.restored == pytest.approx(
        {"look 0": 0.25, "look 0.5": 0.5, "look 1": 1, "detail 0.5": 0.25}, abs=0.01
    )
    assert [how["weights"] for how in listening.asked] == [{}, {}, {}, {"detail": 0.5}]
    assert all(how.get("blind", True) for how in listening.asked)
    assert [how.get("seed") for how in listening.asked] == [None, 7, 7, None]
    noisy = [image for image in seen if image.std() > 0.01 and not torch.equal(image, page.image)]
    assert len(noisy) == 1 and 10 / 255 < (noisy[0] - page.image).std() < 25 / 255  # clipped, for a white page


def test_all_pages_are_measured_under_all_degradations(restorer):
    rows = list(rows_of(Listening(restorer), lambda image: "nothing"))
    assert len(rows) == len(PROTOCOLS) * len(SIZES) * len(GROUNDS)
    assert len({(row.degradation, row.size, row.ground) for row in rows}) == len(rows)
    assert all(set(row.restored) == {way.name for way in WAYS} for row in rows)


def test_the_table_has_each_page_and_the_means():
    rows = [
        TextRow("noise", 10, "white", 1, 0.5, {"look 0": 0.75, "look 1": 0.5}),
        TextRow("noise", 10, "photograph", 0.9, 0.3, {"look 0": 0.25, "look 1": 0.5}),
        TextRow("blur", 10, "white", 1, 0.1, {"look 0": 0.5, "look 1": 0.5}),
    ]
    lines = as_markdown(rows, "tesseract 5", "fp32").splitlines()
    assert "| degradation | letters | clean | degraded | look 0 | look 1 |" in lines
    assert "| noise | 10 px, on a photograph | 90.0 | 30.0 | 25.0 | 50.0 |" in lines
    assert "| **noise** | **mean** | 95.0 | 40.0 | 50.0 | 50.0 |" in lines
    assert lines[-1] == "| **all** | **mean** | 96.7 | 30.0 | 50.0 | 50.0 |"


def test_without_the_program_the_error_names_its_package():
    with pytest.raises(BenchError, match="apt-get install tesseract-ocr"):
        Tesseract("no-such-program-for-reading")


def test_a_program_that_fails_is_an_error_with_its_words(tmp_path):
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\ncat > /dev/null\necho no such language >&2\nexit 3\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(BenchError, match="code 3: no such language"):
        Tesseract(str(program))(torch.ones(1, 3, 8, 8))


def test_a_program_that_hangs_is_an_error(tmp_path):
    program = tmp_path / "hanging"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(BenchError, match="more than"):
        Tesseract(str(program), patience=0.2)(torch.ones(1, 3, 8, 8))


@needs_tesseract
@pytest.mark.parametrize("ground", GROUNDS)
def test_tesseract_reads_a_clean_page_and_no_page_of_noise(ground):
    reader = Tesseract()
    words = "\n".join(LINES[:3])
    assert share(reader(drawn(words, 20, ground)), words) > 0.9 and "tesseract" in reader.version
    assert share(reader(torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))), words) < 0.3


def test_the_restorer_knows_every_way(restorer):
    row = measure(restorer, PROTOCOLS[2], pages((10,))[0], lambda image: "")
    assert set(row.restored) == {way.name for way in WAYS}


@needs_tesseract
def test_a_degraded_page_can_be_read_and_restored_end_to_end(restorer):
    row = measure(restorer, PROTOCOLS[3], pages((16,))[0], Tesseract(), ways=(Way("look 0"),))
    assert row.clean > 0.9 and 0 <= row.degraded <= row.clean + 0.05 and set(row.restored) == {"look 0"}
