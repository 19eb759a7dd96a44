"""`restorekit train`: the trainings of backbone, encoder and bases, and the other commands of the group."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from restorekit.cli.basis import BASIS, basis
from restorekit.cli.burst import BURST, JOIN, PACK, burst, join, pack
from restorekit.cli.check import check
from restorekit.cli.latent import LATENT, latent
from restorekit.cli.openness import OPENNESS, openness
from restorekit.cli.options import (
    Decay,
    FromWeights,
    PhotosArgument,
    Precision,
    Rate,
    RunOptions,
    Seed,
    Share,
    Together,
    Weights,
    takes_run_options,
)
from restorekit.cli.recipe import NAME, RecipeGroup, recipe
from restorekit.cli.runs import train
from restorekit.cli.values import among, numbers, pairs, sets_of
from restorekit.errors import TrainingError

__all__ = ["app", "backbone", "detail", "encoder"]

FIRST_PARTY = "noise,blur,lowres,rain,jpeg"

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
@takes_run_options
def backbone(
    *,
    photos: PhotosArgument,
    from_weights: FromWeights = None,
    names: Annotated[str, typer.Option(help="Bases to train together.")] = FIRST_PARTY,
    only: Annotated[
        str, typer.Option(help="Bases that change, with --from-weights; backbone and the others do not.")
    ] = "",
    rank: Annotated[
        list[str] | None, typer.Option(help="Rank of a basis, as rain=12; as in --from-weights, else 32.")
    ] = None,
    share: Share = None,
    together: Together = None,
    blind_share: Annotated[
        float, typer.Option(help="Share of groups with the encoder's weights for them, with --from-weights.")
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
    optimiser: Annotated[str, typer.Option(help="Optimiser: muon or adamw.")] = "adamw",
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
    loss: Annotated[str, typer.Option(help="Loss: absolute or rms.")] = "absolute",
    weight_decay: Annotated[float, typer.Option(help="Weight decay of AdamW.")] = 0.02,
    precision: Precision = "auto",
    seed: Seed = 0,
    run_options: RunOptions,
) -> None:
    """Train backbone and bases together, selectively."""
    chosen = tuple(names.split(","))
    alone = tuple(only.split(",")) if only else ()
    if alone and not (from_weights and set(alone) <= set(chosen)):
        raise TrainingError(f"--only wants --from-weights and names among {', '.join(chosen)}, got {only!r}")
    given: dict[str, Any] = {
        "names": chosen,
        "ranks": pairs(rank or [], "--rank"),
        "shares": pairs(share or [], "--share"),
        "optimiser": optimiser,
        "learning_rate": learning_rate,
        "lora_learning_rate": lora_learning_rate,
        "patch": patch,
        "groups": groups,
        "group_size": group_size,
        "grey": grey,
        "loss": loss,
        "weight_decay": weight_decay,
        "precision": precision,
        "warm_up": warm_up,
        "decay": decay,
        "seed": seed,
        "only": alone,
        "blind_share": blind_share,
        "sets": tuple(sets_of(chosen, together or [])),
    }
    if channels:
        given["channels"] = numbers(channels, "--channels")
    if blocks:
        given["blocks"] = numbers(blocks, "--blocks")
    train("backbone", photos, run_options, given, from_weights=from_weights)


@app.command(epilog="Example: restorekit train encoder photos/ --weights weights --minutes 40 --export weights")
@takes_run_options
def encoder(
    *,
    photos: PhotosArgument,
    weights: Weights = None,
    names: Annotated[str, typer.Option(help="Bases whose keys are trained.")] = FIRST_PARTY,
    share: Share = None,
    learning_rate: Rate = 1e-3,
    from_weights: FromWeights = None,
    together: Together = None,
    restoration_share: Annotated[float, typer.Option(help="Share of the budget that also restores.")] = 0.35,
    calibration_share: Annotated[
        float, typer.Option(help="Share of the budget, at its end, that only calibrates the keys.")
    ] = 0.1,
    calibrate: Annotated[
        str,
        typer.Option(help="Numbers to calibrate: share of the second look, shift and slope of each key."),
    ] = "second,shift,steepness",
    precision: Precision = "auto",
    decay: Decay = 0.3,
    seed: Seed = 1,
    run_options: RunOptions,
) -> None:
    """Train the encoder with the keys and gauges of the first-party bases."""
    began = time.monotonic()  # before torch is imported, which takes seconds
    from restorekit.training.calibration import MOVED

    chosen = tuple(names.split(","))
    given = {
        "names": chosen,
        "shares": pairs(share or [], "--share"),
        "learning_rate": learning_rate,
        "restoration_share": restoration_share,
        "calibration_share": calibration_share,
        "calibrate": among(MOVED, calibrate, "--calibrate"),
        "sets": tuple(sets_of(chosen, together or [])),
        "precision": precision,
        "decay": decay,
        "seed": seed,
    }
    train("encoder", photos, run_options, given, weights=weights, from_weights=from_weights, began=began)


@app.command(epilog="Example: restorekit train detail photos/ --minutes 40 --export my_plugin/weights/detail")
@takes_run_options
def detail(
    *,
    photos: PhotosArgument,
    weights: Weights = None,
    names: Annotated[str, typer.Option(help="Bases beside which it is trained.")] = FIRST_PARTY,
    share: Share = None,
    rank: Annotated[int, typer.Option(help="Rank of the basis.")] = 16,
    learning_rate: Rate = 4e-4,
    pixels: Annotated[float, typer.Option(help="Weight of the mean absolute error.")] = 0.3,
    features: Annotated[float, typer.Option(help="Weight of the distance of the critic's features.")] = 0.05,
    critic: Annotated[float, typer.Option(help="Weight of the critic's judgement.")] = 0.01,
    decay: Decay = 0.5,
    precision: Precision = "auto",
    seed: Seed = 3,
    run_options: RunOptions,
) -> None:
    """Train a basis for natural sharpness beside a critic; everything else stays as it is."""
    given = {
        "names": tuple(names.split(",")),
        "shares": pairs(share or [], "--share"),
        "rank": rank,
        "learning_rate": learning_rate,
        "pixels": pixels,
        "features": features,
        "critic": critic,
        "decay": decay,
        "seed": seed,
        "precision": precision,
    }
    train("detail", photos, run_options, given, weights=weights)


app.command(epilog=LATENT)(latent)
app.command(epilog=BASIS)(basis)
app.command(epilog="Example: RESTOREKIT_WEIGHTS=runs/mine restorekit train check photos/ --size 0.4")(check)
app.command(epilog=OPENNESS)(openness)
app.command(epilog=PACK)(pack)
app.command(epilog=BURST)(burst)
app.command(epilog=JOIN)(join)
app.command(NAME, hidden=True, epilog="Example: restorekit train recipe noise.toml deadline=9m")(recipe)
