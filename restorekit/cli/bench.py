"""`restorekit bench`: run protocols, list what can be run, make reports, compare runs, fetch data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restorekit.cli.bench_data import brought
from restorekit.cli.bench_progress import Progress
from restorekit.cli.options import Model
from restorekit.cli.terminal import patient_progress, plugins_of, put, put_json, put_table, warn

if TYPE_CHECKING:
    from restorekit.bench.datasets import Dataset
    from restorekit.bench.protocol import Protocol
    from restorekit.bench.report import Picture
    from restorekit.plugin.catalog import Catalog

__all__ = ["app"]

app = typer.Typer(
    help="Score restorers by published protocols, and report. Needs restorekit[bench]; peers restorekit[peers].",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RESULTS = Path("benchmarks/results")
REPORT = Path("benchmarks/report")
OWN = ("input", "restorekit", "restorekit-oracle", "restorekit-uniform", "restorekit-all")

Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of datasets; else RESTOREKIT_DATA, else the user's cache.")
]
Results = Annotated[Path, typer.Option("--results", help="Folder of result files.")]
Groups = Annotated[
    list[str] | None, typer.Option("--group", "-g", help="Group of protocols, a table of the report; repeatable.")
]
Names = Annotated[list[str] | None, typer.Option("--protocol", "-p", help="Protocol; repeatable.")]
Methods = Annotated[
    list[str] | None,
    typer.Option("--method", "-m", help="Method, such as bm3d, spandrel:PATH or restorekit@MODEL; repeatable."),
]


@app.command(epilog="Example: restorekit bench run --group spine --method restorekit --method input --limit 4")
def run(
    context: typer.Context,
    group: Groups = None,
    protocol: Names = None,
    method: Methods = None,
    model: Model = "",
    data: Data = None,
    results: Results = RESULTS,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            help="Metrics: auto, the protocol's; st-lpips, flip; pyiqa's names. With commas, or repeatable."
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=0, help="Number of pictures of each set, the first by name; 0 for all.")
    ] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Recompute what is recorded already.")] = False,
) -> None:
    """Score methods on protocols. A killed run goes on where it stopped when the command is given again."""
    from restorekit.bench import run as bench
    from restorekit.bench.datasets import data_roots
    from restorekit.bench.methods import with_model
    from restorekit.bench.scoring import RunOptions
    from restorekit.plugin.catalog import build_catalog
    from restorekit.plugin.loading import unusable_bases

    catalog = build_catalog(plugins_of(context))
    known, datasets = brought(catalog)
    warn(unusable_bases(catalog.of_model(model)))
    protocols = known.select(protocol or (), group or ())
    methods = [with_model(spec, model, catalog) for spec in method or OWN]
    names = tuple(n.strip() for given in metrics or ["auto"] for n in given.split(",") if n.strip())
    options = RunOptions(results, data_roots(data), names, limit, jobs, fresh)
    with Progress() as progress:
        pairs = bench.plan(protocols, methods, catalog, datasets, options, progress)
        bench.run(pairs, catalog, options, progress)
    if progress.any_failed:
        raise typer.Exit(1)


@app.command(name="list", epilog="Example: restorekit bench list --group sr --data ~/datasets")
def list_command(
    context: typer.Context,
    group: Groups = None,
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per protocol and method.")] = False,
) -> None:
    """List what can be run now, and what is missing: protocols with their sets, and methods."""
    from restorekit.bench.datasets import data_roots, locate
    from restorekit.bench.methods import missing
    from restorekit.plugin.catalog import build_catalog

    catalog, roots = build_catalog(plugins_of(context)), data_roots(data)
    protocols, datasets = brought(catalog)
    places = {name: locate(dataset, roots) for name, dataset in datasets.items()}
    lines = []
    for protocol in protocols.select((), group or ()):
        place = places[protocol.dataset]
        groups = ", ".join(g.name for g in protocols.groups.values() if protocol.name in g.protocols)
        state = "missing" if place is None else ("part" if place.partial else "whole")
        lines.append((protocol.name, groups, place.title if place else protocol.dataset, state))
    cards = []
    for card in catalog.methods.values():
        name = f"{card.name}:{card.takes}" if card.takes else card.name
        owner = catalog.owners[f"method {card.name}"]
        cards.append((name, card.summary, card.oracle, card.licence, owner, missing(card) or "ready"))
    if as_json:
        for line in lines:
            put_json({"protocol": line[0], "groups": line[1], "dataset": line[2], "data": line[3]})
        for entry in cards:
            keys = ("method", "summary", "told", "licence", "plugin", "state")
            put_json(dict(zip(keys, entry, strict=True)))
        return
    put_table(("protocol", "groups", "dataset", "data"), lines, "Protocols")
    put_table(("method", "what", "told", "licence", "plugin", "state"), cards, "Methods")
    absent = sorted({p.dataset for p in protocols.select((), group or ()) if places[p.dataset] is None})
    if absent:
        put(f"missing sets: {', '.join(absent)}; `restorekit bench download NAME` fetches or says where they are")


@app.command(epilog="Example: restorekit bench report --group composites -o benchmarks/report")
def report(
    context: typer.Context,
    group: Groups = None,
    results: Results = RESULTS,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the report.")] = REPORT,
    figures: Annotated[bool, typer.Option(help="Plots; they need matplotlib.")] = True,
    strips: Annotated[
        int, typer.Option(min=0, help="Number of picture strips per protocol of the groups; mind the sets' terms.")
    ] = 0,
    method: Methods = None,
    data: Data = None,
) -> None:
    """Write tables, plots and picture strips of recorded results, as Markdown and HTML."""
    from restorekit.bench.records import read_results
    from restorekit.bench.report import build, write_report
    from restorekit.plugin.catalog import build_catalog

    catalog, found = build_catalog(plugins_of(context)), read_results(results)
    protocols, datasets = brought(catalog)
    pictures = {}
    if figures:
        from restorekit.bench.figures import draw_figures

        pictures = draw_figures(protocols, found, output)
    if strips:
        ran = {r.protocol for r in found}
        for name in group or [g.name for g in protocols.groups.values() if ran & set(g.protocols)]:
            chosen = protocols.select((), (name,))
            drawn = draw_strips(catalog, datasets, chosen, method or OWN[1:3], strips, data, output)
            pictures[name] = [*pictures.get(name, []), *drawn]
    for path in write_report(build(protocols, found, group or (), pictures), output):
        put(str(path))


def draw_strips(
    catalog: Catalog,
    datasets: Mapping[str, Dataset],
    protocols: Sequence[Protocol],
    methods: Sequence[str],
    count: int,
    data: Path | None,
    output: Path,
) -> list[Picture]:
    """The first pictures of every protocol whose set is here."""
    from restorekit.bench.datasets import data_roots, locate
    from restorekit.bench.strips import draw_strip

    roots, drawn = data_roots(data), []
    for protocol in protocols:
        located = locate(datasets[protocol.dataset], roots)
        if located is None or protocol.identify:
            continue
        for index in range(min(count, len(located.sources))):
            drawn.append(draw_strip(protocol, located, index, methods, catalog, roots, output))
    return drawn


@app.command(epilog="Example: restorekit bench sheet --group real -o real.jpg")
def sheet(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="Picture to write.")],
    group: Groups = None,
    protocol: Names = None,
    method: Methods = None,
    columns: Annotated[int, typer.Option(min=1, help="Number of pictures side by side.")] = 3,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Overwrite the picture if it exists.")] = False,
    data: Data = None,
) -> None:
    """Write a contact sheet: a crop of every picture, before and after, to look at. Mind the sets' terms."""
    from restorekit.bench.datasets import data_roots, locate
    from restorekit.bench.errors import BenchError
    from restorekit.bench.sheet import arrange, cells
    from restorekit.files import check_output
    from restorekit.image import write_image
    from restorekit.plugin.catalog import build_catalog

    check_output(output, overwrite=overwrite)
    catalog, roots = build_catalog(plugins_of(context)), data_roots(data)
    protocols, datasets = brought(catalog)
    groups = group or ([] if protocol else ["real"])
    found = [(p, locate(datasets[p.dataset], roots)) for p in protocols.select(protocol or (), groups)]
    here = [(p, at) for p, at in found if at is not None and not p.identify]
    if not here:
        raise BenchError("none of the sets is here; `restorekit bench list` says what is missing")
    pictures = []
    with patient_progress() as bar:
        task = bar.add_task("restoring", total=sum(len(at.sources) for _, at in here), count="")
        for each, located in here:
            for cell in cells(each, located, method or OWN[1:2], catalog, roots):
                pictures.append(cell)
                bar.advance(task)
    write_image(output, arrange(pictures, columns), overwrite=overwrite)
    put(str(output))


