"""Rain.  rainy = (1 - veil) image + veil airlight + streaks (or the streaks screened onto the image).

Streaks are sparse bright drops, each smeared along its fall: a field of random points convolved with a soft
line, a few layers of different length, width and angle.
kinds: `streaks`, `heavy` (never faint, several directions at once), `veil` (streaks and the grey of distant rain).
Yang et al., "Deep joint rain detection and removal from a single image", 2017, https://arxiv.org/abs/1609.07769
Garg & Nayar, "Vision and rain", 2007, https://doi.org/10.1007/s11263-006-0028-6
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from restorekit.plugin import Degradation, Draw, Realisation, Severity

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Rain"]

LAYERS, HEAVY_LAYERS = 2, 3
REACH = 55  # px from a drop's middle to the end of the longest streak


class Rain(Degradation):
    """Rain; the severity is the streaks' root mean square on the 0-255 scale."""

    name = "rain"
    severity = Severity(symbol="rms", unit="", off=0, mild=4, strong=60, typical=18, logarithmic=True)
    kinds = ("streaks", "heavy", "veil")
    shares = (0.6, 0.25, 0.15)
    order = 10
    sparse = True
    summary = "rain: streaks of varied density, length, width, angle and brightness, with or without veil"

    def spread(self, u: Tensor, kinds: Tensor) -> Tensor:
        import torch

        low, high = math.log(self.severity.mild), math.log(self.severity.strong)
        heavy = kinds == self.kinds.index("heavy")
        least = torch.where(heavy, 0.35 * low + 0.65 * high, low)  # heavy rain is not faint
        return torch.exp(least + (high - least) * u)

    def make(self, draw: Draw) -> Realisation:
        import torch

        height, width = draw.shape[2:]
        rms = draw.severity.view(-1, 1, 1, 1)
        layers = HEAVY_LAYERS if draw.holds("heavy") else LAYERS
        spread = torch.where(draw.are("heavy"), 0.6, 0.08).view(-1, 1)
        lean = (draw.uniform(1) - 0.5) * 1.6  # radians off the vertical
        angle = lean + spread * (2 * draw.uniform(layers) - 1)
        length = 6 + 90 * draw.uniform(1) ** 1.5 * (0.6 + 0.4 * draw.uniform(layers))
        thickness = 0.35 + 1.1 * draw.uniform(1) ** 2 * (0.5 + draw.uniform(layers))
        lines = streak_kernels(length, thickness, angle)  # (B, L, k, k), peak about 1
        # As many drops as the wanted strength needs at their brightness: from a dense haze of faint streaks to a
        # few glaring ones.
        brightness = 0.08 + 0.85 * draw.uniform(1) ** 1.5
        coverage = ((rms.view(-1, 1) / 255) / brightness).square().clamp(0.002, 0.6) / layers
        density = coverage / lines.square().sum((2, 3)).clamp_min(1)  # (B, L) drops per pixel
        margin = lines.shape[-1]
        # Sizes that the Fourier transform likes.
        field_shape = (layers, *(32 * math.ceil((n + margin) / 32) for n in (height, width)))
        chance = draw.uniform(*field_shape)
        drop = chance / density[..., None, None]  # where below 1, itself uniform: how bright the drop is
        drops = (drop < 1) * (0.2 + 0.8 * drop**2)
        size = field_shape[-2:]
        spectrum = (torch.fft.rfft2(drops) * torch.fft.rfft2(lines, s=size)).sum(1, keepdim=True)
        whole = torch.fft.irfft2(spectrum, s=size)
        streaks = whole[..., margin : margin + height, margin : margin + width].clamp_min(0)  # (B, 1, H, W)
        scale = rms / 255 / streaks.square().mean((2, 3), keepdim=True).sqrt().clamp_min(1e-4)
        scale = scale.clamp(max=2.0)  # a patch that no drop hit stays dry
        streaks = (streaks * scale).clamp_max(1)
        amount = streaks.square().mean((1, 2, 3)).sqrt() * 255
        veiled = draw.are("veil") & (draw.severity > 0)  # where there is no rain, there is no veil of it
        veil = torch.where(veiled.view(-1, 1, 1, 1), 0.35 * draw.uniform(1, 1, 1), 0.0)
        airlight = 0.6 + 0.35 * draw.uniform(1, 1, 1)
        screened = (draw.uniform(1, 1, 1) < 0.4).float()
        if draw.named:
            screened = torch.zeros_like(screened)
        return Realisation(amount, {"streaks": streaks, "veil": veil, "airlight": airlight, "screened": screened})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        streaks, veil = realisation["streaks"].to(image), realisation["veil"].to(image)
        scene = image + veil * (realisation["airlight"].to(image) - image)
        room = 1 - realisation["screened"].to(image) * scene
        return (scene + streaks * room).clamp(0, 1)


def streak_kernels(length: Tensor, thickness: Tensor, angle: Tensor) -> Tensor:
    """Soft line segments, brightest in the middle. (B, L) each, px and radians; to (B, L, k, k)."""
    import torch

    axis = torch.arange(-REACH, REACH + 1, dtype=torch.float32, device=angle.device)
    y, x = axis.view(1, 1, -1, 1), axis.view(1, 1, 1, -1)
    cos, sin = torch.cos(angle)[..., None, None], torch.sin(angle)[..., None, None]
    along, across = cos * y + sin * x, cos * x - sin * y
    half = (length / 2)[..., None, None]
    ends = torch.sigmoid((half - along.abs()) / (0.15 * half))
    lines = ends * torch.exp(-0.5 * (across / thickness[..., None, None]) ** 2)
    # The tails fall to denormal numbers, on which a Fourier transform takes ten times as long.
    return torch.where(lines > 1e-4, lines, 0.0)
