"""Accuracy of severities that `inspect` tells: `python -m restorekit.bench.severity PHOTOS [-o FILE] [--record]`.

Held-out photographs get a degradation of a known severity, evenly spread from mild to strong, every other one a
second degradation beside it. What `Restorer.inspect` says is compared with what was done. The error that is shown
with an estimate is the one within which two of three pictures with such an estimate lie; `--record` writes it
beside each basis, as `severity.json`.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Generator, Tensor

from restorekit.bench.items import as_file
from restorekit.composition import Compose, Step, in_physical_order
from restorekit.degradation import Degradation
from restorekit.model.basis import save_severity
from restorekit.model.weights import ENCODER_TENSORS
from restorekit.running.restorer import Restorer
from restorekit.training.photos import HELD_OUT_EVERY, chosen_photos, read_copies, validation_crops
from restorekit.work.words import SHOWN

__all__ = ["Estimate", "as_markdown", "errors_by_estimate", "estimates", "held_out_pictures", "main"]

SIDE = 384  # px of a picture
LEVELS = 5  # ranges of severity, and of estimates
WITHIN = 2 / 3  # of the pictures lie within the error that is shown
# Errors that were asked for at most: in the unit, or as a share of what is true.
ASKED = {"jpeg": (8.0, "8"), "blur": (0.3, "0.3"), "noise": (0.1, "10 %")}
SHARES = ("noise",)
FEWEST = 5  # pictures that an error is read from


@dataclass(frozen=True)
class Estimate:
    """One picture. true, estimate: severities in the degradation's unit. beside: the second degradation or ""."""

    basis: str
    true: float
    estimate: float
    weight: float
    beside: str = ""

    @property
    def error(self) -> float:
        """Distance of the estimate from what is true."""
        return abs(self.estimate - self.true)


