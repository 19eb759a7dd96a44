"""Strange kinds of pixels: impulses, bands, stripes, halos, blocks, scratches, fringes; see `other_kinds`."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.degradation import Draw, Realisation, Severity
from restorekit.training.other_base import OtherKind, of, plane

__all__ = ["Banding", "Blocks", "Fringe", "Halo", "Impulse", "Scratches", "Stripes"]


class Impulse(OtherKind):
    """Pixels that are wrong; the severity is their share, in per cent."""

    name = "impulse"
    severity = Severity(symbol="share", unit="%", off=0, mild=0.5, strong=20, typical=5, logarithmic=True)
    kinds = ("salt and pepper", "any value")
    order = 42

    def make(self, draw: Draw) -> Realisation:
        height, width = draw.shape[2:]
        value = draw.uniform(3, height, width)
        two = (value[:, :1] > 0.5).to(value).expand_as(value)
        value = torch.where(draw.are("any value").view(-1, 1, 1, 1), value, two)
        return Realisation(draw.severity, {"where": draw.uniform(1, height, width), "value": value})

    def damaged(self, image: Tensor, amount: Tensor, realisation: Realisation) -> Tensor:
        hit = realisation["where"].to(image) < amount / 100
        return torch.where(hit, realisation["value"].to(image), image)


class Banding(OtherKind):
    """Fewer levels; the severity is how many there are of each channel."""

    name = "banding"
    severity = Severity(symbol="levels", unit="", off=256, mild=32, strong=5, typical=12, logarithmic=True)
    kinds = ("even",)
    order = 48

    def damaged(self, image: Tensor, amount: Tensor, realisation: Realisation) -> Tensor:
        top = amount.round() - 1
        return (image.clamp(0, 1) * top).round() / top


class Stripes(OtherKind):
    """Lines across the picture; the severity is their root mean square on the 0-255 scale."""

    name = "stripes"
    severity = Severity(symbol="rms", unit="", off=0, mild=2, strong=25, typical=8, logarithmic=True)
    kinds = ("rows", "columns", "screen")
    order = 43

    def make(self, draw: Draw) -> Realisation:
        height, width = draw.shape[2:]
        rows, columns = draw.normal(1, height, 1), draw.normal(1, 1, width)
        frequency = (0.05 + 0.35 * draw.uniform(1, 1, 1)) * max(height, width) * math.pi
        wave = math.sqrt(2) * (frequency * plane(2 * math.pi * draw.uniform(), height, width)).sin()
        lines = torch.where(draw.are("rows").view(-1, 1, 1, 1), rows.expand_as(wave), columns.expand_as(wave))
        return Realisation(
            draw.severity, {"lines": torch.where(draw.are("screen").view(-1, 1, 1, 1), wave, lines)}
        )

    def damaged(self, image: Tensor, amount: Tensor, realisation: Realisation) -> Tensor:
        return image + amount / 255 * realisation["lines"].to(image)


class Halo(OtherKind):
    """Sharpened too much; the severity is the amount of the unsharp mask, in per cent."""

    name = "halo"
    severity = Severity(symbol="amount", unit="%", off=0, mild=60, strong=400, typical=180, logarithmic=True)
    kinds = ("unsharp mask",)
    order = 46
    reach = 7  # px

    def make(self, draw: Draw) -> Realisation:
        return Realisation(draw.severity, {"radius": 0.7 + 1.8 * draw.uniform()})

    def damaged(self, image: Tensor, amount: Tensor, realisation: Realisation) -> Tensor:
        places = torch.arange(-self.reach, self.reach + 1, device=image.device).view(1, -1)
        line = torch.exp(-((places / realisation["radius"].to(image).view(-1, 1)) ** 2) / 2)  # (B, k)
        line = (line / line.sum(1, keepdim=True)).repeat_interleave(3, 0).view(3 * len(image), 1, 1, -1)
        soft = F.pad(image, (self.reach,) * 4, mode="replicate").flatten(0, 1)[None]  # (1, 3 B, H, W)
        soft = F.conv2d(F.conv2d(soft, line, groups=len(line)), line.transpose(2, 3), groups=len(line))
        return (image + amount / 100 * (image - soft.view_as(image))).clamp(0, 1)


class Blocks(OtherKind):
    """Squares of one colour, that of their middle; the severity is their side, in px."""

    name = "blocks"
    severity = Severity(symbol="side", unit="px", off=1, mild=2, strong=8, typical=4)
    kinds = ("nearest",)
    order = 31

    def damaged(self, image: Tensor, amount: Tensor, realisation: Realisation) -> Tensor:
        side = realisation.severity.to(image.device).round().long().view(-1, 1)
        height, width = image.shape[2:]
        rows, columns = (
            ((torch.arange(n, device=image.device).view(1, -1) // side) * side + side // 2).clamp(max=n - 1)
            for n in (height, width)
        )
        tall = image.gather(2, rows.view(-1, 1, height, 1).expand_as(image))
        return tall.gather(3, columns.view(-1, 1, 1, width).expand_as(image))


class Scratches(OtherKind):
    """Thin lines; the severity is their number."""

    name = "scratches"
    severity = Severity(symbol="number", unit="", off=0, mild=4, strong=40, typical=15, logarithmic=True)
    kinds = ("bright", "dark")
    order = 44
    most = 40

    def make(self, draw: Draw) -> Realisation:
        return Realisation(draw.severity, {"at": draw.uniform(self.most, 4), "tone": draw.are("bright").float()})

    def damaged(self, image: Tensor, amount: Tensor, realisation: Realisation) -> Tensor:
        height, width = image.shape[2:]
        down = torch.arange(height, device=image.device).view(1, 1, -1, 1)
        right = torch.arange(width, device=image.device).view(1, 1, 1, -1)
        tone = of(realisation["tone"], image)
        for number, at in enumerate(realisation["at"].to(image).unbind(1)):
            top, left, lean, length = (value.view(-1, 1, 1, 1) for value in at.unbind(1))
            angle = math.pi / 2 + 0.5 * (2 * lean - 1)
            y, x = down - top * height, right - left * width
            across = (y * angle.cos() - x * angle.sin()).abs()
            along = (y * angle.sin() + x * angle.cos()).abs()
            line = (1.2 - across).clamp(0, 1) * (along < (0.1 + 0.5 * length) * height)
            there = amount > number
            image = image + 0.8 * line * there * (tone - image)
        return image


class Fringe(OtherKind):
    """Red and blue moved apart by the lens; the severity is how far in the corners, in px."""

    name = "fringe"
    severity = Severity(symbol="shift", unit="px", off=0, mild=1, strong=5, typical=2.5)
    kinds = ("lateral",)
    order = 22

    def make(self, draw: Draw) -> Realisation:
        return Realisation(draw.severity, {"sign": (draw.uniform() > 0.5).float() * 2 - 1})

    def damaged(self, image: Tensor, amount: Tensor, realisation: Realisation) -> Tensor:
        height, width = image.shape[2:]
        grow = realisation.severity.to(image) * realisation["sign"].to(image) / math.hypot(height, width)
        moved = []
        for channel, factor in enumerate((1, 0, -1)):
            scale = 1 + factor * grow
            matrix = torch.zeros(len(image), 2, 3).to(image)
            matrix[:, 0, 0] = matrix[:, 1, 1] = scale
            grid = F.affine_grid(matrix, [len(image), 1, height, width], align_corners=False)
            one = image[:, channel : channel + 1]
            moved.append(
                one if factor == 0 else F.grid_sample(one, grid, padding_mode="border", align_corners=False)
            )
        return torch.cat(moved, 1)
