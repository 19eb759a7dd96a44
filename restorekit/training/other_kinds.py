"""Degradations that no basis removes, simply made: what the encoder's query has to be open to.

A later basis brings a key that reads the query of an encoder which has never heard of it. How well that goes is
measured with these (`restorekit.training.openness`); and every later key is fitted beside them, so that a picture
with something strange about it is not taken for one that needs the basis.

    haze      image t + light (1 - t), t falling with the depth          Koschmieder, 1924
    dark      image 2^-stops, in linear light; a noisy sensor is another matter
    cast      channels times gains, as under another light's white balance
    faded     contrast lost and colours washed out, as in an old print
    vignette  light lost towards the corners
    impulse   pixels that are black, white, or of any value
    banding   fewer levels
    stripes   rows or columns with an offset of their own, or a sine across the picture, as of a screen
    halo      sharpened too much
    blocks    squares of one colour
    scratches thin lines, bright or dark
    fringe    red and blue moved apart, growing from the middle, as by a lens
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from restorekit.degradation import Degradation, Draw, Realisation, Severity

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["OTHER_KINDS", "strangers_to"]


def of(numbers: Tensor, image: Tensor) -> Tensor:
    """Numbers of each picture, (B,), as (B, 1, 1, 1), of the picture's type."""
    return numbers.to(image).view(-1, 1, 1, 1)


def where_any(there: Tensor, degraded: Tensor, image: Tensor) -> Tensor:
    """The degraded pictures, and where there is nothing to degrade the picture itself, to the bit."""
    import torch

    return torch.where(there, degraded, image)


def plane(angle: Tensor, height: int, width: int) -> Tensor:
    """Heights from -1 to 1, (B, 1, H, W), that rise in the direction of an angle, (B,), in radians."""
    import torch

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
        import torch

        # Far above, near below, with hills between.
        slope = plane(math.pi / 2 + 0.6 * (2 * draw.uniform() - 1), *draw.shape[2:])
        hills = torch.nn.functional.interpolate(
            draw.uniform(1, 5, 5), tuple(draw.shape[2:]), mode="bicubic", align_corners=False
        )
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
        return where_any(stops > 0, (image.clamp(0, 1) ** 2.2 * 2**-stops) ** (1 / 2.2), image)


class Cast(Degradation):
    """White balance of another light; the severity is how far the gains of two channels are apart, in per cent."""

    name = "cast"
    severity = Severity(symbol="cast", unit="%", off=0, mild=15, strong=60, typical=35)
    kinds = ("warm or cool",)
    order = 41

    def make(self, draw: Draw) -> Realisation:
        import torch

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
        import torch

        centre = 0.3 * (2 * draw.uniform(2, 1, 1) - 1)
        down = torch.linspace(-1, 1, draw.shape[2], device=draw.device).view(1, -1, 1)
        right = torch.linspace(-1, 1, draw.shape[3], device=draw.device).view(1, 1, -1)
        radius = (down - centre[:, 0]) ** 2 + (right - centre[:, 1]) ** 2
        away = (radius / 2)[:, None] ** (0.8 + 0.8 * draw.uniform(1, 1, 1))
        return Realisation(draw.severity, {"away": away})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        stops = of(realisation.severity, image)
        loss = 2 ** (-stops * realisation["away"].to(image))
        return where_any(stops > 0, (image.clamp(0, 1) ** 2.2 * loss) ** (1 / 2.2), image)


class Impulse(Degradation):
    """Pixels that are wrong; the severity is their share, in per cent."""

    name = "impulse"
    severity = Severity(symbol="share", unit="%", off=0, mild=0.5, strong=20, typical=5, logarithmic=True)
    kinds = ("salt and pepper", "any value")
    order = 42

    def make(self, draw: Draw) -> Realisation:
        import torch

        height, width = draw.shape[2:]
        value = draw.uniform(3, height, width)
        two = (value[:, :1] > 0.5).to(value).expand_as(value)
        value = torch.where(draw.are("any value").view(-1, 1, 1, 1), value, two)
        return Realisation(draw.severity, {"where": draw.uniform(1, height, width), "value": value})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        import torch

        hit = realisation["where"].to(image) < of(realisation.severity, image) / 100
        return torch.where(hit, realisation["value"].to(image), image)


class Banding(Degradation):
    """Fewer levels; the severity is how many there are of each channel."""

    name = "banding"
    severity = Severity(symbol="levels", unit="", off=256, mild=32, strong=5, typical=12, logarithmic=True)
    kinds = ("even",)
    order = 48

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        top = of(realisation.severity, image).round() - 1
        return where_any(top < 255, (image.clamp(0, 1) * top).round() / top, image)


