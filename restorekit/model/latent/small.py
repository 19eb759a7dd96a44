"""A small latent model to train from nothing: a VAE and a UNet of a few million parameters, no attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from restorekit.model.latent.backbone import LatentBackbone, family_of
from restorekit.model.latent.config import LatentConfig
from restorekit.model.latent.door import library
from restorekit.model.latent.family import EMBEDS
from restorekit.model.latent.predictor import LatentPredictor

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["scheduler_of", "small_backbone"]

GROUPS = 8  # of the normalisation
SILENT = 8  # width of a prompt that nothing reads


def small_backbone(
    vae_channels: Sequence[int], latent: int, channels: Sequence[int], blocks: int
) -> LatentBackbone:
    """Make a latent backbone with first weights, drawn from torch's own generator; the network's head is zero.

    vae_channels: per level; pictures are reduced by 2 between two.
    latent: channels of the latents.
    channels: of the network, per level.
    blocks: residual blocks of the network per level.
    """
    import torch

    diffusers = library()
    vae = diffusers.AutoencoderKL(
        block_out_channels=tuple(vae_channels),
        down_block_types=("DownEncoderBlock2D",) * len(vae_channels),
        up_block_types=("UpDecoderBlock2D",) * len(vae_channels),
        latent_channels=latent,
        norm_num_groups=GROUPS,
        mid_block_add_attention=False,
    )
    network = diffusers.UNet2DConditionModel(
        in_channels=latent,
        out_channels=latent,
        block_out_channels=tuple(channels),
        down_block_types=("DownBlock2D",) * len(channels),
        mid_block_type="UNetMidBlock2D",
        up_block_types=("UpBlock2D",) * len(channels),
        layers_per_block=blocks,
        norm_num_groups=GROUPS,
        cross_attention_dim=SILENT,
    )
    config = LatentConfig("unet", prediction="flow", time=1000.0, colour="off", tile=512, overlap=64)
    family = family_of(config)
    config = LatentConfig(**{**vars(config), "head": family.head})
    for parameter in network.get_submodule(family.head).parameters():
        parameter.data.zero_()
        parameter.requires_grad_(False)
    prompt: dict[str, Tensor] = {EMBEDS: torch.zeros(1, 1, SILENT)}
    return LatentBackbone(LatentPredictor(network, vae, family, config, prompt, torch.empty(0)))


def scheduler_of() -> Any:
    """The scheduler that goes with it on disk: rectified flow."""
    return library().FlowMatchEulerDiscreteScheduler()
