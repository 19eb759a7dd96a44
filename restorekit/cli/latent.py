"""`restorekit train latent`: a small latent model from nothing."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from restorekit.cli.options import Decay, PhotosArgument, Rate, RunOptions, Seed, Share, takes_run_options
from restorekit.cli.runs import perform
from restorekit.cli.values import numbers, pairs

__all__ = ["LATENT", "latent"]

LATENT = "Example: restorekit train latent photos/ --minutes 60 --export my_plugin/weights"


@takes_run_options
def latent(
    *,
    photos: PhotosArgument,
    names: Annotated[str, typer.Option(help="Bases to train together.")] = "noise,lowres",
    share: Share = None,
    rank: Annotated[int, typer.Option(help="Rank of the bases.")] = 16,
    vae_share: Annotated[float, typer.Option(help="Share of the budget for the VAE.")] = 0.5,
    latent_channels: Annotated[int, typer.Option("--latent", help="Channels of the latents.")] = 16,
    channels: Annotated[str, typer.Option(help="Channels of the network per level.")] = "96,128",
    patch: Annotated[int, typer.Option(help="Side of a patch in px.")] = 64,
    learning_rate: Rate = 5e-4,
    decay: Decay = 0.5,
    seed: Seed = 4,
    run_options: RunOptions,
) -> None:
    """Train a small latent model from nothing: a VAE, then a network with bases on its latents.

    It is written as diffusers models and PEFT adapters, as `restorekit import-model` and `train basis` have them.
    """
    began = time.monotonic()
    from restorekit.training.runs import Settings

    given = {
        "names": tuple(names.split(",")),
        "shares": pairs(share or [], "--share"),
        "rank": rank,
        "vae_share": vae_share,
        "latent": latent_channels,
        "channels": numbers(channels, "--channels"),
        "patch": patch,
        "learning_rate": learning_rate,
        "decay": decay,
        "seed": seed,
    }
    perform(Settings("latent", tuple(map(str, photos)), **vars(run_options)), given, began)
