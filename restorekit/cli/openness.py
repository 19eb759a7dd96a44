"""`restorekit train openness`: how well keys find degradations that the encoder has never seen."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from restorekit.cli.options import Limit, Model, Threads
from restorekit.cli.runs import load_photos
from restorekit.cli.terminal import patient_progress, plugins_of, put, put_json, put_table
from restorekit.plugin.catalog import build_catalog

__all__ = ["OPENNESS", "openness"]

OPENNESS = "Example: restorekit train openness photos/ --pictures 200"


def openness(
    context: typer.Context,
    photos: Annotated[list[Path], typer.Argument(help="Folders of clean photographs.")],
    pictures: Annotated[int, typer.Option(min=20, help="Pictures of each kind; half as many judge.")] = 150,
    seed: Annotated[int, typer.Option(help="Seed of the pictures.")] = 0,
    model: Model = "",
    threads: Threads = None,
    limit: Limit = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per kind and reading.")] = False,
) -> None:
    """Fit keys to degradations that nobody's basis removes, and tell how many pictures they find.

    At one false alarm in a hundred clean pictures, and in a hundred pictures of every other kind; for a key as it
    is, and for two that read less.
    """
    import torch

    from restorekit.model.encoder import DegradationEncoder
    from restorekit.training.openness import READINGS, Found, pool_of
    from restorekit.training.openness import openness as judge
    from restorekit.training.other_kinds import strangers_to
    from restorekit.training.runs import FIRST_PARTY

    if threads is not None:
        torch.set_num_threads(threads)
    catalog = build_catalog(plugins_of(context)).of_model(model)
    encoder = DegradationEncoder.from_folder(catalog.model.encoder)
    known = [catalog.degradation(name) for name in FIRST_PARTY]
    read = load_photos(photos, limit, encoder.config.crop)
    kinds = [stranger.name for stranger in strangers_to(known)]
    found: list[Found] = []
    with patient_progress() as bar:
        task = bar.add_task("pictures", total=None, count="")

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, count=f"{done}/{total}")

        pools = pool_of(encoder, read, known, pictures, torch.Generator().manual_seed(seed), report)
        for row in judge(encoder, *pools, kinds, kinds):
            found.append(row)
            bar.update(task, completed=len(found), total=len(kinds) * len(READINGS), count=row.kind)
    if as_json:
        for row in found:
            put_json(asdict(row))
        return
    rows = []
    for kind in kinds:
        of_kind = {row.reading: row for row in found if row.kind == kind}
        figures = [f"{of_kind[r].beside_clean:.2f} / {of_kind[r].beside_all:.2f}" for r in READINGS]
        last = of_kind["statistics"]
        rows.append((kind, *figures, last.taken_for_it, ", ".join(last.kin)))
    put_table(("kind", *READINGS, "most easily taken for it", "kin"), rows)
    for reading in READINGS:
        chosen = [row for row in found if row.reading == reading]
        clean, every = (sum(getattr(r, n) for r in chosen) / len(chosen) for n in ("beside_clean", "beside_all"))
        put(f"{reading}: mean {clean:.2f} beside clean pictures, {every:.2f} beside all kinds")
