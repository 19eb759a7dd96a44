"""Recipes: all choices of a training, written into its checkpoints and its model card.

A run as a file (`restorekit.training.runs`) and the commands have a key or an option for each field.
"""

from __future__ import annotations

from dataclasses import dataclass

from restorekit.model.backbone.flow_unet import FlowUnetConfig
from restorekit.training.calibration import MOVED
from restorekit.training.photos import GREY

__all__ = ["BackboneRecipe", "BasisRecipe", "DetailRecipe", "EncoderRecipe", "LatentRecipe", "LookRecipe"]


@dataclass(frozen=True)
class BackboneRecipe:
    """Choices of the training of backbone and bases.

    names: of the bases.
    ranks, shares: per basis, in the order of `names`: rank, and how often it is drawn.
    channels, blocks: shape of the backbone.
    optimiser: "adamw" or "muon".
    learning_rate, lora_learning_rate: of the backbone and of the bases.
    patch: side of a patch, px.
    groups, group_size: groups of a step, and patches of a group.
    path_share: share of patches at t < 1.
    grey: share of patches without colour.
    loss: "absolute" (mean absolute error), "rms" (root of the group's mean squared error: led by edges and
        texture, as PSNR is) or "log" (logarithm of each patch's mean squared error, as PSNR itself is: faint
        degradations count as much as strong ones).
    weight_decay: of the optimiser.
    warm_up: share of the budget after which the joint stage begins.
    decay: share of the budget over which the rates fall.
    seed: of all that is drawn.
    only: bases that change; W and the others do not. None named: everything changes.
    blind_share: share of groups with the encoder's weights, see `restorekit.training.blind`.
    sets, shots, shots_beside, frames: see `restorekit.training.pairs.PairMaker`.
    precision: of the convolutions' inputs while training, as in `restorekit.running.device`; weights, optimiser
        and validation stay in fp32.
    """

    names: tuple[str, ...]
    ranks: tuple[int, ...]
    shares: tuple[float, ...]
    channels: tuple[int, ...] = FlowUnetConfig().channels
    blocks: tuple[int, ...] = FlowUnetConfig().blocks
    optimiser: str = "adamw"
    learning_rate: float = 4e-4
    lora_learning_rate: float = 8e-4
    patch: int = 96
    groups: int = 4
    group_size: int = 4
    path_share: float = 0.1
    grey: float = GREY
    loss: str = "absolute"
    weight_decay: float = 0.02
    warm_up: float = 0.0
    decay: float = 0.75
    seed: int = 0
    only: tuple[str, ...] = ()
    blind_share: float = 0.0
    sets: tuple[tuple[str, float], ...] = ()
    shots: float = 0.0
    shots_beside: float = 0.0
    frames: float = 0.0
    precision: str = "auto"


@dataclass(frozen=True)
class EncoderRecipe:
    """Choices of the training of the encoder with its keys and gauges.

    names: of the bases.
    shares: how often each is drawn.
    learning_rate: of encoder and keys.
    picture: side of a training picture, px.
    crops: number of them that are looked at in a picture, as in use.
    groups, group_size: groups of a step, and pictures of a group.
    patch: side of the one patch of each group that is restored in the second stage, px.
    evidence, restoration: weights of these losses.
    kept: pictures whose features are remembered.
    rehearsed: pictures of them that are read out again each step.
    restoration_share, calibration_share: of the budget, one after the other at its end.
    calibrate: numbers of each key that the calibration looks for.
    decay: share of the budget over which the rate falls.
    seed: of all that is drawn.
    sets: see `restorekit.training.pairs.PairMaker`.
    precision: of the convolutions' inputs, as in `restorekit.running.device`.
    lessons: new kinds, like "noise:camera", for an encoder that is to go on saying the same of all others
        (`restorekit.training.teacher`); its keys stay as they are.
    lesson_share: of all draws.
    """

    names: tuple[str, ...]
    shares: tuple[float, ...]
    learning_rate: float = 1e-3
    picture: int = 256
    crops: int = 9
    groups: int = 6
    group_size: int = 1
    patch: int = 64
    evidence: float = 1.0
    restoration: float = 20.0
    kept: int = 4096
    rehearsed: int = 192
    restoration_share: float = 0.35
    calibration_share: float = 0.1
    calibrate: tuple[str, ...] = MOVED
    decay: float = 0.3
    seed: int = 1
    sets: tuple[tuple[str, float], ...] = ()
    precision: str = "auto"
    lessons: tuple[str, ...] = ()
    lesson_share: float = 0.4


