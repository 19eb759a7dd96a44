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
        return (image.clamp(0, 1) ** 2.2 * 2 ** -of(realisation.severity, image)) ** (1 / 2.2)


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
        loss = 2 ** (-of(realisation.severity, image) * realisation["away"].to(image))
        return (image.clamp(0, 1) ** 2.2 * loss) ** (1 / 2.2)


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
        return (image.clamp(0, 1) * top).round() / top


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

    def make(self, draw: Draw) -> Realisation:
        return Realisation(draw.severity, {"radius": 0.7 + 1.8 * draw.uniform()})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        import torch

        out = []
        for one, radius in zip(image, realisation["radius"].tolist(), strict=True):
            reach = math.ceil(3 * radius)
            line = torch.exp(-((torch.arange(-reach, reach + 1).to(image) / radius) ** 2) / 2)
            line = (line / line.sum()).expand(3, 1, 1, -1)
            soft = torch.nn.functional.pad(one[None], (reach,) * 4, mode="replicate")
            soft = torch.nn.functional.conv2d(soft, line, groups=3)
            out.append(torch.nn.functional.conv2d(soft, line.transpose(2, 3), groups=3))
        return (image + of(realisation.severity, image) / 100 * (image - torch.cat(out))).clamp(0, 1)


class Blocks(Degradation):
    """Squares of one colour; the severity is their side, in px."""

    name = "blocks"
    severity = Severity(symbol="side", unit="px", off=1, mild=2, strong=8, typical=4)
    kinds = ("mean",)
    order = 31

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        import torch
        import torch.nn.functional as F

        height, width = image.shape[2:]
        out = []
        for one, side in zip(image, realisation.severity.round().int().tolist(), strict=True):
            padded = F.pad(one[None], (0, -width % side, 0, -height % side), mode="replicate")
            means = F.avg_pool2d(padded, side).repeat_interleave(side, 2).repeat_interleave(side, 3)
            out.append(means[..., :height, :width])
        return torch.cat(out)


class Scratches(Degradation):
    """Thin lines; the severity is their number in a picture of 256x256."""

    name = "scratches"
    severity = Severity(symbol="number", unit="", off=0, mild=4, strong=40, typical=15, logarithmic=True)
    kinds = ("bright", "dark")
    order = 44
    most = 40

    def make(self, draw: Draw) -> Realisation:
        height, width = draw.shape[2:]
        return Realisation(
            draw.severity,
            {
                "at": draw.uniform(self.most, 4),
                "tone": draw.are("bright").float(),
                "area": draw.severity.new_full((draw.shape[0],), height * width / 256**2),
            },
        )

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        import torch

        height, width = image.shape[2:]
        down = torch.arange(height).to(image).view(-1, 1)
        right = torch.arange(width).to(image).view(1, -1)
        out = image.clone()
        counts = (realisation.severity.to(image) * realisation["area"].to(image)).ceil().int().tolist()
        for i, count in enumerate(counts):
            for at in realisation["at"][i, :count].tolist():
                angle = math.pi / 2 + 0.5 * (2 * at[2] - 1)
                y, x = down - at[0] * height, right - at[1] * width
                across = (y * math.cos(angle) - x * math.sin(angle)).abs()
                along = (y * math.sin(angle) + x * math.cos(angle)).abs()
                line = (1.2 - across).clamp(0, 1) * (along < (0.1 + 0.5 * at[3]) * height)
                out[i] += 0.8 * line * (realisation["tone"][i].to(image) - out[i])
        return out


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
        return torch.cat(moved, 1)


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
