"""`restorekit train`: backbone with its bases, encoder, one later basis."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restorekit.cli.check import check
from restorekit.cli.terminal import tell, warn
from restorekit.cli.training import (
    about_key,
    among,
    go,
    load_photos,
    make_budget,
    numbers,
    pairs,
    ranks_of,
    sets_of,
    shape_of,
    shipped,
)
from restorekit.errors import TrainingError

app = typer.Typer(
    help="Train weights from a folder of clean photographs. Every training can be interrupted and resumed.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

PhotosArgument = Annotated[list[Path], typer.Argument(help="Folders of clean photographs, searched recursively.")]
Run = Annotated[Path, typer.Option("--run", help="Folder for checkpoints and logs; resumed if it has one.")]
Minutes = Annotated[float | None, typer.Option(help="Training time in all, earlier slices included.")]
Iterations = Annotated[int | None, typer.Option(help="Iterations in all, instead of --minutes.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads; by default all.")]
Seed = Annotated[int, typer.Option(help="Seed of weights, patches and degradations.")]
Limit = Annotated[int | None, typer.Option(help="Read at most so many photographs.")]
CheckpointMinutes = Annotated[float, typer.Option(help="Minutes between checkpoints.")]
Export = Annotated[
    Path | None, typer.Option("--export", help="Folder for the finished weights, laid out as weights/ is.")
]
Weights = Annotated[
    Path | None, typer.Option("--weights", help="Weights to start from; by default the shipped ones.")
]
Rate = Annotated[float, typer.Option("--learning-rate", help="Full learning rate.")]
Precision = Annotated[str, typer.Option(help="auto, fp32 or bf16: of the convolutions.")]
Together = Annotated[
    list[str] | None,
    typer.Option(
        help="A set's share of all draws beside the others, as rain+noise=0.2; rain/noise: remove the rain alone."
    ),
]
Decay = Annotated[float, typer.Option(help="Share of the budget over which the learning rate falls to zero.")]


@app.command(
    epilog="Example: restorekit train backbone photos/ --run runs/backbone --minutes 600 --export weights"
)
def backbone(
    photos: PhotosArgument,
    run: Run = Path("runs/backbone"),
    minutes: Minutes = None,
    iterations: Iterations = None,
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
    threads: Threads = None,
    seed: Seed = 0,
    limit: Limit = None,
    checkpoint_minutes: CheckpointMinutes = 10,
) -> None:
    """Train backbone and bases together, selectively."""
    budget = make_budget(minutes, iterations, threads)
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
    training = start_backbone(recipe, build_catalog(load_plugins()), loaded, run, from_weights)
    go(training, budget, run, export, checkpoint_minutes)


@app.command(epilog="Example: restorekit train encoder photos/ --weights weights --minutes 40 --export weights")
def encoder(
    photos: PhotosArgument,
    run: Run = Path("runs/encoder"),
    weights: Weights = None,
    minutes: Minutes = None,
    iterations: Iterations = None,
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
    threads: Threads = None,
    seed: Seed = 1,
    limit: Limit = None,
    checkpoint_minutes: CheckpointMinutes = 10,
) -> None:
    """Train the encoder with the keys and gauges of the first-party bases."""
    budget = make_budget(minutes, iterations, threads)
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
    training = start_encoder(recipe, catalog, loaded, run, weights or shipped(), from_weights)
    go(training, budget, run, export, checkpoint_minutes)


@app.command(epilog="Example: restorekit train basis haze photos/ --minutes 30 --export my_plugin/weights/haze")
def basis(
    name: Annotated[str, typer.Argument(help="A degradation that some plugin registers.")],
    photos: PhotosArgument,
    run: Annotated[
        Path | None, typer.Option("--run", help="Folder for checkpoints and logs; runs/NAME by default.")
    ] = None,
    weights: Weights = None,
    minutes: Minutes = None,
    iterations: Iterations = None,
    export: Export = None,
    rank: Annotated[int, typer.Option(help="Rank of the basis.")] = 8,
    patch: Annotated[int, typer.Option(help="Side of a patch in px; haze and darkness want 128.")] = 96,
    learning_rate: Rate = 1e-3,
    decay: Decay = 0.3,
    looks: Annotated[
        int, typer.Option(help="Pictures that its key is fitted to, and as many to judge it.")
    ] = 1200,
    threads: Threads = None,
    seed: Seed = 2,
    limit: Limit = None,
    checkpoint_minutes: CheckpointMinutes = 10,
) -> None:
    """Train one more basis; backbone, encoder and the other bases stay as they are.

    With --export its key is fitted at the end, which takes a few minutes. A key that finds too few of the pictures
    with the degradation, where at most 1 % of the others may be touched, is left out: the basis is then used with
    `--set NAME=1` only.
    """
    budget = make_budget(minutes, iterations, threads)
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
    training = start_basis(name, recipe, catalog, loaded, folder, weights or shipped())
    warn((*catalog.failures, *training.failures))
    go(training, budget, folder, export, checkpoint_minutes)
    if export is not None:
        tell(about_key(export, name))


@app.command(epilog="Example: restorekit train detail photos/ --minutes 40 --export my_plugin/weights/detail")
def detail(
    photos: PhotosArgument,
    run: Run = Path("runs/detail"),
    weights: Weights = None,
    minutes: Minutes = None,
    iterations: Iterations = None,
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
    threads: Threads = None,
    seed: Seed = 3,
    limit: Limit = None,
    checkpoint_minutes: CheckpointMinutes = 10,
) -> None:
    """Train a basis for natural sharpness beside a critic; everything else stays as it is."""
    budget = make_budget(minutes, iterations, threads)
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
    training = start_detail(recipe, build_catalog(load_plugins()), loaded, run, weights or shipped())
    go(training, budget, run, export, checkpoint_minutes)


app.command(epilog="Example: RESTOREKIT_WEIGHTS=runs/mine restorekit train check photos/ --size 0.4")(check)
