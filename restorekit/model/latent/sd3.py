"""SD3Transformer2DModel: Stable Diffusion 3 and 3.5.

Esser et al., "Scaling Rectified Flow Transformers", 2024, https://arxiv.org/abs/2403.03206
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from restorekit.model.latent.family import EMBEDS, POOLED

__all__ = ["Sd3Family"]


class Sd3Family:
    """Fulfils `restorekit.model.latent.family.Family`."""

    kind = "SD3Transformer2DModel"
    head = "proj_out"

    def channels(self, network: Any) -> int:
        return int(network.config.in_channels)

    def multiple(self, network: Any) -> int:
        return int(network.config.patch_size)

    def prompt_shapes(self, network: Any) -> dict[str, tuple[int, ...]]:
        config = network.config
        return {EMBEDS: (1, -1, config.joint_attention_dim), POOLED: (1, config.pooled_projection_dim)}

    def embed(self, pipeline: Any, prompt: str) -> dict[str, Tensor]:
        embeds, _, pooled, _ = pipeline.encode_prompt(
            prompt, None, None, device="cpu", do_classifier_free_guidance=False
        )
        return {EMBEDS: embeds, POOLED: pooled}

    def __call__(
        self, network: nn.Module, latents: Tensor, time: Tensor, prompt: Mapping[str, Tensor], guidance: float
    ) -> Tensor:
        count = len(latents)
        output: Tensor = network(
            latents,
            encoder_hidden_states=prompt[EMBEDS].expand(count, -1, -1),
            pooled_projections=prompt[POOLED].expand(count, -1),
            timestep=time,
            return_dict=False,
        )[0]
        return output
