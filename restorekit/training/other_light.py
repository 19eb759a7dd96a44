"""Strange kinds of light and colour: haze, darkness, casts, faded prints, vignettes; see `other_kinds`."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.degradation import Degradation, Draw, Realisation, Severity

__all__ = ["Cast", "Dark", "Faded", "Haze", "Vignette", "of", "plane"]


def of(numbers: Tensor, image: Tensor) -> Tensor:
    """Numbers of each picture, (B,), as (B, 1, 1, 1), of the picture's type."""
    return numbers.to(image).view(-1, 1, 1, 1)


def plane(angle: Tensor, height: int, width: int) -> Tensor:
    """Heights from -1 to 1, (B, 1, H, W), that rise in the direction of an angle, (B,), in radians."""
    down = torch.linspace(-1, 1, height, device=angle.device).view(1, 1, -1, 1)
    right = torch.linspace(-1, 1, width, device=angle.device).view(1, 1, 1, -1)
    sine, cosine = angle.sin().view(-1, 1, 1, 1), angle.cos().view(-1, 1, 1, 1)
    return (sine * down + cosine * right) / (sine.abs() + cosine.abs())


class Haze(Degradation):
    """A veil of lit air; the severity is the share of it at the mean depth, in per cent."""

    name = "haze"
    severity = Severity(symbol="veil", unit="%", off=0, mild=20, strong=85, typical=55)
    kinds = ("depth",)
    order = 5

    def make(self, draw: Draw) -> Realisation:
        # Far above, near below, with hills between.
        slope = plane(math.pi / 2 + 0.6 * (2 * draw.uniform() - 1), *draw.shape[2:])
        hills = F.interpolate(draw.uniform(1, 5, 5), tuple(draw.shape[2:]), mode="bicubic", align_corners=False)
        mix = draw.uniform(1, 1, 1)
        depth = (1 + mix * 0.8 * (-slope) + (1 - mix) * (2 * hills - 1)).clamp(0.1, 2)
        light = 0.75 + 0.25 * draw.uniform(1, 1, 1) + 0.05 * (2 * draw.uniform(3, 1, 1) - 1)
        return Realisation(draw.severity, {"depth": depth / depth.mean((1, 2, 3), keepdim=True), "light": light})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        kept = (1 - of(realisation.severity, image) / 100).clamp(0.01, 1)
        through = kept ** realisation["depth"].to(image)
        return image * through + realisation["light"].to(image).clamp(max=1) * (1 - through)


class Dark(Degradation):
    """Too little light; the severity is the exposure that is missing, in stops."""

    name = "dark"
    severity = Severity(symbol="stops", unit="EV", off=0, mild=1.5, strong=5, typical=3)
    kinds = ("even",)
    order = 6

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        stops = of(realisation.severity, image)
        return torch.where(stops > 0, (image.clamp(0, 1) ** 2.2 * 2**-stops) ** (1 / 2.2), image)


class Cast(Degradation):
    """White balance of another light; the severity is how far the gains of two channels are apart, in per cent."""

    name = "cast"
    severity = Severity(symbol="cast", unit="%", off=0, mild=15, strong=60, typical=35)
    kinds = ("warm or cool",)
    order = 41

    def make(self, draw: Draw) -> Realisation:
        turn = 2 * math.pi * draw.uniform(1)
        angles = turn + torch.tensor([0.0, 2 * math.pi / 3, 4 * math.pi / 3], device=draw.device)
        return Realisation(draw.severity, {"direction": angles.cos().view(-1, 3, 1, 1)})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        strength = of(realisation.severity, image) / 100
        return (image * (1 + 0.6 * strength * realisation["direction"].to(image))).clamp(0, 1)


class Faded(Degradation):
    """An old print; the severity is the contrast that is lost, in per cent."""

    name = "faded"
    severity = Severity(symbol="loss", unit="%", off=0, mild=25, strong=75, typical=50)
    kinds = ("even",)
    order = 45

    def make(self, draw: Draw) -> Realisation:
        paper = 0.4 + 0.4 * draw.uniform(1, 1, 1) + 0.06 * (2 * draw.uniform(3, 1, 1) - 1)
        return Realisation(draw.severity, {"paper": paper, "colour": draw.uniform(1, 1, 1)})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        loss = of(realisation.severity, image) / 100
        grey = image.mean(1, keepdim=True)
        washed = image + loss * realisation["colour"].to(image) * (grey - image)
        return washed + loss * (realisation["paper"].to(image) - washed)


class Vignette(Degradation):
    """Light lost towards the corners; the severity is the loss there, in stops."""

    name = "vignette"
    severity = Severity(symbol="stops", unit="EV", off=0, mild=0.8, strong=3, typical=1.6)
    kinds = ("round",)
    order = 21

    def make(self, draw: Draw) -> Realisation:
        centre = 0.3 * (2 * draw.uniform(2, 1, 1) - 1)
        down = torch.linspace(-1, 1, draw.shape[2], device=draw.device).view(1, -1, 1)
        right = torch.linspace(-1, 1, draw.shape[3], device=draw.device).view(1, 1, -1)
        radius = (down - centre[:, 0]) ** 2 + (right - centre[:, 1]) ** 2
        away = (radius / 2)[:, None] ** (0.8 + 0.8 * draw.uniform(1, 1, 1))
        return Realisation(draw.severity, {"away": away})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        stops = of(realisation.severity, image)
        loss = 2 ** (-stops * realisation["away"].to(image))
        return torch.where(stops > 0, (image.clamp(0, 1) ** 2.2 * loss) ** (1 / 2.2), image)
