"""Too little light.  dark = tone(noisy(2^-stops light image^2.2)),   noisy(x) = x + sqrt(shot x + read^2) n.

kinds: `exposure` (less light alone), `raw` (with the noise that little light leaves, and the rounding to 8 bits),
`uneven` (the light falls off from a bright place, as in a room).
The tone curve varies: cameras lift shadows or crush them.
Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting", 2008, https://doi.org/10.1109/TIP.2008.2001399
Wei et al., "Deep Retinex decomposition for low-light enhancement" (LOL), 2018, https://arxiv.org/abs/1808.04560
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from restorekit.plugin import Degradation, Draw, Realisation, Severity

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LowLight"]

GAMMA = 2.2  # between stored values and light
SHOT, READ = 4e-4, 1e-3  # in light, of the darkest picture of the noisiest camera


class LowLight(Degradation):
    """Too little light; the severity is what is missing of the exposure, in stops."""

    name = "lowlight"
    severity = Severity(symbol="stops", unit="EV", off=0, mild=1, strong=5, typical=3)
    kinds = ("exposure", "raw", "uneven")
    shares = (0.4, 0.4, 0.2)
    order = 6  # in the scene; before rain and lens
    summary = "too little light: an exposure that is stops too short, its noise, uneven light"

    def make(self, draw: Draw) -> Realisation:
        import torch

        height, width = draw.shape[2:]
        down = torch.linspace(-1, 1, height, device=draw.device).view(1, 1, -1, 1)
        right = torch.linspace(-1, 1, width, device=draw.device).view(1, 1, 1, -1)
        place = 1.6 * draw.uniform(2, 1, 1) - 0.8
        away = ((down - place[:, :1]) ** 2 + (right - place[:, 1:]) ** 2) / (0.3 + draw.uniform(1, 1, 1))
        curve = torch.ones(draw.shape[0], 1, 1, 1, device=draw.device)
        if not draw.named:
            curve = 1 + 0.3 * (draw.uniform(1, 1, 1) - 0.4)
        parts = {"away": away.clamp(max=1), "curve": curve, "level": draw.uniform(1, 1, 1) ** 2}
        if draw.holds("raw"):
            parts["shot"], parts["read"] = draw.normal(3, height, width), draw.normal(3, height, width)
        return Realisation(draw.severity, parts)

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        import torch

        stops = realisation.severity.to(image).view(-1, 1, 1, 1)
        uneven = realisation.are("uneven").to(image.device).view(-1, 1, 1, 1)
        away = realisation["away"].to(image)
        light = image.clamp(0, 1) ** GAMMA * 2 ** (-stops * torch.where(uneven, 0.35 + 0.65 * away, 1.0))
        if "shot" in realisation.parts:
            raw = realisation.are("raw").to(image.device).view(-1, 1, 1, 1) & (stops > 0)
            level = realisation["level"].to(image)
            shot, read = (realisation[name].to(image) for name in ("shot", "read"))
            noisy = light + (SHOT * level * light).sqrt() * shot + READ * level * read
            light = torch.where(raw, noisy.clamp(0, 1), light)
        curve = torch.where(stops > 0, realisation["curve"].to(image), 1.0)
        dark = light ** (curve / GAMMA)
        return torch.where(stops > 0, dark, image)
