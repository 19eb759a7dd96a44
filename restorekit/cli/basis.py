"""`restorekit train basis`: one more basis, from photographs or from pairs, or an old one for new weights."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from restorekit.cli.options import Decay, Model, Precision, Rate, RunOptions, Seed, Weights, takes_run_options
from restorekit.cli.runs import perform, train
from restorekit.errors import TrainingError

__all__ = ["BASIS", "basis"]

BASIS = """Examples:

restorekit train basis haze photos/ --minutes 30 --export my_plugin/weights/haze

restorekit train basis moire --pairs moire/ clean/ --minutes 30 --export my_plugin/weights/moire

restorekit train basis --again my_plugin/weights/haze --model portrait"""


@takes_run_options
def basis(
    *,
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="A degradation that some plugin registers; left out with --again.")
    ] = None,
    photos: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders of clean photographs, searched recursively; beside --pairs only for the key of a basis "
            "whose pictures its plugin prepares."
        ),
    ] = None,
    pairs: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="INPUT TARGET",
            help="Folders of photographs with and without the degradation, of equal names and sizes.",
        ),
    ] = None,
    again: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Basis to train once more, for a model whose weights changed, by the recipe in its folder.",
        ),
    ] = None,
    weights: Weights = None,
    model: Model = "",
    rank: Annotated[int, typer.Option(help="Rank of the basis.")] = 8,
    patch: Annotated[int, typer.Option(help="Side of a patch in px; haze and darkness want 128.")] = 96,
    apart: Annotated[
        bool, typer.Option("--apart", help="Let it have a pass of its own in use, after the bases beside it.")
    ] = False,
    learning_rate: Rate = 1e-3,
    decay: Decay = 0.3,
    looks: Annotated[
        int, typer.Option(help="Pictures that its key is fitted to, and as many to judge it.")
    ] = 1200,
    alarms: Annotated[
        float,
        typer.Option(
            min=0.001,
            max=0.5,
            help="Share of the pictures without the degradation that its key may touch; more where the plugin "
            "looks at them once more before it does anything.",
        ),
    ] = 0.01,
    precision: Precision = "auto",
    seed: Seed = 2,
    run_options: RunOptions,
) -> None:
    """Train one more basis; backbone, encoder and the other bases stay as they are.

    With --export its key is fitted at the end, which takes a few minutes, and a recipe and a model card are
    written beside it. A key that finds too few of the pictures with the degradation, where at most 1 % of the
    others may be touched, is left out: the basis is then used with `--set NAME=1` only.

    A degradation that cannot be made is learnt from --pairs. With --again the recipe beside a basis is run once
    more for another model, from the old basis where it fits, into a new folder beside the old one.

    A basis that changes the light of the whole picture, as haze and darkness do, is better --apart: beside others
    the picture goes through the network twice.
    """
    began = time.monotonic()
    given = {
        "rank": rank,
        "patch": patch,
        "apart": apart,
        "learning_rate": learning_rate,
        "decay": decay,
        "looks": looks,
        "alarms": alarms,
        "precision": precision,
        "seed": seed,
    }
    if again is not None:
        chosen = {key for key in context.params if is_given(context, key)}
        settings: dict[str, Any] = {"weights": weights and str(weights), "model": model}
        settings |= {"pairs": tuple(map(str, pairs or ()))} | vars(run_options)
        folders = [*([name] if name is not None else []), *map(str, photos or [])]
        once_more(again, pick(settings, chosen), pick(given, chosen), folders, began)
        return
    if name is None:
        raise TrainingError("name the degradation to train a basis for, or --again with the folder of a basis")
    train(
        "basis",
        photos or [],
        run_options,
        {"names": (name,), **given},
        weights=weights,
        model=model,
        pairs=pairs or (),
        began=began,
    )


def is_given(context: typer.Context, key: str) -> bool:
    """Tell whether the user gave an option rather than left it at its default."""
    source = context.get_parameter_source(key)
    return source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")


def pick(values: dict[str, Any], chosen: set[str]) -> dict[str, Any]:
    """Those of the values that were chosen."""
    return {key: value for key, value in values.items() if key in chosen}


def once_more(
    folder: Path, changes: dict[str, Any], given: dict[str, Any], photos: list[str], began: float
) -> None:
    """Run the recipe in a basis's folder again; see `restorekit.training.again`."""
    from restorekit.plugin.catalog import build_catalog, load_plugins
    from restorekit.training import again

    settings, fields = again.once_more(folder, build_catalog(load_plugins()), changes, given, photos)
    perform(settings, fields, began)
