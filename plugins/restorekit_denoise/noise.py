"""Noise. Sensors count photons and then amplify:  noisy = image + sqrt(sigma^2 + gain image) n,  n ~ N(0, 1).

kinds: `gaussian` (white, independent per channel, the papers' noise), `grey` (one field for all channels),
`poisson` (its variance grows with brightness), `correlated` (demosaicking and resizing blur the noise: it comes
in blotches and differs per channel).
Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting", 2008, https://doi.org/10.1109/TIP.2008.2001399
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from restorekit.plugin import Degradation, Realisation, Severity

if TYPE_CHECKING:
    from torch import Generator, Tensor

SHARES = (0.76, 0.08, 0.08, 0.08)  # of the kinds, in training


class Noise(Degradation):
    """Sensor noise; the severity is its standard deviation at mid-grey on the 0-255 scale."""

    name = "noise"
    severity = Severity(symbol="sigma", unit="", off=0, mild=2, strong=75, typical=25)
    kinds = ("gaussian", "grey", "poisson", "correlated")
    order = 40
    rounded = False
    summary = "sensor noise: Gaussian, Poisson-Gaussian, grey, spatially correlated"

    def draw(
        self,
        shape: Sequence[int],
        generator: Generator,
        *,
        severity: float | None = None,
        kind: str | None = None,
    ) -> Realisation:
        import torch

        batch, _, height, width = shape
        kind = self.check_kind(kind, severity)
        if severity is None:
            # Weak noise is the most frequent in photographs, strong noise the most visible: half of each.
            u = torch.rand(batch, generator=generator)
            sigma = self.severity.mild + (self.severity.strong - self.severity.mild) * u
            squared = self.severity.mild + (self.severity.strong - self.severity.mild) * u**2
            sigma = torch.where(torch.rand(batch, generator=generator) < 0.5, sigma, squared)
        else:
            sigma = torch.full((batch,), float(severity))
        if kind is None:
            kinds = torch.multinomial(torch.tensor(SHARES), batch, replacement=True, generator=generator)
        else:
            kinds = torch.full((batch,), self.kinds.index(kind))
        field = torch.randn((batch, 3, height, width), generator=generator)
        grey, poisson, correlated = ((kinds == i).view(-1, 1, 1, 1) for i in (1, 2, 3))
        field = torch.where(grey, field[:, :1], field)
        if bool(correlated.any()):
            grain = 0.4 + 0.7 * torch.rand(batch, generator=generator)
            mix = torch.rand(batch, generator=generator) * 0.5
            field = torch.where(correlated, correlate(field, grain, mix), field)
        # The share of the variance at mid-grey that photons bring.
        share = torch.where(poisson | correlated, torch.rand((batch, 1, 1, 1), generator=generator), 0.0)
        return Realisation(sigma, {"field": field, "photon_share": share})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        sigma = realisation.severity.to(image).view(-1, 1, 1, 1) / 255
        share = realisation["photon_share"].to(image)
        brightness = image.clamp(0, 1)
        return image + sigma * (1 - share + share * 2 * brightness).sqrt() * realisation["field"].to(image)


def correlate(field: Tensor, grain: Tensor, mix: Tensor) -> Tensor:
    """White noise to blotches of unit variance.

    field: (B, 3, H, W). grain: Gaussian width in px, (B,). mix: how much channels share, (B,), in [0, 1].
    """
    import torch
    import torch.nn.functional as F

    batch, channels, height, width = field.shape
    x = torch.arange(-3, 4, dtype=field.dtype)
    kernel = torch.exp(-0.5 * (x / grain[:, None]) ** 2)  # (B, 7)
    kernel = kernel / kernel.square().sum(1, keepdim=True).sqrt()
    kernel = kernel.repeat_interleave(channels, 0)
    flat = F.pad(field.reshape(1, -1, height, width), (3, 3, 3, 3), mode="circular")
    flat = F.conv2d(flat, kernel.view(-1, 1, 1, 7), groups=len(kernel))
    flat = F.conv2d(flat, kernel.view(-1, 1, 7, 1), groups=len(kernel))
    blotches = flat.view(batch, channels, height, width)
    mix = mix.view(-1, 1, 1, 1)
    shared = blotches.mean(1, keepdim=True) * channels**0.5
    # The shared field is made of the same blotches: their covariance must not add to the variance.
    variance = 1 + 2 * (mix * (1 - mix) / channels).sqrt()
    return ((1 - mix).sqrt() * blotches + mix.sqrt() * shared) / variance.sqrt()