@dataclass(frozen=True)
class BasisRecipe:
    """Choices of the training of one later basis.

    names: the new basis first, then the others.
    rank: of the new basis.
    patch: side of a patch, px; degradations that need a view of the scene, like haze, want it larger.
    groups, group_size: groups of a step, and patches of a group.
    inlet: whether the basis also changes the context inlet.
    apart: whether it is to have a pass of its own in use, after the bases beside it (`restorekit.running.turns`).
    learning_rate: of the basis.
    picture: side of a held-out picture, px.
    looks: pictures, with and without the degradation, that key and gauge are fitted to, and as many that their
        bias is set on.
    alarms: share of the pictures without the degradation that its key may touch.
    decay: share of the budget over which the rate falls.
    seed: of all that is drawn.
    precision: of the convolutions' inputs, as in `restorekit.running.device`.
    """

    names: tuple[str, ...]
    rank: int = 8
    patch: int = 96
    groups: int = 4
    group_size: int = 2
    inlet: bool = True
    apart: bool = False
    learning_rate: float = 1e-3
    picture: int = 192
    looks: int = 1200
    alarms: float = 0.01
    decay: float = 0.3
    seed: int = 2
    precision: str = "auto"


@dataclass(frozen=True)
class DetailRecipe:
    """Choices of the training of a basis for natural sharpness.

    name: of the basis.
    names: the other bases, whose degradations are drawn.
    shares: how often each is drawn.
    rank: of the basis.
    patch: side of a patch, px.
    groups, group_size: groups of a step, and patches of a group.
    learning_rate, critic_learning_rate: of the basis and of its critic.
    pixels, coarse, features, critic: weights of the four losses: mean absolute error, the same of means over 4x4
        px, distance of the critic's features, the critic's judgement.
    decay: share of the budget over which the rates fall.
    seed: of all that is drawn.
    precision: of the convolutions' inputs, as in `restorekit.running.device`.
    """

    name: str
    names: tuple[str, ...]
    shares: tuple[float, ...]
    rank: int = 16
    patch: int = 64
    groups: int = 1
    group_size: int = 8
    learning_rate: float = 4e-4
    critic_learning_rate: float = 2e-4
    pixels: float = 0.3
    coarse: float = 1.0
    features: float = 0.05
    critic: float = 0.01
    decay: float = 0.5
    seed: int = 3
    precision: str = "auto"


@dataclass(frozen=True)
class LatentRecipe:
    """Choices of the training of a small latent model.

    names: of the bases.
    shares: how often each is drawn.
    rank: of the bases.
    vae_channels: of the VAE per level; pictures are reduced by 2 between two levels.
    latent: channels of the latents.
    channels, blocks: of the network, channels per level and residual blocks of each.
    vae_share: share of the budget for the VAE.
    kl: weight of its divergence from a normal distribution, per value of a picture.
    learning_rate, lora_learning_rate: of VAE and network, and of the bases.
    patch: side of a patch, px.
    groups, group_size: groups of a step, and patches of a group.
    path_share: share of patches at t < 1.
    weight_decay: of the optimiser.
    decay: share of each stage over which the rates fall.
    seed: of all that is drawn.
    """

    names: tuple[str, ...] = ("noise", "lowres")
    shares: tuple[float, ...] = (1.0, 1.0)
    rank: int = 16
    vae_channels: tuple[int, ...] = (16, 32, 64)
    latent: int = 16
    channels: tuple[int, ...] = (96, 128)
    blocks: int = 2
    vae_share: float = 0.5
    kl: float = 1e-5
    learning_rate: float = 5e-4
    lora_learning_rate: float = 1e-3
    patch: int = 64
    groups: int = 4
    group_size: int = 2
    path_share: float = 0.1
    weight_decay: float = 0.01
    decay: float = 0.5
    seed: int = 4


@dataclass(frozen=True)
class LookRecipe:
    """Choices of the training of a look, a flow from the others' restoration.

    name: of the basis.
    names: the other bases, whose degradations are drawn.
    shares: how often each is drawn.
    rank: of the basis.
    sigma: deviation of the noise that the flow begins with, of a range of 1.
    patch: side of a patch, px.
    groups, group_size: groups of a step, and patches of a group.
    learning_rate: of the basis.
    decay: share of the budget over which the rate falls.
    seed: of all that is drawn.
    precision: of the convolutions' inputs, as in `restorekit.running.device`.
    """

    name: str
    names: tuple[str, ...]
    shares: tuple[float, ...]
    rank: int = 64
    sigma: float = 0.05
    patch: int = 64
    groups: int = 2
    group_size: int = 8
    learning_rate: float = 1e-3
    decay: float = 0.7
    seed: int = 5
    precision: str = "auto"
