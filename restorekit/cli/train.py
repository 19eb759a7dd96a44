"""`restorekit train`: backbone with its bases, encoder; the commands of the group."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restorekit.cli.burst import BURST, JOIN, PACK, burst, join, pack
from restorekit.cli.check import check
from restorekit.cli.later import basis, detail
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
    Together,
    Weights,
)
from restorekit.cli.recipe import NAME, RecipeGroup, recipe
from restorekit.cli.training import (
    among,
    go,
    load_photos,
    make_budget,
    make_engine,
    numbers,
    pairs,
    ranks_of,
    sets_of,
    shape_of,
    shipped,
)
from restorekit.errors import TrainingError

app = typer.Typer(
    help="Train weights from a folder of clean photographs. Every training can be interrupted and resumed. "
    "A run can also be a file: restorekit train RECIPE.toml [KEY=VALUE]...",
    no_args_is_help=True,
    cls=RecipeGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(
    epilog="Example: restorekit train backbone photos/ --run runs/backbone --minutes 600 --export weights"
)
def backbone(
    photos: PhotosArgument,
    run: Run = Path("runs/backbone"),
    minutes: Minutes = None,
    iterations: Iterations = None,
    deadline: Deadline = None,
    export: Export = None,
    from_weights: Annotated[
        Path | None, typer.Option(help="Go on from saved weights alone, without a checkpoint.")
    ] = None,
    names: Annotated[str, typer.Option(help="Bases to train together.")] = "noise,blur,lowres,rain,jpeg",
    only: Annotated[
        str, typer.Option(help="With --from-weights: bases that change; backbone and the others do not.")
    ] = "",
    rank: Annotated[
        list[str] | None, typer.Option(help="Rank of a basis, as rain=12; as in --from-weights, else 32.")
    ] = None,
    share: Annotated[list[str] | None, typer.Option(help="How often a degradation comes, as noise=2.")] = None,
    together: Together = None,
    blind_share: Annotated[
        float, typer.Option(help="With --from-weights: share of groups with the encoder's weights for them.")
    ] = 0.0,
    channels: Annotated[
        str | None, typer.Option(help="Channels per level; as in --from-weights, else 64,128,192.")
    ] = None,
    blocks: Annotated[
        str | None,
        typer.Option(
            help="Residual blocks per level; as in --from-weights, else 3,1,1. "
            "Other numbers than saved: blocks come in without effect, or go."
        ),
    ] = None,
    optimiser: Annotated[str, typer.Option(help="muon or adamw.")] = "adamw",
    learning_rate: Rate = 4e-4,
    lora_learning_rate: Annotated[float, typer.Option(help="Full learning rate of the bases.")] = 8e-4,
    warm_up: Annotated[
        float, typer.Option(help="Share of the budget for a blind warm-up; 1: one blind network without bases.")
    ] = 0.0,
    decay: Decay = 0.75,
    patch: Annotated[int, typer.Option(help="Side of a patch in px.")] = 96,
    groups: Annotated[int, typer.Option(help="Weight vectors per step.")] = 4,
    group_size: Annotated[int, typer.Option(help="Patches per weight vector.")] = 4,
    grey: Annotated[float, typer.Option(help="Share of patches without colour.")] = 0.16,
    loss: Annotated[str, typer.Option(help="absolute or rms.")] = "absolute",
    weight_decay: Annotated[float, typer.Option(help="AdamW's.")] = 0.02,
    precision: Precision = "auto",
    device: Device = "auto",
    compile_blocks: Compile = "auto",
    threads: Threads = None,
    seed: Seed = 0,
    limit: Limit = None,
    checkpoint: Checkpoint = "all",
    checkpoint_minutes: CheckpointMinutes = 10,
) -> None:
    """Train backbone and bases together, selectively."""
    budget = make_budget(minutes, iterations, deadline, threads)
    engine = make_engine(device, compile_blocks, checkpoint)
    from restorekit.plugin.catalog import build_catalog, load_plugins
    from restorekit.training.backbone import Recipe
    from restorekit.training.start import per_name, start_backbone

    chosen = tuple(names.split(","))
    alone = tuple(only.split(",")) if only else ()
    if alone and not (from_weights and set(alone) <= set(chosen)):
        raise TrainingError(f"--only wants --from-weights and names among {', '.join(chosen)}, got {only!r}")
    shape = shape_of(from_weights)
    recipe = Recipe(
        names=chosen,
        ranks=tuple(
            int(r) for r in per_name(chosen, 32, ranks_of(chosen, from_weights) | pairs(rank or [], "--rank"))
        ),
        shares=per_name(chosen, 1.0, pairs(share or [], "--share")),
        channels=numbers(channels, "--channels") if channels else shape.channels,
        blocks=numbers(blocks, "--blocks") if blocks else shape.blocks,
        optimiser=optimiser,
        learning_rate=learning_rate,
        lora_learning_rate=lora_learning_rate,
        patch=patch,
        groups=groups,
        group_size=group_size,
        grey=grey,
        loss=loss,
        weight_decay=weight_decay,
        precision=precision,
        warm_up=warm_up,
        decay=decay,
        seed=seed,
        only=alone,
        blind_share=blind_share,
        sets=tuple(sets_of(chosen, together or [])),
    )
    loaded = load_photos(photos, limit, patch)
    training = start_backbone(recipe, build_catalog(load_plugins()), loaded, run, from_weights, engine)
    go(training, budget, run, export, checkpoint_minutes)


@app.command(epilog="Example: restorekit train encoder photos/ --weights weights --minutes 40 --export weights")
def encoder(
    photos: PhotosArgument,
    run: Run = Path("runs/encoder"),
    weights: Weights = None,
    minutes: Minutes = None,
    iterations: Iterations = None,
    deadline: Deadline = None,
    export: Export = None,
    names: Annotated[str, typer.Option(help="Bases whose keys are trained.")] = "noise,blur,lowres,rain,jpeg",
    share: Annotated[list[str] | None, typer.Option(help="How often a degradation comes, as noise=2.")] = None,
    learning_rate: Rate = 1e-3,
    from_weights: Annotated[
        Path | None, typer.Option(help="Go on from a saved encoder and saved keys, without a checkpoint.")
    ] = None,
    together: Together = None,
    restoration_share: Annotated[float, typer.Option(help="Share of the budget that also restores.")] = 0.35,
    calibration_share: Annotated[
        float, typer.Option(help="Share of the budget, at its end, that only calibrates the keys.")
    ] = 0.1,
    calibrate: Annotated[
        str, typer.Option(help="What it looks for: share of the second look, shift and slope of each key.")
    ] = "second,shift,steepness",
    precision: Precision = "auto",
    decay: Decay = 0.3,
    device: Device = "auto",
    compile_blocks: Compile = "auto",
    threads: Threads = None,
    seed: Seed = 1,
    limit: Limit = None,
    checkpoint: Checkpoint = "all",
    checkpoint_minutes: CheckpointMinutes = 10,
) -> None:
    """Train the encoder with the keys and gauges of the first-party bases."""
    budget = make_budget(minutes, iterations, deadline, threads)
    engine = make_engine(device, compile_blocks, checkpoint)
    from restorekit.plugin.catalog import build_catalog, load_plugins
    from restorekit.training.calibration import MOVED
    from restorekit.training.encoder import EncoderRecipe
    from restorekit.training.start import per_name, start_encoder

    chosen = tuple(names.split(","))
    recipe = EncoderRecipe(
        names=chosen,
        shares=per_name(chosen, 1.0, pairs(share or [], "--share")),
        learning_rate=learning_rate,
        restoration_share=restoration_share,
        calibration_share=calibration_share,
        calibrate=among(MOVED, calibrate, "--calibrate"),
        sets=tuple(sets_of(chosen, together or [])),
        precision=precision,
        decay=decay,
        seed=seed,
    )
    loaded = load_photos(photos, limit, recipe.picture)
    catalog = build_catalog(load_plugins())
    training = start_encoder(recipe, catalog, loaded, run, weights or shipped(), from_weights, engine)
    go(training, budget, run, export, checkpoint_minutes)


app.command(epilog="Example: restorekit train basis haze photos/ --minutes 30 --export my_plugin/weights/haze")(
    basis
)
app.command(epilog="Example: restorekit train detail photos/ --minutes 40 --export my_plugin/weights/detail")(
    detail
)
app.command(epilog="Example: RESTOREKIT_WEIGHTS=runs/mine restorekit train check photos/ --size 0.4")(check)
app.command(epilog=PACK)(pack)
app.command(epilog=BURST)(burst)
app.command(epilog=JOIN)(join)
app.command(NAME, hidden=True, epilog="Example: restorekit train recipe noise.toml deadline=9m")(recipe)
