"""`restorekit train basis` and `detail`: bases on finished weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restorekit.cli.options import (
    Checkpoint,
    CheckpointMinutes,
    Compile,
    Deadline,
    Decay,
    Device,
    Export,
    Iterations,
    Limit,
    Minutes,
    PhotosArgument,
    Precision,
    Rate,
    Run,
    Seed,
    Threads,
    Weights,
)
from restorekit.cli.terminal import tell, warn
from restorekit.cli.training import about_key, go, load_photos, make_budget, make_engine, pairs, shipped


def basis(
    name: Annotated[str, typer.Argument(help="A degradation that some plugin registers.")],
    photos: PhotosArgument,
    run: Annotated[
        Path | None, typer.Option("--run", help="Folder for checkpoints and logs; runs/NAME by default.")
    ] = None,
    weights: Weights = None,
    minutes: Minutes = None,
    iterations: Iterations = None,
    deadline: Deadline = None,
    export: Export = None,
    rank: Annotated[int, typer.Option(help="Rank of the basis.")] = 8,
    patch: Annotated[int, typer.Option(help="Side of a patch in px; haze and darkness want 128.")] = 96,
    learning_rate: Rate = 1e-3,
    decay: Decay = 0.3,
    looks: Annotated[
        int, typer.Option(help="Pictures that its key is fitted to, and as many to judge it.")
    ] = 1200,
    device: Device = "auto",
    compile_blocks: Compile = "auto",
    threads: Threads = None,
    seed: Seed = 2,
    limit: Limit = None,
    checkpoint: Checkpoint = "all",
    checkpoint_minutes: CheckpointMinutes = 10,
) -> None:
    """Train one more basis; backbone, encoder and the other bases stay as they are.

    With --export its key is fitted at the end, which takes a few minutes. A key that finds too few of the pictures
    with the degradation, where at most 1 % of the others may be touched, is left out: the basis is then used with
    `--set NAME=1` only.
    """
    budget = make_budget(minutes, iterations, deadline, threads)
    engine = make_engine(device, compile_blocks, checkpoint)
    from restorekit.plugin.catalog import build_catalog, load_plugins
    from restorekit.training.basis import BasisRecipe
    from restorekit.training.start import start_basis

    recipe = BasisRecipe(
        names=(name,), rank=rank, patch=patch, learning_rate=learning_rate, decay=decay, looks=looks, seed=seed
    )
    catalog = build_catalog(load_plugins())
    catalog.degradation(name)
    loaded = load_photos(photos, limit, recipe.picture)
    folder = run or Path("runs") / name
    training = start_basis(name, recipe, catalog, loaded, folder, weights or shipped(), engine)
    warn((*catalog.failures, *training.failures))
    go(training, budget, folder, export, checkpoint_minutes)
    if export is not None:
        tell(about_key(export, name))


def detail(
    photos: PhotosArgument,
    run: Run = Path("runs/detail"),
    weights: Weights = None,
    minutes: Minutes = None,
    iterations: Iterations = None,
    deadline: Deadline = None,
    export: Export = None,
    names: Annotated[str, typer.Option(help="Bases beside which it is trained.")] = "noise,blur,lowres,rain,jpeg",
    share: Annotated[list[str] | None, typer.Option(help="How often a degradation comes, as noise=2.")] = None,
    rank: Annotated[int, typer.Option(help="Rank of the basis.")] = 16,
    learning_rate: Rate = 4e-4,
    pixels: Annotated[float, typer.Option(help="Weight of the mean absolute error.")] = 0.3,
    features: Annotated[float, typer.Option(help="Weight of the distance of the critic's features.")] = 0.05,
    critic: Annotated[float, typer.Option(help="Weight of the critic's judgement.")] = 0.01,
    decay: Decay = 0.5,
    precision: Precision = "auto",
    device: Device = "auto",
    compile_blocks: Compile = "auto",
    threads: Threads = None,
    seed: Seed = 3,
    limit: Limit = None,
    checkpoint: Checkpoint = "all",
    checkpoint_minutes: CheckpointMinutes = 10,
) -> None:
    """Train a basis for natural sharpness beside a critic; everything else stays as it is."""
    budget = make_budget(minutes, iterations, deadline, threads)
    engine = make_engine(device, compile_blocks, checkpoint)
    from restorekit.plugin.catalog import build_catalog, load_plugins
    from restorekit.training.detail import DetailRecipe
    from restorekit.training.start import per_name, start_detail

    chosen = tuple(names.split(","))
    recipe = DetailRecipe(
        name="detail",
        names=chosen,
        shares=per_name(chosen, 1.0, pairs(share or [], "--share")),
        rank=rank,
        learning_rate=learning_rate,
        pixels=pixels,
        features=features,
        critic=critic,
        decay=decay,
        seed=seed,
        precision=precision,
    )
    loaded = load_photos(photos, limit, recipe.patch)
    training = start_detail(recipe, build_catalog(load_plugins()), loaded, run, weights or shipped(), engine)
    go(training, budget, run, export, checkpoint_minutes)
