"""Pictures as cameras make them, with noise and without.

    raw = mosaic(A curve^-1(image) / gains),   noisy = (Poisson(raw N) + read n) / N,   n ~ N(0, 1)
    clean, picture = develop(raw), develop(noisy),   N: electrons of a full pixel

The noise plugin's kind `camera` adds a camera's noise to a photograph and leaves that as sharp as it was. Here the
photograph too has gone through lens, mosaic, smoothing and sharpening: what is wanted back looks so. Everything
is drawn wide, for no list of cameras is whole: tone curves through random points, any mixture of colours near
enough, four ways of interpolating, and any smoothing and sharpening after it, or none.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from restorekit.composition import Compose

__all__ = ["CAMERAS", "NOISE", "PATCHES", "Shooting", "shot_pair"]

NOISE = "noise"  # what cameras make
CAMERAS, PATCHES = 4, 16  # for a group of patches at least, and of one camera at most

KNOTS, UNEVEN = 7, 1.2  # of a tone curve; how unlike its steps are, in the logarithm
OWN, LEAK, SPREAD = 0.7, 0.1, 0.12  # of the colours: what a filter sees of its own, of the others, and by chance
FULL = 0.9  # of the sensor's range: the brightest of a picture
ELECTRONS = (500.0, 20000.0)  # of a full pixel, drawn evenly in the logarithm
READ = (2.0, 7.0)  # electrons
LENS = (0.35, 1.1)  # px, deviation of its blur
NARROW, WIDE = (1.0, 2.0, 1.0), (1.0, 4.0, 6.0, 4.0, 1.0)  # weights of the neighbours that a colour is taken from
THRESHOLD = (0.004, 0.032)  # of luma's smoothing
# Shares of the cameras with a lens that blurs, whose colour is smoothed by medians and by means, whose luma is
# smoothed, and whose luma is sharpened.
BLURRED, MEDIANS, MEANS, SMOOTHED, SHARPENED = 0.6, 0.25, 0.25, 0.3, 0.4
SHARPEST = 0.8


@dataclass(frozen=True)
class Shooting:
    """One camera in one setting.

    dice: numbers from 0 to 1 that make it.
    colours: linear colours to what the filters see, (3, 3).
    curve: the display's values at KNOTS + 1 even steps of the root of light, rising from 0 to 1.
    """

    dice: Sequence[float]
    colours: Tensor
    curve: Tensor

    @classmethod
    def draw(cls, generator: Generator) -> Shooting:
        """Draw camera and setting."""
        steps = (UNEVEN * (torch.rand(KNOTS, generator=generator) - 0.5)).exp().cumsum(0)
        colours = OWN * torch.eye(3) + LEAK + SPREAD * (torch.rand(3, 3, generator=generator) - 0.5)
        dice = torch.rand(15, generator=generator).tolist()
        curve = torch.cat([torch.zeros(1), steps / steps[-1]])
        return cls(dice, colours / colours.sum(1, keepdim=True), curve)

    def shoot(self, image: Tensor, generator: Generator, *, noisy: bool) -> tuple[Tensor, Tensor]:
        """Photograph without noise and, if it is `noisy`, with it.

        image: scenes, (B, 3, H, W), in [0, 1]; both pictures are of the same shape and range.
        generator: draws the noise, on the image's device.
        """
        mosaic = self.exposed(image)
        clean = self.developed(mosaic)
        if not noisy:
            return clean, clean
        electrons = ELECTRONS[0] * (ELECTRONS[1] / ELECTRONS[0]) ** self.dice[0]
        read = READ[0] + (READ[1] - READ[0]) * self.dice[1]
        counts = torch.poisson((mosaic * electrons).clamp_min(0), generator=generator)
        noise = read * torch.randn(mosaic.shape, generator=generator, device=mosaic.device)
        return clean, self.developed((counts + noise) / electrons)

    @cached_property
    def gains(self) -> Tensor:
        """Gains of the white balance, (3, 1, 1)."""
        return torch.tensor([1.3 + 1.2 * self.dice[2], 1.0, 1.3 + 1.1 * self.dice[3]]).view(3, 1, 1)

    def mask(self, height: int, width: int) -> Tensor:
        """Mark what each pixel of the mosaic sees, (3, H, W)."""
        rows, columns = (
            ((torch.arange(n) + int(2 * die)) % 2 == 0)
            for n, die in zip((height, width), self.dice[4:6], strict=True)
        )
        red, blue = rows[:, None] & columns, ~rows[:, None] & ~columns
        return torch.stack([red, ~(red | blue), blue]).float()

    def knots(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Places and heights of the tone curve's points, (KNOTS + 1,) each, where another tensor is."""
        return torch.linspace(0, 1, KNOTS + 1, device=like.device), self.curve.to(like)

    def exposed(self, image: Tensor) -> Tensor:
        """The mosaic of scenes, (B, 1, H, W), from 0 to 1."""
        even, curve = self.knots(image)
        light = interpolated(image, curve, even).square()
        if self.dice[6] < BLURRED:
            width = LENS[0] + (LENS[1] - LENS[0]) * self.dice[14]
            light = weighted(light, [math.exp(-((x / width) ** 2) / 2) for x in range(-3, 4)])
        seen = torch.einsum("ij,bjhw->bihw", self.colours.to(light), light) * FULL / self.gains.to(light)
        return (seen * self.mask(*image.shape[-2:]).to(seen)).sum(1, keepdim=True)

    def developed(self, mosaic: Tensor) -> Tensor:
        """The pictures of mosaics, (B, 1, H, W)."""
        mask = self.mask(*mosaic.shape[-2:]).to(mosaic)
        green = filled(mosaic, mask[1:2], NARROW if self.dice[7] < 0.5 else WIDE)
        weights = NARROW if self.dice[8] < 0.5 else WIDE
        red, blue = (green + filled(mosaic - green, mask[i : i + 1], weights, keep=False) for i in (0, 2))
        sensed = torch.cat([red, green, blue], 1) * self.gains.to(mosaic) / FULL
        light = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(self.colours).to(sensed), sensed).clamp(0, 1)
        picture = interpolated(light.sqrt(), *self.knots(light))
        luma = picture.mean(1, keepdim=True)
        colour = self.smoothed(picture - luma)
        detail = luma - weighted(luma, (1.0, 1.0, 1.0))
        if self.dice[10] < SMOOTHED:
            threshold = THRESHOLD[0] * (THRESHOLD[1] / THRESHOLD[0]) ** self.dice[11]
            luma = luma + (0.3 + 0.7 * self.dice[12]) * (F.softshrink(detail, threshold) - detail)
        if self.dice[13] < SHARPENED:
            luma = luma + SHARPEST * self.dice[13] / SHARPENED * detail
        return (luma + colour).clamp(0, 1)

    def smoothed(self, colour: Tensor) -> Tensor:
        """Smooth colours, (B, 3, H, W), as this camera does."""
        if self.dice[9] < MEDIANS:
            # Not kornia's, which a machine that is lent for a burst does not have.
            around = F.unfold(F.pad(colour, (1,) * 4, mode="reflect"), 3).unflatten(1, (colour.shape[1], 9))
            return around.median(2).values.view_as(colour)
        return weighted(colour, (1.0,) * 5) if self.dice[9] < MEDIANS + MEANS else colour