@app.command(epilog="Example: restorekit bench compare results-old results-new --over 0.05")
def compare(
    before: Annotated[
        Path, typer.Argument(metavar="A", help="Folder of results, or one result file, of the first run.")
    ],
    after: Annotated[
        Path, typer.Argument(metavar="B", help="Folder of results, or one result file, of the second run.")
    ],
    over: Annotated[float, typer.Option(help="Smallest change that is listed.")] = 0.1,
    top: Annotated[int, typer.Option(min=0, help="Largest number of pictures listed per comparison.")] = 10,
) -> None:
    """List the pictures that changed between two runs, and by how much (B less A)."""
    from restorekit.bench.comparison import compare_results
    from restorekit.bench.records import read_results

    for found in compare_results(read_results(before), read_results(after)):
        names = found.before if found.before == found.after else f"{found.before} -> {found.after}"
        changed = found.beyond(over)
        put(
            f"{found.protocol}  {names}  {found.key}  mean {found.mean:+.4f}, "
            f"{len(changed)} of {len(found.changes)} pictures by more than {over:g}"
        )
        for change in changed[:top]:
            put(f"    {change.image}  {change.before:.4f} -> {change.after:.4f}  {change.difference:+.4f}")


@app.command(epilog="Example: restorekit bench download Set14")
def download(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Dataset, or metric of pyiqa whose weights are missing.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder to put it into; else the user's cache.")
    ] = None,
) -> None:
    """Fetch a dataset that has a direct public address, or say where to get it; or a metric's weights."""
    from restorekit.bench.datasets import cache_folder
    from restorekit.bench.download import download as fetch
    from restorekit.plugin.catalog import build_catalog

    _, datasets = brought(build_catalog(plugins_of(context)))
    if name in datasets:
        put(str(fetch(datasets[name], data or cache_folder())))
        return
    from restorekit.bench.metrics import download_metric

    download_metric(name)
    put(f"metric {name} is ready")
