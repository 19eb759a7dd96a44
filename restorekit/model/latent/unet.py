"""UNet2DConditionModel: Stable Diffusion 1.5, 2.1 and Turbo; SDXL with a pooled prompt and sizes beside it.

Latent diffusion: Rombach et al., 2022, https://arxiv.org/abs/2112.10752
SDXL: Podell et al., 2023, https://arxiv.org/abs/2307.01952
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from restorekit.model.latent.family import EMBEDS, IDS, POOLED

__all__ = ["UnetFamily"]

SIZES = 6  # of time_ids: original size, corner of the crop, target size


class UnetFamily:
    """Fulfils `restorekit.model.latent.family.Family`."""

    kind = "UNet2DConditionModel"
    head = "conv_out"

    def channels(self, network: Any) -> int:
        return int(network.config.in_channels)

    def multiple(self, network: Any) -> int:
        return int(2 ** (len(network.config.block_out_channels) - 1))

    def prompt_shapes(self, network: Any) -> dict[str, tuple[int, ...]]:
        width = network.config.cross_attention_dim
        shapes: dict[str, tuple[int, ...]] = {EMBEDS: (1, -1, int(width))}
        if sized(network):
            pooled = network.config.projection_class_embeddings_input_dim
            pooled -= SIZES * network.config.addition_time_embed_dim
            shapes |= {POOLED: (1, pooled), IDS: (1, SIZES)}
        return shapes

    def embed(self, pipeline: Any, prompt: str) -> dict[str, Tensor]:
        if not sized(pipeline.unet):
            return {EMBEDS: pipeline.encode_prompt(prompt, "cpu", 1, False)[0]}
        embeds, _, pooled, _ = pipeline.encode_prompt(
            prompt, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        side = float(pipeline.default_sample_size * pipeline.vae_scale_factor)
        return {EMBEDS: embeds, POOLED: pooled, IDS: torch.tensor([[side, side, 0.0, 0.0, side, side]])}

    def __call__(
        self, network: nn.Module, latents: Tensor, time: Tensor, prompt: Mapping[str, Tensor], guidance: float
    ) -> Tensor:
        count = len(latents)
        embeds = prompt[EMBEDS].expand(count, -1, -1)
        added = None
        if sized(network):
            added = {
                "text_embeds": prompt[POOLED].expand(count, -1),
                "time_ids": prompt[IDS].expand(count, -1),
            }
        output: Tensor = network(latents, time, embeds, added_cond_kwargs=added, return_dict=False)[0]
        return output


def sized(network: Any) -> bool:
    """Tell whether a network reads a pooled prompt and sizes, as SDXL does."""
    return bool(network.config.addition_embed_type == "text_time")
