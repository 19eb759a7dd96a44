"""Time and memory of real-sized latent models with random weights: the shapes of Stable Diffusion 2.1 and 3.

Shapes: https://huggingface.co/stabilityai/stable-diffusion-2-1-base (UNet of 866 M parameters) and
https://huggingface.co/stabilityai/stable-diffusion-3-medium (transformer of 2.0 G), each with its VAE.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from restorekit.bench.gpu_timing import Timed, picture, timed

if TYPE_CHECKING:
    from torch import Tensor, nn

    from restorekit.model.basis import LoraLayer

__all__ = ["SD3", "SD21", "latent_rows"]

WORDS = 77  # tokens of the prompt
RANK = 16
COUNTS = (1, 5, 50)
SIDE = 512
VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}
SD21: dict[str, Any] = {
    "sample_size": 64,
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
SD3: dict[str, Any] = {
    "sample_size": 128,
    "patch_size": 2,
    "in_channels": 16,
    "out_channels": 16,
    "num_layers": 24,
    "attention_head_dim": 64,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "caption_projection_dim": 1536,
    "pooled_projection_dim": 2048,
    "pos_embed_max_size": 192,
}


def latent_rows(unet: Mapping[str, Any] = SD21, sd3: Mapping[str, Any] = SD3, side: int = SIDE) -> Iterator[Timed]:
    """One pass of a picture through either, plain and with bases mixed anew for it, in bf16.

    unet, sd3: configurations of the two networks.
    side: of the picture, px.
    """
    import diffusers
    import torch

    from restorekit.model.latent.config import LatentConfig
    from restorekit.model.latent.family import EMBEDS, POOLED

    shapes: tuple[tuple[str, str, Any, Mapping[str, Any], int], ...] = (
        ("SD 2.1", "unet", diffusers.UNet2DConditionModel, unet, 4),
        ("SD 3", "sd3", diffusers.SD3Transformer2DModel, sd3, 16),
    )
    for name, family, kind, shape, channels in shapes:
        torch.cuda.empty_cache()
        with torch.device("cuda"):
            network = kind(**shape).to(torch.bfloat16).eval().requires_grad_(False)
            vae = diffusers.AutoencoderKL(**VAE, latent_channels=channels)
            vae = vae.to(torch.bfloat16).eval().requires_grad_(False)
            width = shape["cross_attention_dim"] if family == "unet" else shape["joint_attention_dim"]
            prompt = {EMBEDS: torch.zeros(1, WORDS, width)}
            if family == "sd3":
                prompt[POOLED] = torch.zeros(1, shape["pooled_projection_dim"])
        config = LatentConfig(family, prediction="flow", time=1000.0, colour="wavelet", precision="bf16")
        size = sum(p.numel() for p in network.parameters()) / 1e6
        yield from model_rows(f"{name}, {size:.0f} M", network, vae, config, prompt, side)
        del network, vae


def model_rows(
    name: str, network: nn.Module, vae: Any, config: Any, prompt: Mapping[str, Tensor], side: int
) -> Iterator[Timed]:
    """Rows of one model."""
    import torch

    from restorekit.model.latent.backbone import LatentBackbone, family_of
    from restorekit.model.latent.predictor import LatentPredictor
    from restorekit.model.mixing import Mixer, MixingWeights

    backbone = LatentBackbone(LatentPredictor(network, vae, family_of(config), config, prompt, torch.empty(0)))
    image = (picture(side, side).float() / 255).cuda()
    once = torch.ones(1, device="cuda")
    turn = iter(range(1_000_000))
    pixels = side**2 / 1e6

    @torch.inference_mode()
    def plain() -> None:
        backbone.whole(image, once, image, image.new_zeros(1, 0))

    yield timed(f"{name}: {side}x{side}, one step, no bases", "bf16", plain, megapixels=pixels, rounds=5)
    one = random_basis(network)
    for count in COUNTS:
        mixer = Mixer(backbone, {str(i): one for i in range(count)})

        @torch.inference_mode()
        def mixed(mixer: Mixer = mixer) -> None:
            weight = (0.5 + 0.0001 * (next(turn) % 1000)) / len(mixer.bases)
            predictor = mixer.specialise(MixingWeights(dict.fromkeys(mixer.bases, weight)))
            predictor(image, once, image, image.new_zeros(1, 0))

        what = f"{name}: the same, {count} {'basis' if count == 1 else 'bases'} of rank {RANK} mixed for it"
        yield timed(what, "bf16", mixed, megapixels=pixels, rounds=5)


def random_basis(network: nn.Module) -> dict[str, LoraLayer]:
    """A basis of small random updates of all layers that may have them."""
    import torch

    from restorekit.model.basis import LoraLayer
    from restorekit.model.lora import mergeable_layers

    layers = {}
    for name, weight in mergeable_layers(network).items():
        rank = min(RANK, weight.shape[0], weight[0].numel())
        down = 0.01 * torch.randn(rank, *weight.shape[1:], device=weight.device, dtype=weight.dtype)
        up = 0.01 * torch.randn(weight.shape[0], rank, device=weight.device, dtype=weight.dtype)
        layers[name] = LoraLayer(down, up)
    return layers