class Stripes(Degradation):
    """Lines across the picture; the severity is their root mean square on the 0-255 scale."""

    name = "stripes"
    severity = Severity(symbol="rms", unit="", off=0, mild=2, strong=25, typical=8, logarithmic=True)
    kinds = ("rows", "columns", "screen")
    order = 43

    def make(self, draw: Draw) -> Realisation:
        import torch

        height, width = draw.shape[2:]
        rows, columns = draw.normal(1, height, 1), draw.normal(1, 1, width)
        frequency = (0.05 + 0.35 * draw.uniform(1, 1, 1)) * max(height, width) * math.pi
        wave = math.sqrt(2) * (frequency * plane(2 * math.pi * draw.uniform(), height, width)).sin()
        lines = torch.where(draw.are("rows").view(-1, 1, 1, 1), rows.expand_as(wave), columns.expand_as(wave))
        return Realisation(
            draw.severity, {"lines": torch.where(draw.are("screen").view(-1, 1, 1, 1), wave, lines)}
        )

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        return image + of(realisation.severity, image) / 255 * realisation["lines"].to(image)


class Halo(Degradation):
    """Sharpened too much; the severity is the amount of the unsharp mask, in per cent."""

    name = "halo"
    severity = Severity(symbol="amount", unit="%", off=0, mild=60, strong=400, typical=180, logarithmic=True)
    kinds = ("unsharp mask",)
    order = 46
    reach = 7  # px

    def make(self, draw: Draw) -> Realisation:
        return Realisation(draw.severity, {"radius": 0.7 + 1.8 * draw.uniform()})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        import torch
        import torch.nn.functional as F

        places = torch.arange(-self.reach, self.reach + 1, device=image.device).view(1, -1)
        line = torch.exp(-((places / realisation["radius"].to(image).view(-1, 1)) ** 2) / 2)  # (B, k)
        line = (line / line.sum(1, keepdim=True)).repeat_interleave(3, 0).view(3 * len(image), 1, 1, -1)
        soft = F.pad(image, (self.reach,) * 4, mode="replicate").flatten(0, 1)[None]  # (1, 3 B, H, W)
        soft = F.conv2d(F.conv2d(soft, line, groups=len(line)), line.transpose(2, 3), groups=len(line))
        sharp = image + of(realisation.severity, image) / 100 * (image - soft.view_as(image))
        return where_any(of(realisation.severity, image) > 0, sharp.clamp(0, 1), image)


class Blocks(Degradation):
    """Squares of one colour, that of their middle; the severity is their side, in px."""

    name = "blocks"
    severity = Severity(symbol="side", unit="px", off=1, mild=2, strong=8, typical=4)
    kinds = ("nearest",)
    order = 31

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        import torch

        side = realisation.severity.to(image.device).round().long().view(-1, 1)
        height, width = image.shape[2:]
        rows, columns = (
            ((torch.arange(n, device=image.device).view(1, -1) // side) * side + side // 2).clamp(max=n - 1)
            for n in (height, width)
        )
        tall = image.gather(2, rows.view(-1, 1, height, 1).expand_as(image))
        return tall.gather(3, columns.view(-1, 1, 1, width).expand_as(image))


class Scratches(Degradation):
    """Thin lines; the severity is their number."""

    name = "scratches"
    severity = Severity(symbol="number", unit="", off=0, mild=4, strong=40, typical=15, logarithmic=True)
    kinds = ("bright", "dark")
    order = 44
    most = 40

    def make(self, draw: Draw) -> Realisation:
        return Realisation(draw.severity, {"at": draw.uniform(self.most, 4), "tone": draw.are("bright").float()})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        import torch

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
            there = of(realisation.severity, image) > number
            image = image + 0.8 * line * there * (tone - image)
        return image


class Fringe(Degradation):
    """Red and blue moved apart by the lens; the severity is how far in the corners, in px."""

    name = "fringe"
    severity = Severity(symbol="shift", unit="px", off=0, mild=1, strong=5, typical=2.5)
    kinds = ("lateral",)
    order = 22

    def make(self, draw: Draw) -> Realisation:
        return Realisation(draw.severity, {"sign": (draw.uniform() > 0.5).float() * 2 - 1})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        import torch

        height, width = image.shape[2:]
        grow = realisation.severity.to(image) * realisation["sign"].to(image) / math.hypot(height, width)
        moved = []
        for channel, factor in enumerate((1, 0, -1)):
            scale = 1 + factor * grow
            matrix = torch.zeros(len(image), 2, 3).to(image)
            matrix[:, 0, 0] = matrix[:, 1, 1] = scale
            grid = torch.nn.functional.affine_grid(matrix, [len(image), 1, height, width], align_corners=False)
            one = image[:, channel : channel + 1]
            moved.append(
                one
                if factor == 0
                else torch.nn.functional.grid_sample(one, grid, padding_mode="border", align_corners=False)
            )
        return where_any(of(realisation.severity, image) > 0, torch.cat(moved, 1), image)


OTHER_KINDS: tuple[type[Degradation], ...] = (
    Haze,
    Dark,
    Cast,
    Faded,
    Vignette,
    Impulse,
    Banding,
    Stripes,
    Halo,
    Blocks,
    Scratches,
    Fringe,
)


def strangers_to(known: Iterable[Degradation]) -> tuple[Degradation, ...]:
    """Make one of each whose name no known degradation has."""
    names = {degradation.name for degradation in known}
    return tuple(kind() for kind in OTHER_KINDS if kind.name not in names)
