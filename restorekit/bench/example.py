"""Weights by example, measured on other pictures: `python -m restorekit.bench.example PHOTOS [-o FILE]`.

One pair of 256x256 says what to do, b to b' as a to a'. The wish is done to other photographs with the same
degradations, and scored against the picture that it asks for: with everything gone in composites, with some of it
left in selective ones. Beside it the right weights, which the pair is to say, and the encoder's own reading, which
removes all it finds. Draws depend on the number of the photograph alone.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import Generator, Tensor

from restorekit.bench.control import crops_of
from restorekit.bench.items import as_file
from restorekit.bench.odd import psnr
from restorekit.composition import Step, in_physical_order
from restorekit.files import list_images
from restorekit.image import read_image
from restorekit.running.restorer import Restorer

__all__ = ["WISHES", "ExampleRow", "Wanted", "as_markdown", "main", "measure", "pair_of", "rows_of"]


@dataclass(frozen=True)
class Wanted:
    """Degradations in the pictures, by severity, and the right weights of those that are to go, wholly or not."""

    there: Mapping[str, float]
    weights: Mapping[str, float]

    @property
    def words(self) -> str:
        """Degradations and weights for a reader."""
        there = " + ".join(f"{name} {severity:g}" for name, severity in self.there.items())
        gone = ", ".join(f"{name} {weight:g}" for name, weight in self.weights.items())
        return f"{there} | {gone}"


WISHES = (
    Wanted({"noise": 25}, {"noise": 1}),
    Wanted({"noise": 25}, {"noise": 0.5}),
    Wanted({"rain": 18, "noise": 15}, {"rain": 1, "noise": 1}),
    Wanted({"rain": 18, "noise": 15}, {"rain": 1}),
    Wanted({"rain": 18, "noise": 15}, {"noise": 1}),
    Wanted({"noise": 15, "jpeg": 40}, {"noise": 1, "jpeg": 1}),
    Wanted({"blur": 1.6, "jpeg": 30}, {"blur": 1, "jpeg": 1}),
    Wanted({"blur": 1.6, "noise": 15}, {"noise": 1}),
    Wanted({"lowres": 2, "jpeg": 40}, {"lowres": 1, "jpeg": 1}),
    Wanted({"lowres": 2, "jpeg": 40}, {"jpeg": 1}),
    Wanted({"rain": 18, "noise": 15, "jpeg": 50}, {"rain": 1, "jpeg": 1}),
)


@dataclass(frozen=True)
class ExampleRow:
    """One wish: means over all other pictures, in dB, and over the examples.

    least: the worst example's.
    explained: share of the change of the pair.
    seconds: of a search.
    """

    wanted: Wanted
    before: float
    right: float
    found: float
    least: float
    encoder: float
    explained: float
    seconds: float


def pair_of(restorer: Restorer, clean: Tensor, wanted: Wanted, seed: int) -> tuple[Tensor, Tensor]:
    """A picture with its degradations, and the one that is wished for, both as files hold them.

    clean: (1, 3, H, W), in [0, 1].
    """
    before = after = clean
    for degradation in in_physical_order(restorer.catalog.degradation(name) for name in wanted.there):
        generator = Generator().manual_seed(seed)
        step = Step.draw(degradation, clean.shape, generator, wanted.there[degradation.name])
        before = step.apply(before)
        if degradation.name not in wanted.weights:
            after = step.apply(after)
    return as_file(before), as_file(before.lerp(after, min(wanted.weights.values())))


def measure(
    restorer: Restorer, wanted: Wanted, examples: Sequence[Tensor], others: Sequence[Tensor]
) -> ExampleRow:
    """Measure one wish. examples, others: clean photographs, (1, 3, H, W) each."""
    pairs = [pair_of(restorer, clean, wanted, 100 + seed) for seed, clean in enumerate(others)]

    def score(weights: Mapping[str, float] | None) -> float:
        return fmean(
            psnr(restorer.restore(b, weights=weights, blind=weights is None).image, right) for b, right in pairs
        )

    found, explained, seconds = [], [], []
    for seed, clean in enumerate(examples):
        example = pair_of(restorer, clean, wanted, seed)
        started = time.perf_counter()
        match = restorer.by_example([example])
        seconds.append(time.perf_counter() - started)
        explained.append(match.explained)
        found.append(score(match.mixture.values))
    before = fmean(psnr(*pair) for pair in pairs)
    right, encoder = score(wanted.weights), score(None)
    return ExampleRow(wanted, before, right, fmean(found), min(found), encoder, fmean(explained), fmean(seconds))


def rows_of(restorer: Restorer, examples: Sequence[Tensor], others: Sequence[Tensor]) -> Iterator[ExampleRow]:
    """Measure all wishes; arguments as in `measure`."""
    for wanted in WISHES:
        yield measure(restorer, wanted, examples, others)


def cells(row: ExampleRow) -> list[str]:
    """Numbers of a row, in the order of the table."""
    figures = (row.before, row.right, row.found, row.found - row.right, row.least - row.right, row.encoder)
    signed = [f"{value:+.2f}" if 3 <= i <= 4 else f"{value:.2f}" for i, value in enumerate(figures)]
    return [*signed, f"{row.explained:.2f}", f"{row.seconds:.0f}"]


def as_markdown(rows: Sequence[ExampleRow], source: str, examples: int, others: int, side: int) -> str:
    """The table, with what it was measured on.

    source: name of the photographs.
    examples: number of those that give a pair.
    others: number of those that are restored.
    side: of each, px.
    """
    versions = f"torch {torch.__version__}, Python {platform.python_version()}"
    lines = [
        "# Weights by example",
        "",
        f"Made by `python -m restorekit.bench.example PHOTOS -o benchmarks/example.md` on {examples + others}"
        f" photographs of {side}x{side}, the first ones of {source}: {examples} give one pair each, the wish is "
        f"done to the other {others}. fp32, threads: {torch.get_num_threads()}, {versions}.",
        "",
        "PSNR in dB to the picture that is wished for, in the mean over the other photographs: as they are, with "
        "the right weights, with those that the pair showed (found; the mean over the pairs and the worst of "
        "them, less right), and by the encoder's own reading, which removes all it finds. Share of the pair's "
        "change that the found weights explain, and seconds of a search.",
        "",
        "| degradations | wish | as it is | right | found | found - right | worst - right | encoder | share | s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [f"| {row.wanted.words} | {' | '.join(cells(row))} |" for row in rows]
    away, below = fmean(r.found - r.right for r in rows), sum(r.found < r.right - 0.2 for r in rows)
    better = sum(row.found > row.encoder for row in rows)
    lines += [
        "",
        f"In the mean {away:+.2f} dB from the right weights; {below} of {len(rows)} wishes more than 0.2 dB below "
        f"them; above the encoder in {better}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of clean photographs")
    parser.add_argument("-o", "--output", type=Path, help="Markdown file to write")
    parser.add_argument("--examples", type=int, default=2, help="number of photographs that give a pair")
    parser.add_argument("--others", type=int, default=4, help="number of photographs to restore")
    parser.add_argument("--side", type=int, default=256, help="side of the pictures in pixels")
    chosen = parser.parse_args()
    files = list_images(chosen.photos)[: chosen.examples + chosen.others]
    crops = [crops_of([read_image(path).rgb], 1, chosen.side) for path in files]
    restorer = Restorer.from_pretrained(device="cpu", precision="fp32")
    rows = []
    for row in rows_of(restorer, crops[: chosen.examples], crops[chosen.examples :]):
        rows.append(row)
        print(f"{row.wanted.words:50} {'  '.join(cells(row))}", flush=True)
    if chosen.output:
        others = len(crops) - chosen.examples
        table = as_markdown(rows, chosen.photos.name, chosen.examples, others, chosen.side)
        chosen.output.write_text(table)


if __name__ == "__main__":
    main()
