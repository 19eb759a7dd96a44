"""Tiny random latent models, shaped as the public ones are, written in diffusers' own formats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restorekit.model.latent import store
from restorekit.model.latent.folder import recognised

KINDS = ("sd", "sdxl", "sd3", "flux")
WORDS, WIDTH = 5, 8
CPU = torch.device("cpu")


def vae(shift: float | None) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        scaling_factor=0.5,
        shift_factor=shift,
    )


def prompt(kind: str) -> dict[str, Tensor]:
    tensors = {"prompt_embeds": torch.randn(1, WORDS, WIDTH)}
    if kind != "sd":
        tensors["pooled_prompt_embeds"] = torch.randn(1, WIDTH)
    if kind == "sdxl":
        tensors["time_ids"] = torch.tensor([[64.0, 64.0, 0.0, 0.0, 64.0, 64.0]])
    return tensors


def network(kind: str, **more: Any) -> Any:
    import diffusers

    if kind == "sd3":
        return diffusers.SD3Transformer2DModel(
            sample_size=32,
            in_channels=4,
            out_channels=4,
            num_layers=2,
            attention_head_dim=4,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            caption_projection_dim=8,
            pooled_projection_dim=WIDTH,
            pos_embed_max_size=16,
        )
    if kind == "flux":
        return diffusers.FluxTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=WIDTH,
            guidance_embeds=True,
            axes_dims_rope=(2, 2, 4),
        )
    if kind == "sdxl":
        more |= {"addition_embed_type": "text_time", "addition_time_embed_dim": 4}
        more["projection_class_embeddings_input_dim"] = 6 * 4 + WIDTH
    return diffusers.UNet2DConditionModel(
        sample_size=32,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=4,
        **more,
    )


def parts(kind: str, seed: int = 0) -> tuple[Any, Any, Any, dict[str, Tensor]]:
    """Network, VAE, scheduler and prompt of a kind."""
    import diffusers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = network(kind)
        flows = kind in ("sd3", "flux")
        scheduler = diffusers.FlowMatchEulerDiscreteScheduler() if flows else diffusers.DDPMScheduler()
        return made, vae(0.1 if flows else None), scheduler, prompt(kind)


def latent_folder(folder: Path, kind: str, **choices: Any) -> Path:
    """Write the folder of a latent backbone; the folder itself. Colours are left as they come unless chosen."""
    made, decoder, scheduler, tensors = parts(kind)
    config = replace(recognised(made, scheduler), **{"colour": "off", **choices})
    store(folder, made, decoder, scheduler, tensors, config)
    return folder


def pictures(height=16, width=24, count=2):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(4))


def restored(predictor, image, t=1.0, degraded=None):
    degraded = image if degraded is None else degraded
    return predictor(image, torch.full((len(image),), t), degraded, predictor.describe(degraded))
