"""Colour of the degraded picture, given back to the restored one: latent networks shift it.

    wavelet:     low(degraded) + restored - low(restored)
    statistics:  (restored - mean) / deviation in each channel, with those of the degraded picture

Both are wrong for bases that remove a degradation of colour or light, as haze: those want "off".
StableSR: Wang et al., 2023, https://arxiv.org/abs/2305.07015
AdaIN: Huang & Belongie, 2017, https://arxiv.org/abs/1703.06868
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["keep_colour", "low_band"]

LEVELS = 5  # the low band begins at about 2 * 2^5 px
LEAST = 1e-5  # of a deviation that is divided by


def keep_colour(restored: Tensor, degraded: Tensor, mode: str) -> Tensor:
    """Give a restored batch the colour of the degraded one, both (B, 3, H, W).

    mode: off, statistics or wavelet.
    """
    if mode == "wavelet":
        return restored + low_band(degraded.to(restored) - restored)  # the band is linear
    if mode == "statistics":
        (mean, deviation), (wanted, spread) = (moments(x.to(restored)) for x in (restored, degraded))
        return (restored - mean) / deviation.clamp(min=LEAST) * spread + wanted
    return restored


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel of each picture, (B, 3, 1, 1) each."""
    deviation, mean = torch.std_mean(x, dim=(2, 3), keepdim=True, correction=0)
    return mean, deviation


def low_band(x: Tensor) -> Tensor:
    """Blur with holes, 3 x 3 binomial at distances 1, 2, 4, 8 and 16 px, edges repeated."""
    line = torch.tensor([0.25, 0.5, 0.25], dtype=x.dtype, device=x.device)
    channels = x.shape[1]
    for level in range(LEVELS):
        gap = 2**level
        for shape, pad in (((3, 1), (0, 0, gap, gap)), ((1, 3), (gap, gap, 0, 0))):
            kernel = line.view(1, 1, *shape).expand(channels, 1, *shape)
            x = F.conv2d(F.pad(x, pad, mode="replicate"), kernel, dilation=gap, groups=channels)
    return x