def held_out_pictures(folders: Sequence[Path]) -> list[Tensor]:
    """Middles of the photographs that a training holds out, at every size; (1, 3, SIDE, SIDE) each, in [0, 1]."""
    paths = chosen_photos(folders)[HELD_OUT_EVERY // 2 :: HELD_OUT_EVERY]
    copies = [copy for path in paths for copy in read_copies(path, SIDE)]
    return list(validation_crops(copies, len(copies), SIDE).split(1)) if copies else []


def severity_at(degradation: Degradation, place: float) -> float:
    """The severity at a place between mild (0) and strong (1), linear in its unit."""
    scale = degradation.severity
    return scale.mild + place * (scale.strong - scale.mild)


def estimates(restorer: Restorer, photos: Sequence[Tensor], count: int) -> Iterator[Estimate]:
    """Look at pictures of every basis that has a key.

    photos: (1, 3, H, W) each, in [0, 1].
    count: number of pictures for each basis.
    """
    catalog = restorer.catalog
    known = {name: catalog.degradation(catalog.basis(name).degradation) for name in restorer.keys}
    for name, degradation in known.items():
        others = [other for other in known if other != name]
        for i in range(count):
            generator = Generator().manual_seed(i)
            beside = others[i // 2 % len(others)] if i % 2 and others else ""
            severity = severity_at(degradation, (i * 0.6180339887) % 1)  # evenly spread, whatever else goes round
            clean = photos[i % len(photos)]
            drawn = []
            for one in in_physical_order(known[n] for n in (name, beside) if n):
                if one is degradation:
                    drawn.append(Step.draw(one, clean.shape, generator, severity))
                else:
                    place = float(torch.rand(1, generator=generator))
                    drawn.append(Step.draw(one, clean.shape, generator, severity_at(one, place)))
            found = restorer.inspect(as_file(Compose(tuple(drawn)).apply(clean)))[0]
            yield Estimate(name, severity, found.severities[name], found.weights[name], beside)


def shown(found: Iterable[Estimate]) -> list[Estimate]:
    """Estimates that a person sees: those whose weight is not near 0."""
    return [one for one in found if one.weight >= SHOWN]


def quantile(values: Sequence[float], share: float = 0.5) -> float:
    """The value that this share of the values does not exceed."""
    return float(torch.tensor(values, dtype=torch.float64).quantile(share))


def errors_by_estimate(found: Iterable[Estimate]) -> list[tuple[float, float]]:
    """Pairs of an estimate and the error within which WITHIN of the pictures with such an estimate lie, rising."""
    ranked = sorted(shown(found), key=lambda one: one.estimate)
    groups = max(1, min(LEVELS, len(ranked) // FEWEST))
    edges = [round(i * len(ranked) / groups) for i in range(groups + 1)]
    parts = [ranked[a:b] for a, b in pairwise(edges) if b > a]
    return [
        (round(quantile([one.estimate for one in part]), 3), round(quantile([o.error for o in part], WITHIN), 3))
        for part in parts
    ]


def within(found: Sequence[Estimate]) -> str:
    """Share of one basis's estimates whose error is no larger than was asked for, in words."""
    name = found[0].basis
    if name not in ASKED:
        return "-"
    limit = ASKED[name][0]
    good = [one.error <= limit * (one.true if name in SHARES else 1.0) for one in found]
    return f"{sum(good) / len(good):.2f}"


def as_markdown(found: Sequence[Estimate], restorer: Restorer, photographs: int) -> str:
    """The tables, with what they were measured on."""
    encoder = restorer.provenance().get(f"encoder/{ENCODER_TENSORS}", "")
    lines = [
        "# Accuracy of severities",
        "",
        "Made by `python -m restorekit.bench.severity PHOTOS --record -o benchmarks/severity.md` from "
        f"{photographs} held-out pictures of {SIDE}x{SIDE} px, in fp32, torch {torch.__version__}, Python "
        f"{platform.python_version()}, encoder {encoder[:12]}. The plain kind of each degradation, severities "
        "evenly from mild to strong.",
        "",
        "Median errors: *alone*, and with a second degradation of any severity *beside* it. *Found*: the share "
        "whose weight is not near 0, for which alone a severity is shown. *Lean*: mean of estimate less truth, "
        "alone. *Asked*: the largest error that was asked for; then the share of the pictures that keep it.",
        "",
        "| basis | severity | found | alone | alone, % | lean | beside | asked | kept alone | kept beside |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in restorer.keys:
        scale = restorer.catalog.degradation(restorer.catalog.basis(name).degradation).severity
        mine = [one for one in found if one.basis == name]
        low, high = min(scale.mild, scale.strong), max(scale.mild, scale.strong)
        edges = [low + i * (high - low) / LEVELS for i in range(LEVELS + 1)]
        digits = 1 if high >= 20 else 2
        for a, b in (*pairwise(edges), (low, high)):
            part = [one for one in mine if a <= one.true <= b]
            seen = shown(part)
            alone, beside = ([o for o in seen if bool(o.beside) is mixed] for mixed in (False, True))
            if not alone or not beside:
                continue
            lean = sum(o.estimate - o.true for o in alone) / len(alone)
            cells = [
                name,
                "all" if (a, b) == (low, high) else f"{scale.symbol} {a:.{digits}f} to {b:.{digits}f}",
                f"{len(seen) / len(part):.2f}",
                f"{quantile([o.error for o in alone]):.{digits}f}",
                f"{100 * quantile([o.error / o.true for o in alone]):.0f}",
                f"{lean:+.{digits}f}",
                f"{quantile([o.error for o in beside]):.{digits}f}",
                ASKED[name][1] if name in ASKED else "-",
                *(within(part) for part in (alone, beside)),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+", help="folders of the training: one in 16 was held out")
    parser.add_argument("-o", "--output", type=Path, help="Markdown file to write")
    parser.add_argument("--count", type=int, default=100, help="number of pictures for each basis")
    parser.add_argument("--record", action="store_true", help="write the errors beside the bases")
    chosen = parser.parse_args()
    photos = held_out_pictures(chosen.photos)
    if not photos:
        parser.error(f"none of the held-out photographs has {SIDE} px on its short side")
    restorer = Restorer.from_pretrained(device="cpu", precision="fp32")
    found = []
    for one in estimates(restorer, photos, chosen.count):
        found.append(one)
        print(f"{one.basis:8} {one.true:7.2f} {one.estimate:7.2f} {one.weight:5.2f} {one.beside}", flush=True)
    text = as_markdown(found, restorer, len(photos))
    print(text)
    if chosen.output:
        chosen.output.write_text(text)
    if chosen.record:
        for name in restorer.keys:
            pairs = errors_by_estimate(one for one in found if one.basis == name)
            save_severity(restorer.catalog.basis(name).folder, pairs)


if __name__ == "__main__":
    main()
