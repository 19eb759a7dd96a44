"""`restorekit train check`: what blindness costs, on held-out photographs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from restorekit.cli.options import Limit, Model, Threads
from restorekit.cli.runs import load_photos
from restorekit.cli.terminal import patient_progress, plugins_of, put, put_json, put_table, warn
from restorekit.errors import TrainingError
from restorekit.plugin.catalog import build_catalog

__all__ = ["check"]


def check(
    context: typer.Context,
    photos: Annotated[list[Path], typer.Argument(help="The folders of the training: one in 16 was held out.")],
    names: Annotated[str, typer.Option(help="Degradations, alone and in pairs.")] = "noise,blur,lowres,rain,jpeg",
    photographs: Annotated[int, typer.Option(min=1, help="Number of held-out photographs.")] = 10,
    size: Annotated[
        float,
        typer.Option(min=0.1, max=1.0, help="Shrink the photographs to this fraction."),
    ] = 1.0,
    soft: Annotated[
        float,
        typer.Option(
            min=1.0, max=4.0, help="Factor of enlargement; above 1 only noise, JPEG and nothing are drawn."
        ),
    ] = 1.0,
    model: Model = "",
    threads: Threads = None,
    limit: Limit = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per kind of picture.")] = False,
) -> None:
    """Compare the encoder's weights with the right bases on held-out photographs, kind of picture by kind.

    Of the shipped weights, or of those in the folder that RESTOREKIT_WEIGHTS names. Choices are made here; test
    sets are for the tables.
    """
    import torch

    from restorekit.running.restorer import Restorer
    from restorekit.training.comparison import PICTURE, compare, held_out
    from restorekit.training.pairs import PairMaker

    if threads is not None:
        torch.set_num_threads(threads)
    catalog = build_catalog(plugins_of(context)).of_model(model)
    degradations = tuple(catalog.degradation(name) for name in names.split(","))
    restorer = Restorer.from_pretrained(device="cpu", catalog=catalog)
    warn(restorer.failures)
    if unknown := {d.name for d in degradations} - set(restorer.bases):
        raise TrainingError(f"no basis for {', '.join(sorted(unknown))}; leave it out of --names")
    pairs = PairMaker(degradations, (1.0,) * len(degradations))
    middles = held_out(load_photos(photos, limit, PICTURE // 2).validation, photographs, size)
    rows, gaps = [], []
    with patient_progress() as bar:
        task = bar.add_task("kinds of picture", total=None, count="")

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, count=f"{done}/{total}")

        for found in compare(restorer, pairs, middles, soft=soft, progress=report):
            gaps.append(found.gap)
            if as_json:
                put_json(asdict(found) | {"gap": found.gap})
            kind = " + ".join(f"{n} {v:.3g}" for n, v in found.severities.items()) or "nothing"
            weights = " ".join(f"{n} {w:.2f}" for n, w in found.weights.items() if w >= 0.01)
            figures = (f"{value:.2f}" for value in (found.input, found.right, found.blind, found.gap))
            rows.append((kind, *figures, weights))
    if not as_json:
        put_table(("kind", "input", "right bases", "blind", "gap", "mean weights"), rows)
        put(f"mean gap {sum(gaps) / len(gaps):.3f} dB over {len(gaps)} kinds, {len(middles)} photographs")
