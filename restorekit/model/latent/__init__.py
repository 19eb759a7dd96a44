"""Latent backbones: any pretrained diffusers model with a VAE as a model of restorekit.

    z = encode(x_t);   z0 = z - t network(z, t time; W + sum_k w_k B_k A_k);   x̂ = decode(z0)

`prepare` makes a folder of a pipeline; a card with the architecture "restorekit.model.latent:LatentBackbone" and
that folder makes a model of it. Bases are PEFT adapters on its UNet or transformer. Needs the extra `diffusers`.
Public weights were not tried: only tiny random ones, in diffusers' own formats.
"""

from restorekit.model.latent.backbone import LatentBackbone
from restorekit.model.latent.config import LatentConfig
from restorekit.model.latent.folder import prepare, store

__all__ = ["LatentBackbone", "LatentConfig", "prepare", "store"]
