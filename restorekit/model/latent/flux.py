"""FluxTransformer2DModel: FLUX.1 dev and schnell. Its tokens are cells of 2 x 2 latents, with their places beside.

Black Forest Labs, 2024, https://github.com/black-forest-labs/flux
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.model.latent.family import EMBEDS, POOLED

__all__ = ["CELL", "FluxFamily", "places"]

CELL = 2  # latents along the side of a token
STEPS = 1000.0  # it multiplies its time by them itself


class FluxFamily:
    """Fulfils `restorekit.model.latent.family.Family`."""

    kind = "FluxTransformer2DModel"
    head = "proj_out"

    def channels(self, network: Any) -> int:
        return int(network.config.in_channels) // CELL**2

    def multiple(self, network: Any) -> int:
        return CELL

    def prompt_shapes(self, network: Any) -> dict[str, tuple[int, ...]]:
        config = network.config
        return {EMBEDS: (1, -1, config.joint_attention_dim), POOLED: (1, config.pooled_projection_dim)}

    def embed(self, pipeline: Any, prompt: str) -> dict[str, Tensor]:
        embeds, pooled, _ = pipeline.encode_prompt(prompt, None, device="cpu")
        return {EMBEDS: embeds, POOLED: pooled}

    def __call__(
        self, network: Any, latents: Tensor, time: Tensor, prompt: Mapping[str, Tensor], guidance: float
    ) -> Tensor:
        count, _, height, width = latents.shape
        tokens = F.pixel_unshuffle(latents, CELL).flatten(2).transpose(1, 2)  # (B, h w / 4, 4 C)
        embeds = prompt[EMBEDS].expand(count, -1, -1)
        told = latents.new_full((count,), guidance) if network.config.guidance_embeds else None
        output = network(
            tokens,
            encoder_hidden_states=embeds,
            pooled_projections=prompt[POOLED].expand(count, -1),
            timestep=time / STEPS,
            img_ids=places(height // CELL, width // CELL).to(latents),
            txt_ids=latents.new_zeros(embeds.shape[1], 3),
            guidance=told,
            return_dict=False,
        )[0]
        cells = output.transpose(1, 2).unflatten(2, (height // CELL, width // CELL))
        return F.pixel_shuffle(cells, CELL)


def places(height: int, width: int) -> Tensor:
    """Row and column of each token, behind a 0, (h w, 3)."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([torch.zeros_like(rows), rows, columns], 2).flatten(0, 1)
