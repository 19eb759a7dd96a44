"""Response of the bases to their weights: `python -m restorekit.bench.control [PHOTOS] [-o FILE]`.

How much of a degradation is gone at each weight, for every basis that removes one. With the clean picture c, the
picture y without this degradation's damage d, and x restored from y + d:

    share removed = 1 - <x - c, d> / <d, d>

which is 0 where the damage is untouched and 1 where nothing like it is left. Other errors, such as detail
that was smoothed away, count only as far as they resemble the damage. Measured alone (y = c), and beside a second
degradation that is removed at weight 1. Draws depend on the number of the crop alone.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import torch
from torch import Generator, Tensor

from restorekit.bench.items import as_file
from restorekit.composition import Compose, Step, in_physical_order
from restorekit.files import list_images
from restorekit.image import read_image
from restorekit.running.restorer import Restorer

__all__ = [
    "SAMPLE",
    "WEIGHTS",
    "Response",
    "as_markdown",
    "crops_of",
    "degraded",
    "main",
    "measure_crops",
    "response",
    "responses",
    "share",
]

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
# The second degradation; for all others it is noise. A JPEG's damage to noise is less noise, which says nothing.
BESIDE = {"noise": "rain", "jpeg": "rain"}
SECOND = "noise"
SAMPLE = Path("benchmarks/samples/clean.jpg")
Row = TypeVar("Row")


@dataclass(frozen=True)
class Response:
    """Shares of one degradation that are removed at `WEIGHTS`. what: words on the pictures."""

    basis: str
    what: str
    shares: tuple[float, ...]

    @property
    def monotone(self) -> bool:
        """True if no larger weight up to 1 removes less."""
        upto = [share for weight, share in zip(WEIGHTS, self.shares, strict=True) if weight <= 1]
        return all(later >= earlier for earlier, later in pairwise(upto))


def crops_of(photos: Sequence[Tensor], count: int, side: int) -> Tensor:
    """Crops of side x side, as many of each photograph, evenly spread over it; (N, 3, side, side).

    photos: (1, 3, H, W) each, in [0, 1], no smaller than a crop.
    """
    each = -(-count // len(photos))
    columns = -(-each * 2 // 3) if each > 2 else each
    rows = -(-each // columns)
    crops = []
    for photo in photos:
        height, width = (n - side for n in photo.shape[2:])
        for i in range(each):
            top = height * (2 * (i // columns) + 1) // (2 * rows)
            left = width * (2 * (i % columns) + 1) // (2 * columns)
            crops.append(photo[..., top : top + side, left : left + side])
    return torch.cat(crops[:count])


def degraded(restorer: Restorer, clean: Tensor, names: Sequence[str]) -> Tensor:
    """Each crop degraded at typical severities, in physical order, rounded as in a file."""
    chosen = in_physical_order(restorer.catalog.degradation(name) for name in names)
    made = []
    for i, one in enumerate(clean.split(1)):
        steps = tuple(
            Step(d, d.draw(one.shape, Generator().manual_seed(i), severity=d.severity.typical)) for d in chosen
        )
        made.append(as_file(Compose(steps).apply(one)))
    return torch.cat(made)


def share(restored: Tensor, clean: Tensor, damage: Tensor) -> float:
    """Share of the damage that is gone, over all crops: 1 - <x - c, d> / <d, d>."""
    there = damage.double().flatten()
    left = (restored - clean).double().flatten()
    return 1 - float((left @ there) / (there @ there))


def response(restorer: Restorer, basis: str, clean: Tensor, second: str = "") -> Response:
    """Measure one basis.

    clean: crops, (N, 3, s, s).
    second: basis that is at 1, whose degradation the crops have too; empty for none.
    """
    catalog = restorer.catalog
    own = catalog.basis(basis).degradation
    others = [catalog.basis(second).degradation] if second else []
    both = degraded(restorer, clean, [own, *others])
    before = degraded(restorer, clean, others) if second else clean
    shares = []
    for weight in WEIGHTS:
        weights = {basis: weight} | ({second: 1.0} if second else {})
        restored = restorer.restore(both, weights=weights, blind=False).image
        shares.append(share(restored, clean, both - before))
    severity = catalog.degradation(own).severity
    what = severity.describe(severity.typical) + (f", beside {second} at 1" if second else "")
    return Response(basis, what, tuple(shares))


def responses(restorer: Restorer, clean: Tensor) -> Iterator[Response]:
    """Measure every basis that removes a degradation, alone and beside another."""
    names = [name for name in restorer.bases if restorer.catalog.basis(name).degradation]
    for name in names:
        yield response(restorer, name, clean)
    for name in names:
        second = BESIDE.get(name, SECOND)
        if second in names:
            yield response(restorer, name, clean, second)


def as_markdown(rows: Sequence[Response], source: str, count: int, side: int) -> str:
    """The table, with what it was measured on. source: name of the photographs."""
    lines = [
        "# Response of the bases to their weights",
        "",
        f"Made by `python -m restorekit.bench.control PHOTOS -o benchmarks/control.md` on {count} crops of "
        f"{side}x{side} out of {source}, seeds 0 to {count - 1}, in fp32, torch {torch.__version__}, Python "
        f"{platform.python_version()}.",
        "",
        "Share of a degradation's damage d that is removed at each weight, 1 - <x - c, d> / <d, d>, with the clean"
        " crop c and the restored one x: 0 is untouched, 1 is gone. At 0 the basis leaves its degradation in the "
        "picture; beside a second one, what is removed at 0 is what the other basis takes along.",
        "",
        f"| basis | degradation | {' | '.join(f'{weight:g}' for weight in WEIGHTS)} | rises up to 1 |",
        f"|---|---|{'---|' * len(WEIGHTS)}---|",
    ]
    for row in rows:
        shares = " | ".join(f"{value:.2f}" for value in row.shares)
        lines.append(f"| {row.basis} | {row.what} | {shares} | {'yes' if row.monotone else 'no'} |")
    return "\n".join(lines) + "\n"


def line_of(row: Response) -> str:
    """A response on one line."""
    shares = "".join(f"{value:7.2f}" for value in row.shares)
    return f"{row.basis:10} {row.what:36}{shares}  {'' if row.monotone else 'NOT MONOTONE'}"


def measure_crops(
    about: str | None,
    crops: int,
    measure: Callable[[Restorer, Tensor], Iterable[Row]],
    line: Callable[[Row], str],
    table: Callable[[Sequence[Row], str, int, int], str],
    arguments: Sequence[str] | None = None,
) -> None:
    """Measure crops of photographs by the command line: a line for each row as it comes, and a table in a file.

    about: help of the command.
    crops: number of them, unless the user says another.
    measure: gives the rows of a restorer and clean crops, (N, 3, side, side).
    line: writes a row for a person who waits.
    table: writes all of them: rows, name of the photographs, number of crops, side in px.
    arguments: of the command line; None for those of the program.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="?", default=SAMPLE, help="clean photograph, or a folder")
    parser.add_argument("-o", "--output", type=Path, help="Markdown file to write")
    parser.add_argument("--crops", type=int, default=crops, help="number of crops; as many photographs at most")
    parser.add_argument("--side", type=int, default=160, help="side of a crop in pixels")
    chosen = parser.parse_args(arguments)
    files = list_images(chosen.photos) if chosen.photos.is_dir() else [chosen.photos]
    photos = [read_image(path).rgb for path in files[: chosen.crops]]
    clean = crops_of(photos, chosen.crops, chosen.side)
    rows = []
    for row in measure(Restorer.from_pretrained(device="cpu", precision="fp32"), clean):
        rows.append(row)
        print(line(row), flush=True)
    if chosen.output:
        chosen.output.write_text(table(rows, chosen.photos.name, len(clean), chosen.side))


def main() -> None:
    measure_crops(__doc__, 12, responses, line_of, as_markdown)


if __name__ == "__main__":
    main()
