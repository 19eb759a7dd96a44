"""Latent backbone: a diffusers network that bases are merged into, between encoder and decoder of its VAE."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from restorekit.errors import WeightsError
from restorekit.model.backbone import Facts, Predictor
from restorekit.model.latent.config import LatentConfig
from restorekit.model.latent.door import load_part, noise_schedule
from restorekit.model.latent.family import Family
from restorekit.model.latent.flux import FluxFamily
from restorekit.model.latent.predictor import LatentPredictor, Untouched
from restorekit.model.latent.sd3 import Sd3Family
from restorekit.model.latent.unet import UnetFamily
from restorekit.model.lora import with_tensors
from restorekit.model.weights import load_tensors, recorded_sums, verify

__all__ = ["BY_NAME", "PROMPT", "LatentBackbone", "check_fit", "family_of"]

PROMPT = "prompt.safetensors"
BY_NAME: Mapping[str, type[UnetFamily] | type[Sd3Family] | type[FluxFamily]] = {
    "unet": UnetFamily,
    "sd3": Sd3Family,
    "flux": FluxFamily,
}
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class LatentBackbone:
    """A pretrained diffusers model as a backbone; fulfils `restorekit.model.backbone.Backbone`."""

    def __init__(self, whole: LatentPredictor) -> None:
        self.whole = whole

    @property
    def config(self) -> LatentConfig:
        return self.whole.config

    @property
    def network(self) -> nn.Module:
        """The UNet or transformer; bases name its layers as peft does."""
        return self.whole.network

    @property
    def facts(self) -> Facts:
        """A picture is one piece for the caller: tiles overlap and are blended inside."""
        return Facts(self.whole.cell, halo=None, space="latent", head=self.config.head)

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """Load a folder that `restorekit.model.latent.store` wrote, each file verified."""
        for name in recorded_sums(folder):
            verify(folder / name, folder)
        config = LatentConfig.from_folder(folder)
        family = family_of(config)
        dtype = TYPES[config.precision]
        network = load_part(folder, config.part, family.kind, dtype)
        vae = load_part(folder, "vae", "AutoencoderKL", dtype)
        if config.precision == "fp16" and vae.config.force_upcast:
            vae = vae.float()
        prompt = load_tensors(folder / PROMPT)
        check_fit(family, network, vae, prompt, config)
        scheduled = config.form == "scheduler" and config.prediction in ("epsilon", "v_prediction")
        schedule = noise_schedule(folder) if scheduled else torch.empty(0)
        return cls(LatentPredictor(network, vae, family, config, prompt, schedule))

    def on(self, device: torch.device) -> Self:
        """Move to a device; with `offload` the weights stay where they are. A CPU computes in float32."""
        if device.type == "cpu":
            self.whole.float()
        if not self.config.offload:
            self.whole.to(device)
        self.whole.eval()
        return self

    def specialise(self, tensors: Mapping[str, Tensor]) -> Predictor:
        """Make a predictor with these tensors in the place of the network's; without any, the picture itself.

        tensors: by the network's parameter name; gradients go through those that want them.
        """
        if not tensors:
            return Untouched()
        return with_tensors(self.whole, {f"network.{name}": tensor for name, tensor in tensors.items()})

    def save_memory(self) -> Self:
        """Keep only some activations for the backward pass of a training, and compute the others again."""
        parts: tuple[Any, Any] = (self.whole.network, self.whole.vae)
        for part in parts:
            part.enable_gradient_checkpointing()
        return self


def family_of(config: LatentConfig) -> Family:
    """The way of calling a configuration's network."""
    return BY_NAME[config.family]()


def check_fit(family: Family, network: Any, vae: Any, prompt: Mapping[str, Tensor], config: LatentConfig) -> None:
    """Raise WeightsError unless network, VAE, prompt and head fit each other."""
    wanted, own = family.channels(network), int(vae.config.latent_channels)
    if wanted != own:
        raise WeightsError(
            f"the network reads {wanted} channels and the VAE makes {own}: models for inpainting, editing or "
            "upscaling read more than a picture; take one that makes pictures from text"
        )
    for name, shape in family.prompt_shapes(network).items():
        if name not in prompt:
            raise WeightsError(f"the prompt has no {name}, which a {family.kind} reads; prepare the folder again")
        got = tuple(prompt[name].shape)
        if len(got) != len(shape) or any(w not in (-1, g) for w, g in zip(shape, got, strict=True)):
            raise WeightsError(f"the prompt's {name} has shape {got}, the network wants {shape}; prepare again")
    if config.head:
        try:
            head = network.get_submodule(config.head)
        except AttributeError:
            raise WeightsError(f"the network has no layer {config.head}, the head; correct config.json") from None
        if any(bool(parameter.any()) for parameter in head.parameters()):
            raise WeightsError(f"the head {config.head} has weights of its own; prepare the folder again")
