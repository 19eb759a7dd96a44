"""Guidance beside weights: `python -m restorekit.bench.guidance [PHOTOS] [-o FILE]`.

Both say how much a basis does: its weight w, inside the network, and g, outside it, x + g (x̂ - x) with w = 1. For
every basis that removes a degradation, at a typical severity and at the strongest that it was trained on: PSNR to
the clean picture at several w and g, and the share of the damage that is removed (`restorekit.bench.control`). It
shows whether g reaches what w does not. Draws depend on the number of the crop alone.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from restorekit.bench.control import measure_crops, share
from restorekit.bench.items import as_file
from restorekit.bench.odd import psnr
from restorekit.composition import Step
from restorekit.running.restorer import Restorer

__all__ = ["GUIDED", "WEIGHED", "GuidanceRow", "as_markdown", "main", "measure", "rows_of"]

WEIGHED = (0.5, 0.75, 1.0, 1.25, 1.5)
GUIDED = (0.5, 0.75, 1.25, 1.5, 2.0)


@dataclass(frozen=True)
class GuidanceRow:
    """One basis at one severity: PSNR in dB and shares removed, at each of `WEIGHED` and of `GUIDED`."""

    basis: str
    severity: str
    weighed: tuple[float, ...]
    guided: tuple[float, ...]
    weighed_shares: tuple[float, ...]
    guided_shares: tuple[float, ...]

    @property
    def gain(self) -> float:
        """Best PSNR with guidance, less the best by the weight alone."""
        return max(self.guided) - max(self.weighed)

    @property
    def reach(self) -> float:
        """Largest share removed with guidance, less the largest by the weight alone."""
        return max(self.guided_shares) - max(self.weighed_shares)


def measure(restorer: Restorer, basis: str, severity: float, clean: Tensor) -> GuidanceRow:
    """Measure a basis. clean: crops, (N, 3, s, s)."""
    degradation = restorer.catalog.degradation(restorer.catalog.basis(basis).degradation)
    made = [
        Step.draw(degradation, one.shape, Generator().manual_seed(i), severity).apply(one)
        for i, one in enumerate(clean.split(1))
    ]
    before = as_file(torch.cat(made))
    figures: dict[tuple[float, float], tuple[float, float]] = {}
    for weight, scale in (*((w, 1.0) for w in WEIGHED), *((1.0, g) for g in GUIDED)):
        restored = restorer.restore(before, weights={basis: weight}, blind=False, guidance=scale).image
        figures[weight, scale] = psnr(restored, clean), share(restored, clean, before - clean)
    weighed, guided = [figures[w, 1.0] for w in WEIGHED], [figures[1.0, g] for g in GUIDED]
    words = degradation.severity.describe(severity)
    return GuidanceRow(basis, words, *(tuple(f[i] for f in of) for i in (0, 1) for of in (weighed, guided)))


def rows_of(restorer: Restorer, clean: Tensor) -> Iterator[GuidanceRow]:
    """Measure every basis that removes a degradation."""
    for basis in restorer.bases:
        if name := restorer.catalog.basis(basis).degradation:
            severity = restorer.catalog.degradation(name).severity
            for value in dict.fromkeys((severity.typical, severity.strong)):
                yield measure(restorer, basis, value, clean)


def as_markdown(rows: Sequence[GuidanceRow], source: str, count: int, side: int) -> str:
    """The tables, with what they were measured on. source: name of the photographs."""
    titles = [*(f"w {w:g}" for w in WEIGHED), *(f"g {g:g}" for g in GUIDED)]
    head = [f"| basis | severity | {' | '.join(titles)} |", f"|---|---|{'---|' * len(titles)}"]
    best = max(rows, key=lambda row: row.gain)
    lines = [
        "# Guidance beside weights",
        "",
        f"Made by `python -m restorekit.bench.guidance PHOTOS -o benchmarks/guidance.md` on {count} crops of "
        f"{side}x{side} out of {source}, seeds 0 to {count - 1}, in fp32, torch {torch.__version__}, Python "
        f"{platform.python_version()}. Columns w: the basis at this weight. Columns g: the basis at 1, and the "
        "result input + g (restored - input).",
        "",
        "PSNR in dB:",
        "",
        *head,
    ]
    for row in rows:
        figures = " | ".join(f"{value:.2f}" for value in (*row.weighed, *row.guided))
        lines.append(f"| {row.basis} | {row.severity} | {figures} |")
    lines += ["", "Share of the damage that is removed, 1 - <x - c, d> / <d, d>:", "", *head]
    for row in rows:
        figures = " | ".join(f"{value:.2f}" for value in (*row.weighed_shares, *row.guided_shares))
        lines.append(f"| {row.basis} | {row.severity} | {figures} |")
    far = max(rows, key=lambda row: row.reach)
    lines += [
        "",
        f"Most that guidance gains over the best weight: {best.gain:+.2f} dB, {best.basis} at {best.severity}. "
        f"Furthest that it goes beyond the largest share by weights: {far.reach:+.2f}, {far.basis} at "
        f"{far.severity}.",
    ]
    return "\n".join(lines) + "\n"


def line_of(row: GuidanceRow) -> str:
    """A row on one line."""
    return " ".join([f"{row.basis:8} {row.severity:14}", *(f"{v:6.2f}" for v in (*row.weighed, *row.guided))])


def main() -> None:
    measure_crops(__doc__, 6, rows_of, line_of, as_markdown)


if __name__ == "__main__":
    main()