def shot_pair(
    compose: Compose, removed: Collection[str], clean: Tensor, generator: Generator, choices: Generator
) -> tuple[Tensor, Tensor]:
    """Photograph patches, (B, 3, H, W), by some cameras, and again as they are without what is to be removed.

    compose: what was drawn; what its noise would be is not looked at. What comes before it in physical order the
        cameras see, what comes after happens to their pictures.
    removed: names of what the second pictures are without. Noise that is kept is that of the first ones.
    generator: draws the noise.
    choices: on the CPU, draws the cameras.
    Returns what is seen and what is wanted, both (B, 3, H, W).
    """
    names = [step.degradation.name for step in compose.steps]
    sensor = names.index(NOISE)
    before, after = Compose(compose.steps[:sensor]), Compose(compose.steps[sensor + 1 :])
    scenes = before.apply(clean)
    alike = not set(names[:sensor]) & set(removed)
    wanted = scenes if alike else before.without(removed).apply(clean)
    pairs, count = [], max(CAMERAS, len(clean) // PATCHES)
    for scene, other in zip(scenes.chunk(count), wanted.chunk(count), strict=True):
        camera = Shooting.draw(choices)
        plain, noisy = camera.shoot(scene, generator, noisy=True)
        target = plain if alike else camera.shoot(other, generator, noisy=False)[0]
        if NOISE not in removed:
            target = noisy if alike else (target + noisy - plain).clamp(0, 1)
        pairs.append((noisy, target))
    seen, target = (torch.cat(side) for side in zip(*pairs, strict=True))
    return after.apply(seen), after.without(removed).apply(target)


def interpolated(values: Tensor, places: Tensor, heights: Tensor) -> Tensor:
    """Go from values between 0 and 1 to those of a line through points, (K,) each, rising."""
    inside = values.clamp(0, 1)
    above = torch.searchsorted(places, inside.contiguous()).clamp(1, len(places) - 1)
    low, high = places[above - 1], places[above]
    return heights[above - 1] + (inside - low) / (high - low) * (heights[above] - heights[above - 1])


def weighted(picture: Tensor, weights: Sequence[float]) -> Tensor:
    """Take means of neighbours, (B, C, H, W), with weights along each axis."""
    row = torch.tensor(weights, device=picture.device) / sum(weights)
    kernel = torch.outer(row, row).expand(picture.shape[1], 1, -1, -1)
    padded = F.pad(picture, (len(weights) // 2,) * 4, mode="reflect")
    return F.conv2d(padded, kernel, groups=picture.shape[1])


def filled(mosaic: Tensor, mask: Tensor, weights: Sequence[float], *, keep: bool = True) -> Tensor:
    """Fill a colour in where mosaics, (B, 1, H, W), do not see it, from where they do; mask: (1, H, W).

    keep: what they see as it is; else smoothed too.
    """
    means = weighted(mosaic * mask, weights) / weighted(mask[None], weights)
    return torch.where(mask > 0, mosaic, means) if keep else means
