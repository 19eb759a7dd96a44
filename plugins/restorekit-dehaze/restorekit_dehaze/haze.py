"""Haze.  hazy = image t + light (1 - t),   t = exp(-beta depth),   depth in [0, 1], 1 at the farthest.

No depth is known of a photograph. So one is made up: a ground that recedes upwards, hills, and surfaces along the
picture's own edges, each with a distance of its own (pixels of similar colour belong together).
kinds: `scene` (all three, mixed), `even` (one distance, as of a wall or a valley seen from afar).
Koschmieder, "Theorie der horizontalen Sichtweite", 1924
Li et al., "Benchmarking single-image dehazing and beyond" (RESIDE), 2019, https://arxiv.org/abs/1712.04143
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from restorekit.plugin import Degradation, Draw, Realisation, Severity

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Haze"]

SURFACES = 6  # distances of what the colours tell apart
WINDOW = 9  # px, over which colours are averaged before that


class Haze(Degradation):
    """Haze; the severity is beta, the scattering up to the farthest point, as RESIDE counts it."""

    name = "haze"
    severity = Severity(symbol="beta", unit="", off=0, mild=0.4, strong=2.4, typical=1.2)
    kinds = ("scene", "even")
    shares = (0.85, 0.15)
    order = 5  # in the scene, before rain
    summary = "a veil of lit air that grows with the distance"

    def make(self, draw: Draw) -> Realisation:
        import torch

        height, width = draw.shape[2:]
        up = torch.linspace(1, 0, height, device=draw.device).view(1, 1, -1, 1).expand(1, 1, height, width)
        hills = torch.nn.functional.interpolate(
            draw.uniform(1, 6, 6), (height, width), mode="bicubic", align_corners=False
        ).clamp(0, 1)
        shares = draw.uniform(3) ** 2
        shares = shares / shares.sum(1, keepdim=True)
        made = shares[:, 0].view(-1, 1, 1, 1) * up + shares[:, 1].view(-1, 1, 1, 1) * hills
        tint = torch.zeros(draw.shape[0], 3, 1, 1, device=draw.device)
        light = torch.ones(draw.shape[0], 1, 1, 1, device=draw.device)
        if not draw.named:
            light = 1 - 0.25 * draw.uniform(1, 1, 1) ** 2
            tint = 0.04 * (2 * draw.uniform(3, 1, 1) - 1)
        return Realisation(
            draw.severity,
            {
                "made": made,
                "surfaces": draw.uniform(SURFACES),
                "weight": shares[:, 2],
                "colours": draw.normal(3),
                "nearest": 0.7 * draw.uniform(),
                "light": (light + tint).clamp(0, 1),
            },
        )

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        through = (-realisation.severity.to(image).view(-1, 1, 1, 1) * depth(image, realisation)).exp()
        return image * through + realisation["light"].to(image) * (1 - through)


def depth(image: Tensor, realisation: Realisation) -> Tensor:
    """Made-up distances, (B, 1, H, W), up to 1, of pictures (B, 3, H, W)."""
    import torch

    made = realisation["made"].to(image)
    colours = realisation["colours"].to(image).view(-1, 3, 1, 1)
    value = smooth((smooth(image) * colours).sum(1, keepdim=True))
    low, high = value.amin((2, 3), keepdim=True), value.amax((2, 3), keepdim=True)
    surface = ((value - low) / (high - low).clamp_min(1e-6) * SURFACES).long().clamp(max=SURFACES - 1)
    distances = realisation["surfaces"].to(image).gather(1, surface.flatten(1)).view_as(made)
    far = made + realisation["weight"].to(image).view(-1, 1, 1, 1) * smooth(distances)
    nearest = realisation["nearest"].to(image).view(-1, 1, 1, 1)
    low, high = far.amin((2, 3), keepdim=True), far.amax((2, 3), keepdim=True)
    scene = nearest + (1 - nearest) * (far - low) / (high - low).clamp_min(1e-6)
    return torch.where(realisation.are("even").to(image.device).view(-1, 1, 1, 1), torch.ones_like(scene), scene)


def smooth(image: Tensor) -> Tensor:
    """Means over a window around each pixel, with the border repeated; (B, C, H, W)."""
    import torch.nn.functional as F

    edge = WINDOW // 2
    return F.avg_pool2d(F.pad(image, (edge,) * 4, mode="replicate"), WINDOW, 1)
