"""Strange kinds of light and colour: haze, darkness, casts, faded prints, vignettes; see `other_kinds`."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.degradation import Draw, Realisation, Severity
from restorekit.training.other_base import OtherKind, darker, plane

__all__ = ["Cast", "Dark", "Faded", "Haze", "Vignette"]


class Haze(OtherKind):
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

    def damaged(self, image: Tensor, amount: Tensor, realisation: Realisation) -> Tensor:
        kept = (1 - amount / 100).clamp(0.01, 1)
        through = kept ** realisation["depth"].to(image)
        return image * through + realisation["light"].to(image).clamp(max=1) * (1 - through)


class Dark(OtherKind):
    """Too little light; the severity is the exposure that is missing, in stops."""

    name = "dark"
    severity = Severity(symbol="stops", unit="EV", off=0, mild=1.5, strong=5, typical=3)
    kinds = ("even",)
    order = 6

    def damaged(self, image: Tensor, amount: Tensor, realisation: Realisation) -> Tensor:
        return darker(image, amount)


class Cast(OtherKind):
    """White balance of another light; the severity is how far the gains of two channels are apart, in per cent."""

    name = "cast"
    severity = Severity(symbol="cast", unit="%", off=0, mild=15, strong=60, typical=35)
    kinds = ("warm or cool",)
    order = 41

    def make(self, draw: Draw) -> Realisation:
        turn = 2 * math.pi * draw.uniform(1)
        angles = turn + torch.tensor([0.0, 2 * math.pi / 3, 4 * math.pi / 3], device=draw.device)
        return Realisation(draw.severity, {"direction": angles.cos().view(-1, 3, 1, 1)})

    def damaged(self, image: Tensor, amount: Tensor, realisation: Realisation) -> Tensor:
        return (image * (1 + 0.6 * (amount / 100) * realisation["direction"].to(image))).clamp(0, 1)


class Faded(OtherKind):
    """An old print; the severity is the contrast that is lost, in per cent."""

    name = "faded"
    severity = Severity(symbol="loss", unit="%", off=0, mild=25, strong=75, typical=50)
    kinds = ("even",)
    order = 45

    def make(self, draw: Draw) -> Realisation:
        paper = 0.4 + 0.4 * draw.uniform(1, 1, 1) + 0.06 * (2 * draw.uniform(3, 1, 1) - 1)
        return Realisation(draw.severity, {"paper": paper, "colour": draw.uniform(1, 1, 1)})

    def damaged(self, image: Tensor, amount: Tensor, realisation: Realisation) -> Tensor:
        loss = amount / 100
        grey = image.mean(1, keepdim=True)
        washed = image + loss * realisation["colour"].to(image) * (grey - image)
        return washed + loss * (realisation["paper"].to(image) - washed)


class Vignette(OtherKind):
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

    def damaged(self, image: Tensor, amount: Tensor, realisation: Realisation) -> Tensor:
        return darker(image, amount * realisation["away"].to(image))
