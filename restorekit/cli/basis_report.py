"""`restorekit basis`: diagnostics of the bases that are installed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restorekit.cli.bench import Data, Names
from restorekit.cli.bench_data import brought
from restorekit.cli.options import Bases, Model, Threads
from restorekit.cli.terminal import patient_progress, plugins_of, put, warn

__all__ = ["app"]

app = typer.Typer(
    help="Diagnose the installed bases: overlap, and what each is worth.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root() -> None:
    """Diagnose the installed bases: overlap, and what each is worth."""


@app.command(epilog="Example: restorekit basis report -o benchmarks/bases.md")
def report(
    context: typer.Context,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="MD", help="Markdown file to write, with a picture (PNG) beside it."),
    ] = None,
    protocol: Names = None,
    limit: Annotated[int, typer.Option(min=1, help="Number of pictures of each protocol.")] = 3,
    model: Model = "",
    bases: Bases = None,
    data: Data = None,
    threads: Threads = None,
) -> None:
    """Tell how far the bases overlap, and what each is worth.

    Cosines of their weight updates and of what they do to the same pictures; the dB that are lost where a basis is
    left out that a protocol's degradations ask for, or one put in that they do not. Without --protocol: the first
    protocol that has each degradation alone, and all that have several, where their sets are here.
    """
    import torch

    from restorekit.bench import bases as measuring
    from restorekit.bench.datasets import data_roots
    from restorekit.bench.errors import BenchError
    from restorekit.image import write_image
    from restorekit.plugin.catalog import build_catalog
    from restorekit.running.restorer import Restorer

    if threads is not None:
        torch.set_num_threads(threads)
    catalog = build_catalog(plugins_of(context)).of_model(model)
    known, datasets = brought(catalog)
    roots = data_roots(data)
    places = measuring.located_sets(datasets, roots)
    restorer = Restorer.from_pretrained(device="cpu", precision="fp32", catalog=catalog, bases=bases or ())
    warn(restorer.failures)
    loaded = restorer.catalog.bases
    treated = [loaded[name].degradation for name in restorer.bases if name in loaded]
    chosen = known.select(protocol) if protocol else measuring.telling_protocols(known.select(), places, treated)
    pictures: list[torch.Tensor] = []
    rows = []
    with patient_progress() as bar:
        task = bar.add_task("protocols", total=len(chosen), count="")
        for one in chosen:
            located = places[one.dataset]
            if located is None:
                raise BenchError(f"dataset {one.dataset} is not here; fetch it, or name its folder with --data")
            rows.append(measuring.worth_of(restorer, one, located, limit, roots, pictures.append))
            bar.update(task, advance=1, count=one.title)
    if not rows:
        warn(["no protocol's pictures are here: overlap of updates only; name their folder with --data"])
    updated = measuring.updates(restorer.mixer.bases)
    effected = measuring.effects(restorer, pictures)
    beside = "" if out is None else out.with_suffix(".png").name
    text = measuring.to_markdown(restorer, updated, effected, rows, limit, beside)
    if out is None:
        put_lines(text)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)
    write_image(out.with_suffix(".png"), measuring.drawn(restorer.bases, updated, effected, rows), overwrite=True)
    put(f"{out} and {out.with_suffix('.png')}")


def put_lines(text: str) -> None:
    """Write text of several lines to stdout."""
    for line in text.splitlines():
        put(line)
