"""One pass through a latent space: encode, estimate the clean latents at a fixed time, decode, keep the colour.

    z = encode(x_t);   z0 = z - t network(z, t time);   x̂ = colour(decode(z0), degraded)

for the form "residual", whose network begins without an output of its own. In the form "scheduler" z0 is what the
schedule makes of the network's output. x_t of a later step is encoded anew: the path is walked in pixels.

OSEDiff: Wu et al., 2024, https://arxiv.org/abs/2406.08177
PiSA-SR: Sun et al., 2024, https://arxiv.org/abs/2412.03017
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from restorekit.model.latent.colour import keep_colour
from restorekit.model.latent.config import TIMES, LatentConfig
from restorekit.model.latent.family import Family
from restorekit.model.latent.tiles import in_tiles
from restorekit.model.lora import with_tensors
from restorekit.model.streaming import Stream

__all__ = ["LatentPredictor", "Untouched", "placed"]

M = TypeVar("M", bound=nn.Module)


class Untouched:
    """The predictor of a mixture of zeros: the picture itself, bit for bit, which a decoder cannot give back."""

    def describe(self, degraded: Tensor) -> Tensor:
        return degraded.new_zeros(len(degraded), 0, dtype=torch.float32)

    def __call__(self, x_t: Tensor, t: Tensor, degraded: Tensor, context: Tensor) -> Tensor:
        return degraded

    def stream(self, t: Tensor, context: Tensor) -> Stream:
        raise NotImplementedError("a latent backbone does not stream, and its facts say so")


class LatentPredictor(nn.Module):
    """Network and VAE with all that a pass needs; fulfils `restorekit.model.backbone.Predictor`.

    network, vae: of diffusers.
    family: the way in which the network is called.
    prompt: stored tensors of the prompt, batches of one.
    schedule: alpha_t^2 by step, (steps,), for the form "scheduler"; empty for others.
    """

    def __init__(
        self,
        network: nn.Module,
        vae: Any,
        family: Family,
        config: LatentConfig,
        prompt: Mapping[str, Tensor],
        schedule: Tensor,
    ) -> None:
        super().__init__()
        self.network, self.vae = network, vae
        self.family, self.config = family, config
        self.prompt = dict(prompt)
        self.schedule = schedule
        self.reduction = int(2 ** (len(vae.config.block_out_channels) - 1))  # px along the side of a latent
        self.cell = self.reduction * family.multiple(network)  # px

    def describe(self, degraded: Tensor) -> Tensor:
        """No context: the network sees a tile as it is. (B, 3, H, W) to (B, 0)."""
        return degraded.new_zeros(len(degraded), 0, dtype=torch.float32)

    def stream(self, t: Tensor, context: Tensor) -> Stream:
        raise NotImplementedError("a latent backbone does not stream, and its facts say so")

    def forward(self, x_t: Tensor, t: Tensor, degraded: Tensor, context: Tensor) -> Tensor:
        """Estimate of the clean pictures, (B, 3, H, W); H and W multiples of a cell."""
        latents = self.encode(x_t)
        network = placed(self.network, x_t.device)
        prompt = {name: tensor.to(x_t.device) for name, tensor in self.prompt.items()}
        per_cell = self.cell // self.reduction

        def clean(part: Tensor) -> Tensor:
            return self.clean(network, part, t, prompt)

        restored = self.decode(self.tiled(clean, latents, per_cell, per_cell))
        return keep_colour(restored, degraded, self.config.colour)

    def tiled(self, function: Any, x: Tensor, unit: int, out: int) -> Tensor:
        """Apply a function in this backbone's tiles; unit and out as in `in_tiles`."""
        overlap = -(-self.config.overlap // self.cell)
        tile = max(self.config.tile // self.cell, 2 * overlap, 1)
        return in_tiles(function, x, unit=unit, out=out, tile=tile, overlap=overlap)

    def encode(self, image: Tensor) -> Tensor:
        """Pictures in [0, 1], (B, 3, H, W), to latents in the network's scale, (B, C, H / f, W / f), float32."""
        vae = placed(self.vae, image.device)
        shift = vae.config.shift_factor or 0.0

        def encode(part: Tensor) -> Tensor:
            with self.upcast(part.device):
                latents = vae.encode((2 * part - 1).to(vae.dtype)).latent_dist.mode()
            return (latents.float() - shift) * vae.config.scaling_factor

        return self.tiled(encode, image, self.cell, self.cell // self.reduction)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to pictures, the inverse of `encode`; not clipped."""
        vae = placed(self.vae, latents.device)
        shift = vae.config.shift_factor or 0.0

        def decode(part: Tensor) -> Tensor:
            with self.upcast(part.device):
                pictures = vae.decode((part / vae.config.scaling_factor + shift).to(vae.dtype)).sample
            return pictures.float() / 2 + 0.5

        return self.tiled(decode, latents, self.cell // self.reduction, self.cell)

    def clean(self, network: nn.Module, latents: Tensor, t: Tensor, prompt: Mapping[str, Tensor]) -> Tensor:
        """Estimate of the clean latents, z0. latents: (B, C, h, w); t: (B,), in (0, 1]."""
        dtype = next(network.parameters()).dtype
        given = {name: tensor.to(dtype) for name, tensor in prompt.items()}
        time = t * self.config.time
        found = self.family(network, latents.to(dtype), time.to(dtype), given, self.config.guidance).float()
        if self.config.form == "residual":
            return latents - t.view(-1, 1, 1, 1) * found
        return self.by_schedule(latents, found, time)

    def by_schedule(self, latents: Tensor, found: Tensor, time: Tensor) -> Tensor:
        """Clean latents from the network's output, by its prediction type. time: (B,), in steps."""
        kind = self.config.prediction
        if kind == "sample":
            return found
        if kind == "flow":
            return latents - (time / TIMES).view(-1, 1, 1, 1) * found
        step = time.round().long().clamp(0, len(self.schedule) - 1)
        squared = self.schedule.to(time)[step].view(-1, 1, 1, 1)
        signal, noise = squared.sqrt(), (1 - squared).sqrt()
        return signal * latents - noise * found if kind == "v_prediction" else (latents - noise * found) / signal

    def upcast(self, device: torch.device) -> AbstractContextManager[Any]:
        """Compute the VAE in its own type where it says that fp16 overflows in it."""
        half = torch.is_autocast_enabled(device.type) and torch.get_autocast_dtype(device.type) == torch.float16
        if half and self.vae.config.force_upcast:
            return torch.autocast(device.type, enabled=False)
        return nullcontext()


def placed(module: M, device: torch.device) -> M:
    """The module itself where it is on the device; else a copy there, to be dropped after use.

    So a module that stays in the computer's memory visits a GPU, and threads never see each other's copies.
    """
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    if all(tensor.device == device for tensor in tensors.values()):
        return module
    copied = with_tensors(module, {name: p.to(device) for name, p in module.named_parameters()})
    owners = dict(copied.named_modules())
    for name, buffer in module.named_buffers():
        owner, _, own = name.rpartition(".")
        owners[owner]._buffers[own] = buffer.to(device)
    return copied
