"""Speed, as ratios measured in one run on one machine: `python -m restorekit.bench.speed [-o FILE]`."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from restorekit.bench.command_timing import command_ratio, size_ratio
from restorekit.bench.photograph_timing import photograph_ratios
from restorekit.bench.records import machine
from restorekit.bench.timing import (
    Ratio,
    arithmetic_ratio,
    bases_ratio,
    encoder_ratio,
    first_ratio,
    mixing_ratio,
    peer_ratios,
    precision_ratio,
)
from restorekit.machine import let_threads_rest

__all__ = ["as_markdown", "main"]


def as_markdown(rows: list[Ratio]) -> str:
    """The table, with the machine that it was measured on."""
    import torch

    lines = [
        "# Speed",
        "",
        f"Made by `python -m restorekit.bench.speed`: medians of runs in turns; {torch.get_num_threads()} threads "
        f"of {os.cpu_count()}, {machine()['processor']}, torch {torch.__version__}. restorekit computes in "
        "what is fastest here (`--precision auto`), the others in fp32.",
        "",
        "| what | seconds | against | seconds | ratio | |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        seconds, reference = (f"{t:.3g}" for t in (row.seconds, row.reference_seconds))
        lines.append(f"| {row.what} | {seconds} | {row.reference} | {reference} | {row.ratio:.3g} | {row.note} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, help="Markdown file to write")
    parser.add_argument("--large", action="store_true", help="Measure 100 megapixels too: minutes")
    parser.add_argument("--photos", type=Path, help="Folder of clean photographs: measure blind ones too")
    chosen = parser.parse_args()
    let_threads_rest()  # as the commands do
    rows: list[Ratio] = []
    measures: list[Callable[[], Ratio | list[Ratio]]] = [
        mixing_ratio,
        encoder_ratio,
        *([lambda: photograph_ratios(chosen.photos)] if chosen.photos else []),
        command_ratio,
        arithmetic_ratio,
        precision_ratio,
        lambda: bases_ratio(5),
        lambda: bases_ratio(50),
        lambda: size_ratio(10),
        *([lambda: size_ratio(100)] if chosen.large else []),
        first_ratio,
        peer_ratios,
    ]
    for measure in measures:
        found = measure()
        for row in found if isinstance(found, list) else [found]:
            rows.append(row)
            print(json.dumps({**asdict(row), "ratio": round(row.ratio, 3)}), flush=True)
    if chosen.output:
        chosen.output.write_text(as_markdown(rows))


if __name__ == "__main__":
    main()
