"""Blotches of noise, and the grain of film:  grainy = image + strength sqrt(p (1 - p)) blotches,  p = image^q.

A piece of film is dark where its crystals were exposed; of n crystals p n are, with the variance p (1 - p) n: the
grain shows in the middle tones. Each layer of colour has crystals of its own, black-and-white film one layer.
Newson et al., "A stochastic film grain model for resolution-independent rendering", 2017,
https://doi.org/10.1111/cgf.13159
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["correlate", "film", "film_grain", "spread", "within_range"]

FOG = 0.1  # of the grain is there in black and white too


def film(white: Tensor, settings: Tensor) -> Tensor:
    """Make the blotches of a film. white: unit noise, (B, 3, H, W). settings: uniform numbers, (B, 4 or more)."""
    import torch

    blotches = correlate(white, 0.45 + 0.95 * settings[:, 0], 0.9 * settings[:, 1])
    one_layer = (settings[:, 2] < 0.4).view(-1, 1, 1, 1)
    return torch.where(one_layer, blotches[:, :1] / spread(blotches[:, :1]), blotches)


def film_grain(image: Tensor, sigma: Tensor, field: Tensor, settings: Tensor) -> Tensor:
    """Grain of root mean square `sigma` in the picture.

    image: (B, 3, H, W), in [0, 1]; same out. sigma: 0 to 1, (B, 1, 1, 1). field: from `film`, (B, 3, H, W).
    settings: those that `film` had.
    """
    exposed = image.clamp(0, 1) ** (0.6 + 0.8 * settings[:, 3].view(-1, 1, 1, 1))
    grain = (FOG + (exposed * (1 - exposed)).clamp_min(0).sqrt()) * field
    return within_range(image, grain * (sigma / spread(grain)), sigma)


def within_range(image: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """The noisy picture, in [0, 1], with a little more noise for what the ends of the range cut off."""
    kept = spread((image + noise).clamp(0, 1) - image)
    return (image + noise * (sigma / kept).clamp(1, 2)).clamp(0, 1)


def spread(field: Tensor) -> Tensor:
    """Root mean square of each picture, (B, 1, 1, 1)."""
    return field.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-6)


def correlate(field: Tensor, grain: Tensor, mix: Tensor) -> Tensor:
    """Make blotches of unit variance of white noise.

    field: (B, 3, H, W). grain: Gaussian width in px, (B,). mix: how much channels share, (B,), in [0, 1].
    """
    import torch
    import torch.nn.functional as F

    batch, channels, height, width = field.shape
    x = torch.arange(-3, 4, dtype=field.dtype, device=field.device)
    kernel = torch.exp(-0.5 * (x / grain[:, None]) ** 2)  # (B, 7)
    kernel = kernel / kernel.square().sum(1, keepdim=True).sqrt()
    kernel = kernel.repeat_interleave(channels, 0)
    mode = "circular" if min(height, width) >= 3 else "replicate"
    flat = F.pad(field.reshape(1, -1, height, width), (3, 3, 3, 3), mode=mode)
    flat = F.conv2d(flat, kernel.view(-1, 1, 1, 7), groups=len(kernel))
    flat = F.conv2d(flat, kernel.view(-1, 1, 7, 1), groups=len(kernel))
    blotches = flat.view(batch, channels, height, width)
    mix = mix.view(-1, 1, 1, 1)
    shared = blotches.mean(1, keepdim=True) * channels**0.5
    # The shared field is made of the same blotches: their covariance must not add to the variance.
    variance = 1 + 2 * (mix * (1 - mix) / channels).sqrt()
    return ((1 - mix).sqrt() * blotches + mix.sqrt() * shared) / variance.sqrt()
