"""Readability of text: `python -m restorekit.bench.text [-o FILE]`.

A restoration for the eye may paint letters that were never there. Pages of words are degraded, restored blind, and
read by a program for optical character recognition (tesseract, which has to be installed). The score is the share
of characters that are right: with the truth w and what is read r,

    share = max(0, 1 - distance(r, w) / |w|)

where the distance is the least number of characters to insert, delete or replace (Levenshtein, 1966). Clean pages
are read too: no program reads everything.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from restorekit.bench.errors import BenchError
from restorekit.bench.items import as_file, degraded_item
from restorekit.bench.lettering import Page, pages
from restorekit.bench.look import Way, at_hand
from restorekit.bench.protocol import Metric, Protocol, StepSpec
from restorekit.errors import RestorekitError
from restorekit.running.device import name_of_precision
from restorekit.running.restorer import Restorer

__all__ = [
    "PROTOCOLS",
    "SIZES",
    "WAYS",
    "Tesseract",
    "TextRow",
    "as_markdown",
    "distance",
    "main",
    "measure",
    "share",
]

PROGRAM = "tesseract"
INSTALL = "apt-get install tesseract-ocr, or see https://tesseract-ocr.github.io"
SIZES = (10, 12, 16, 24)  # of the typeface, px
METRICS = (Metric("text"),)  # never computed as a metric of pictures
PROTOCOLS = (
    Protocol("noise25", "noise, sigma 25", "", METRICS, steps=(StepSpec("noise", 25, "gaussian"),)),
    Protocol("blur1.5", "Gaussian blur, sigma 1.5 px", "", METRICS, steps=(StepSpec("blur", 1.5, "gaussian"),)),
    Protocol("x2", "bicubic x2", "", METRICS, scale=2),
    Protocol("jpeg10", "JPEG, quality 10", "", METRICS, steps=(StepSpec("jpeg", 10, "4:2:0"),)),
)
WAYS = (
    Way("look 0"),
    Way("look 0.5", 0.5, 4),
    Way("look 1", 1, 4),
    Way("detail 0.5", weights=(("detail", 0.5),)),
)
Reader = Callable[[Tensor], str]  # (1, 3, H, W), in [0, 1], to the words in it


class Tesseract:
    """The program tesseract, version 4 or newer, on one thread: a page as one block of English text.

    patience: seconds that a page may take.

    An Overview of the Tesseract OCR Engine, Smith, 2007, https://doi.org/10.1109/ICDAR.2007.4376991
    """

    def __init__(self, program: str = PROGRAM, patience: float = 60) -> None:
        found = shutil.which(program)
        if found is None:
            raise BenchError(f"reading needs the program {program}, which is not installed: {INSTALL}")
        self.program, self.patience = found, patience

    @property
    def version(self) -> str:
        """The first line that it tells of itself."""
        told = subprocess.run([self.program, "--version"], capture_output=True, text=True)
        return next(iter((told.stdout or told.stderr).splitlines()), PROGRAM)

    def __call__(self, image: Tensor) -> str:
        height, width = image.shape[2:]
        pixels = (as_file(image)[0] * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
        command = [self.program, "stdin", "stdout", "--psm", "6", "--dpi", "96", "-l", "eng"]
        page = b"P6 %d %d 255\n" % (width, height) + pixels.tobytes()
        alone = {**os.environ, "OMP_THREAD_LIMIT": "1"}
        try:
            done = subprocess.run(command, input=page, capture_output=True, env=alone, timeout=self.patience)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{PROGRAM} took more than {self.patience} seconds for a page") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise BenchError(f"{PROGRAM} failed with code {done.returncode}: {' '.join(said)}")
        return done.stdout.decode(errors="replace")


def distance(one: str, other: str) -> int:
    """Least number of characters to insert, delete or replace, to make one text of the other."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        last, row[0] = row[0], i
        for j, partner in enumerate(other, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (letter != partner))
    return row[-1]


