"""Fidelity beside look: `python -m restorekit.bench.look [-o FILE]`.

A restoration x̂ of y is faithful where it is near the clean picture c, and looks natural where it could be one. No
method is best at both (Blau & Michaeli, The Perception-Distortion Tradeoff, 2018, https://arxiv.org/abs/1711.06077):
the posterior mean has the best PSNR and is smooth. Here the right bases are at 1, and the flow from the posterior
mean to a natural look is walked in K steps; beside it stands the basis `detail`. Compared with c by PSNR and SSIM,
for the score, and by ST-LPIPS and FLIP, for the eye. Crops are out of the middle of standard photographs, degraded
whole as the protocols do it; crop i is restored with the seed i.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restorekit.bench.datasets import Located, data_roots, load_datasets, locate
from restorekit.bench.errors import BenchError
from restorekit.bench.items import Item, make_item
from restorekit.bench.metrics import Scorer, Shelf
from restorekit.bench.own import oracle
from restorekit.bench.protocol import Metric, Protocol, StepSpec
from restorekit.errors import RestorekitError
from restorekit.running.device import name_of_precision
from restorekit.running.restorer import Restorer

__all__ = [
    "METRICS",
    "PROTOCOLS",
    "WAYS",
    "LookRow",
    "Way",
    "as_markdown",
    "at_hand",
    "crop_of",
    "items_of",
    "main",
    "measure",
]

SET = "CBSD68"
METRICS = (Metric("psnr"), Metric("ssim"), Metric("st-lpips"), Metric("flip"))
GRID = 16  # px; a crop begins where a JPEG's blocks and a picture's small one do


def on_set(name: str, title: str, removes: str, **how: Any) -> Protocol:
    """A protocol of one degradation, on the photographs of this table."""
    return Protocol(name, title, SET, METRICS, present=(removes,), remove=(removes,), **how)


PROTOCOLS = (
    on_set("noise50", "noise, sigma 50", "noise", steps=(StepSpec("noise", 50, "gaussian"),), stored="float"),
    on_set("x4", "bicubic x4", "lowres", scale=4),
    on_set("jpeg10", "JPEG, quality 10", "jpeg", steps=(StepSpec("jpeg", 10, "4:2:0"),)),
    on_set("blur2", "Gaussian blur, sigma 2 px", "blur", steps=(StepSpec("blur", 2, "gaussian"),)),
)


@dataclass(frozen=True)
class Way:
    """A way to restore. look: 0 is the posterior mean. steps: of the flow to the look. weights: beside the right
    bases."""

    name: str
    look: float = 0.0
    steps: int = 1
    weights: tuple[tuple[str, float], ...] = ()

    def options(self, seed: int) -> Mapping[str, Any]:
        """Arguments of `Restorer.restore`."""
        return {"look": self.look, "steps": self.steps, "seed": seed} if self.look else {}


WAYS = (
    Way("look 0"),
    *(Way(f"look 1, {k} step{'s' * (k > 1)}", 1, k) for k in (1, 2, 4, 8)),
    Way("look 0.5, 4 steps", 0.5, 4),
    Way("detail 0.5", weights=(("detail", 0.5),)),
)


def at_hand(restorer: Restorer, ways: Sequence[Way]) -> list[Way]:
    """The ways whose bases this model has."""
    return [way for way in ways if {name for name, _ in way.weights} <= set(restorer.bases)]


@dataclass(frozen=True)
class LookRow:
    """Means over the crops. scores: by metric. seconds: to restore a crop; 0 for the input."""

    protocol: str
    way: str
    scores: Mapping[str, float]
    seconds: float = 0.0


def crop_of(item: Item, side: int) -> Item:
    """The middle of a picture, side x side, with its corner on the grid of blocks."""
    if item.clean is None or min(item.clean.shape[2:]) < side:
        raise BenchError(f"{item.name} has no clean crop of {side}x{side} px; name a smaller --side")
    top, left = ((n - side) // 2 // GRID * GRID for n in item.clean.shape[2:])
    window = (..., slice(top, top + side), slice(left, left + side))
    return replace(item, degraded=item.degraded[window], clean=item.clean[window], small=None)


def items_of(protocol: Protocol, located: Located, restorer: Restorer, count: int, side: int) -> list[Item]:
    """Crops of `count` pictures, evenly spread over the set."""
    many = len(located.sources)
    indices = range(many) if count >= many else [i * many // count for i in range(count)]
    return [crop_of(make_item(protocol, located, i, restorer.catalog), side) for i in indices]


def measure(
    restorer: Restorer, protocol: Protocol, items: Sequence[Item], scorers: Sequence[Scorer], ways: Sequence[Way]
) -> Iterator[LookRow]:
    """Measure the input, then each way. items: crops of one protocol."""

    def row(name: str, images: Sequence[Tensor], seconds: float = 0.0) -> LookRow:
        scores = {
            scorer.metric.name: sum(scorer(image, item) for image, item in zip(images, items, strict=True))
            / len(items)
            for scorer in scorers
        }
        return LookRow(protocol.title, name, scores, seconds / len(items))

    yield row("input", [item.degraded.clamp(0, 1) for item in items])
    for way in ways:
        images, seconds = [], 0.0
        for seed, item in enumerate(items):
            weights = {**oracle(restorer, item).weights.values, **dict(way.weights)}
            begin = time.perf_counter()
            restored = restorer.restore(
                item.degraded, weights=weights, blind=False, unclipped=True, **way.options(seed)
            )
            seconds += time.perf_counter() - begin
            images.append(restored.image)
        yield row(way.name, images, seconds)


def as_markdown(rows: Sequence[LookRow], source: str, side: int, precision: str) -> str:
    """The tables, one per degradation. source: what the crops are of."""
    lines = [
        "# Fidelity beside look",
        "",
        f"Made by `python -m restorekit.bench.look -o benchmarks/look.md` on crops of {side}x{side} px out of the "
        f"middle of {source}, the right bases at 1, in {precision}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, with {torch.get_num_threads()} thread"
        f"{'s' * (torch.get_num_threads() > 1)}. Seconds are a crop's.",
        "",
        "Higher is better for PSNR and SSIM, lower for ST-LPIPS and FLIP. Best of each but the input in bold.",
    ]
    for title in dict.fromkeys(row.protocol for row in rows):
        part = [row for row in rows if row.protocol == title]
        best = {}
        for metric, one in (("psnr", max), ("ssim", max), ("st-lpips", min), ("flip", min)):
            best[metric] = one((r.scores[metric] for r in part if r.way != "input"), default=None)
        lines += ["", f"## {title}", "", "| restored with | PSNR, dB | SSIM | ST-LPIPS | FLIP | s |"]
        lines.append("|---|---|---|---|---|---|")
        for row in part:
            cells = []
            for metric, digits in (("psnr", 2), ("ssim", 4), ("st-lpips", 4), ("flip", 4)):
                text = f"{row.scores[metric]:.{digits}f}"
                bold = row.way != "input" and best[metric] is not None and text == f"{best[metric]:.{digits}f}"
                cells.append(f"**{text}**" if bold else text)
            seconds = f"{row.seconds:.2f}" if row.seconds else "-"
            lines.append(f"| {row.way} | {' | '.join(cells)} | {seconds} |")
    return "\n".join(lines) + "\n"


def run(chosen: argparse.Namespace) -> None:
    """Measure, print and write."""
    located = locate(load_datasets()[SET], data_roots(chosen.data))
    if located is None:
        raise BenchError(f"dataset {SET} is not here; `restorekit bench download {SET}` says where it is")
    scorers, _ = Shelf().scorers(METRICS, [m.name for m in METRICS])
    restorer = Restorer.from_pretrained(device="cpu", precision=chosen.precision)
    rows = []
    for protocol in PROTOCOLS:
        items = items_of(protocol, located, restorer, chosen.crops, chosen.side)
        for row in measure(restorer, protocol, items, scorers, at_hand(restorer, WAYS)):
            rows.append(row)
            scores = "  ".join(f"{name} {value:.4f}" for name, value in row.scores.items())
            print(f"{row.protocol:26} {row.way:18} {scores}  {row.seconds:.2f} s", flush=True)
    if chosen.output:
        count = min(chosen.crops, len(located.sources))
        source = f"{count} photographs of {located.title}"
        chosen.output.write_text(as_markdown(rows, source, chosen.side, name_of_precision(restorer.dtype)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="Markdown file to write")
    parser.add_argument(
        "--data", type=Path, help="folder of datasets; else RESTOREKIT_DATA, else the user's cache"
    )
    parser.add_argument("--crops", type=int, default=16, help="number of photographs, one crop of each")
    parser.add_argument("--side", type=int, default=192, help="side of a crop in pixels")
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or fp16, as restore has it")
    try:
        run(parser.parse_args())
    except RestorekitError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