def share(read: str, words: str) -> float:
    """Share of the characters that are read right, from 0 to 1; any run of white space counts as one space."""
    read, words = (" ".join(text.split()) for text in (read, words))
    return max(0.0, 1 - distance(read, words) / len(words))


@dataclass(frozen=True)
class TextRow:
    """One page under one degradation: shares of the characters right. restored: by the name of the way."""

    degradation: str
    size: int
    ground: str
    clean: float
    degraded: float
    restored: Mapping[str, float]


def measure(
    restorer: Restorer, protocol: Protocol, page: Page, reader: Reader, seed: int = 0, ways: Sequence[Way] = WAYS
) -> TextRow:
    """Read a page clean, degraded, and restored blind in each way."""
    item = degraded_item(protocol, f"{page.ground}-{page.size}", page.image, restorer.catalog)

    def right(image: Tensor) -> float:
        return share(reader(image), page.words)

    restored = {}
    for way in at_hand(restorer, ways):
        image = restorer.restore(item.degraded, weights=dict(way.weights), **way.options(seed)).image
        restored[way.name] = right(image)
    clean = right(page.image)
    return TextRow(protocol.title, page.size, page.ground, clean, right(item.degraded), restored)


def rows_of(restorer: Restorer, reader: Reader) -> Iterator[TextRow]:
    """Measure every page under every degradation; each page has a seed of its own."""
    for protocol in PROTOCOLS:
        for seed, page in enumerate(pages(SIZES)):
            yield measure(restorer, protocol, page, reader, seed)


def as_markdown(rows: Sequence[TextRow], reader: str, precision: str) -> str:
    """The table: a line for each size and ground, and each degradation's mean. reader: its name and version."""
    ways = list(rows[0].restored)
    head = ["degradation", "letters", "clean", "degraded", *ways]
    lines = [
        "# Readability of text",
        "",
        f"Made by `python -m restorekit.bench.text -o benchmarks/text.md`, restored blind in {precision}, read by "
        f"{reader}, torch {torch.__version__}, Python {platform.python_version()}.",
        "",
        "Per cent of the characters that are read right, 100 (1 - edit distance / length), at least 0. Letters "
        "are black on white, or white on a ground like a photograph's. Columns from the fifth on: restored.",
        "",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
    ]

    def line(name: str, letters: str, part: Sequence[TextRow]) -> str:
        columns = [
            [r.clean for r in part],
            [r.degraded for r in part],
            *([r.restored[w] for r in part] for w in ways),
        ]
        cells = (f"{100 * sum(column) / len(column):.1f}" for column in columns)
        return f"| {name} | {letters} | {' | '.join(cells)} |"

    for name in dict.fromkeys(row.degradation for row in rows):
        part = [row for row in rows if row.degradation == name]
        lines += [line(name, f"{row.size} px, on {a_ground(row.ground)}", [row]) for row in part]
        lines.append(line(f"**{name}**", "**mean**", part))
    lines.append(line("**all**", "**mean**", rows))
    return "\n".join(lines) + "\n"


def a_ground(name: str) -> str:
    return name if name == "white" else f"a {name}"


def run(chosen: argparse.Namespace) -> None:
    """Measure, print and write."""
    reader = Tesseract()
    restorer = Restorer.from_pretrained(device="cpu", precision=chosen.precision)
    rows = []
    for row in rows_of(restorer, reader):
        rows.append(row)
        shares = {"clean": row.clean, "degraded": row.degraded, **row.restored}
        told = "  ".join(f"{name} {100 * value:5.1f}" for name, value in shares.items())
        print(f"{row.degradation:28} {row.size:3} px on {row.ground:10}  {told}", flush=True)
    if chosen.output:
        chosen.output.write_text(as_markdown(rows, reader.version, name_of_precision(restorer.dtype)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="Markdown file to write")
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or fp16, as restore has it")
    try:
        run(parser.parse_args())
    except RestorekitError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
