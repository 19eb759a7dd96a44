"""Pictures with noise or without, developed further: what the amount of the noise basis is fitted to.

Some are degraded by noise, JPEG, both or neither, between them developed as people and their programs do; others
are shot by cameras of another make (`restorekit.training.shots`). Some have other degradations, most without
noise: artefacts of JPEG on a blurred picture look like noise that was smoothed. And some are JPEG files of any
quality, made smaller before or not, in half of which there was no noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from restorekit.composition import Compose
from restorekit.degradation import Degradation
from restorekit.training.labelled_pictures import SOFTEST, by_share
from restorekit.training.pairs import as_file
from restorekit.training.photos import random_patches, softened
from restorekit.training.shots import NOISE, Shooting

__all__ = ["BESIDE", "BESIDE_CLEAN", "CLEAN", "MAKES", "SIDES", "drawn", "drawn_beside", "drawn_file", "shot"]

SETS = {"": 0.24, "noise": 0.46, "noise+jpeg": 0.20, "jpeg": 0.10}
KINDS = {"camera": 0.65, "gaussian": 0.10, "correlated": 0.10, "poisson": 0.08, "grain": 0.05, "grey": 0.02}
SETS_BESIDE = {
    "blur+jpeg": 0.20, "lowres+jpeg": 0.20, "rain+jpeg": 0.08, "blur": 0.07, "lowres": 0.07, "rain": 0.06,
    "noise+blur": 0.10, "noise+lowres": 0.06, "noise+rain": 0.08, "noise+blur+jpeg": 0.08,
}  # fmt: skip
SETS_FILES = {
    "jpeg": 0.44, "noise+jpeg": 0.26, "lowres+jpeg": 0.12, "blur+jpeg": 0.06, "rain+jpeg": 0.04,
    "noise+blur+jpeg": 0.05, "noise+lowres+jpeg": 0.03,
}  # fmt: skip
CLEAN, SHOT, SHOT_CLEAN, BESIDE, BESIDE_CLEAN = "clean", "shot", "shot clean", "beside", "beside clean"
MAKES = (CLEAN, *KINDS, SHOT, SHOT_CLEAN, BESIDE, BESIDE_CLEAN)  # of pictures
SIGMAS = (2.0, 25.0)  # drawn evenly in the logarithm
SIDES = (176, 224, 288, 352)  # px of a picture before it is made smaller
SMALLEST = 160  # px
SHOTS_NOISY = 0.65  # share of the shots with noise
SOFTENED, SHOTS_SOFTENED = 0.5, 0.3  # made soft before, as the lens does
TONED, RESIZED, SHOTS_RESIZED = 0.24, 0.21, 0.5  # shares of those developed further
POWER, CONTRAST = 0.45, (-0.36, 0.54)  # of the tone: the logarithm of the power, and of a curve's share
SIZES, SHOTS_SIZES = (0.5, 1.0), (0.5, 1.2)
FILES_SHOT, FILES_RESIZED = 0.25, 0.4  # shares of the files
COMPRESSED, QUALITIES = 0.6, (75, 98)  # of the shots
FILE = {"jpeg": "4:2:0"}  # as nearly all programs write it
ARRAYS = 0.1  # share of the pictures that no file has rounded


def drawn(
    photos: Sequence[Tensor], degradations: Mapping[str, Degradation], generator: Generator
) -> tuple[Tensor, Tensor, str]:
    """Draw a clean picture, (1, 3, s, s), the same degraded and developed further, and its make.

    degradations: by name, of noise and JPEG.
    """
    dice = torch.rand(7, generator=generator).tolist()
    names = [name for name in by_share(SETS, generator).split("+") if name]
    kind = by_share(KINDS, generator)
    clean = random_patches(photos, 1, side_of(dice[0]), generator, emphasis=0.0)
    if dice[1] < SOFTENED:
        clean = softened(clean, 1 + dice[2] * (SOFTEST - 1))
    image = clean
    if NOISE in names:
        sigma = SIGMAS[0] * (SIGMAS[1] / SIGMAS[0]) ** dice[3]
        noise = degradations[NOISE]
        image = Compose.draw([noise], clean.shape, generator, {NOISE: sigma}, {NOISE: kind}).apply(clean)
    if dice[4] < TONED:
        clean, image = toned(torch.cat([clean, image]), generator).chunk(2)
    if dice[5] < RESIZED:
        clean, image = resized(torch.cat([clean, image]), SIZES, generator).chunk(2)
    if "jpeg" in names:
        image = Compose.draw([degradations["jpeg"]], clean.shape, generator).apply(image)
    image = image if dice[6] < ARRAYS else as_file(image, generator, 1.0)
    return clean.clamp(0, 1), image, kind if NOISE in names else CLEAN


def shot(
    photos: Sequence[Tensor], degradations: Mapping[str, Degradation], generator: Generator
) -> tuple[Tensor, Tensor, str]:
    """Shoot a picture, (1, 3, s, s): as `drawn`, by a camera of another make."""
    dice = torch.rand(8, generator=generator).tolist()
    clean = random_patches(photos, 1, side_of(dice[0]), generator, emphasis=0.0)
    if dice[1] < SHOTS_SOFTENED:
        clean = softened(clean, 1 + dice[2] * (SOFTEST - 1))
    noisy = dice[3] < SHOTS_NOISY
    clean, image = Shooting.draw(generator).shoot(clean, generator, noisy=noisy)
    if dice[4] < SHOTS_RESIZED:
        clean, image = resized(torch.cat([clean, image]), SHOTS_SIZES, generator).clamp(0, 1).chunk(2)
    if dice[5] < COMPRESSED:
        quality = QUALITIES[0] + (QUALITIES[1] - QUALITIES[0]) * dice[6]
        image = Compose.draw([degradations["jpeg"]], clean.shape, generator, {"jpeg": round(quality)}, FILE).apply(
            image
        )
    return clean, image if dice[7] < ARRAYS else as_file(image, generator, 1.0), SHOT if noisy else SHOT_CLEAN


def drawn_beside(
    photos: Sequence[Tensor], degradations: Mapping[str, Degradation], generator: Generator
) -> tuple[Tensor, Tensor, str]:
    """Draw a picture, (1, 3, s, s), with other degradations, and now and then with noise; else as `drawn`."""
    dice = torch.rand(3, generator=generator).tolist()
    names = by_share(SETS_BESIDE, generator).split("+")
    clean = random_patches(photos, 1, side_of(dice[0]), generator, emphasis=0.0)
    if dice[1] < SOFTENED:
        clean = softened(clean, 1 + dice[2] * (SOFTEST - 1))
    image = Compose.draw([degradations[name] for name in names], clean.shape, generator).apply(clean)
    return clean, as_file(image, generator, 1.0), BESIDE if NOISE in names else BESIDE_CLEAN


def drawn_file(
    photos: Sequence[Tensor], degradations: Mapping[str, Degradation], generator: Generator
) -> tuple[Tensor, Tensor, str]:
    """Draw a picture, (1, 3, s, s), that was a JPEG file, shot or drawn; else as `drawn`."""
    dice = torch.rand(6, generator=generator).tolist()
    if dice[0] < FILES_SHOT:
        return shot(photos, degradations, generator)
    names = by_share(SETS_FILES, generator).split("+")
    kind = by_share(KINDS, generator)
    clean = random_patches(photos, 1, side_of(dice[1]), generator, emphasis=0.0)
    if dice[2] < SOFTENED:
        clean = softened(clean, 1 + dice[3] * (SOFTEST - 1))
    if dice[4] < FILES_RESIZED:
        clean = resized(clean, SIZES, generator).clamp(0, 1)
    sigma = {NOISE: SIGMAS[0] * (SIGMAS[1] / SIGMAS[0]) ** dice[5]}
    some = [degradations[name] for name in names]
    severities, kinds = (sigma, {NOISE: kind}) if NOISE in names else ({}, {})
    image = Compose.draw(some, clean.shape, generator, severities, kinds).apply(clean)
    alone = not set(names) - {NOISE, "jpeg"}
    with_noise, without = (kind, CLEAN) if alone else (BESIDE, BESIDE_CLEAN)
    return clean, as_file(image, generator, 1.0), with_noise if NOISE in names else without


def side_of(die: float) -> int:
    """Side of a picture, px."""
    return SIDES[int(die * len(SIDES))]


def toned(pictures: Tensor, generator: Generator) -> Tensor:
    """Change the tone of pictures, (B, 3, H, W), alike: a power, and a curve for contrast."""
    power, contrast = torch.rand(2, generator=generator).tolist()
    light = pictures.clamp(0, 1) ** math.exp(POWER * (2 * power - 1))
    return light + (CONTRAST[0] + (CONTRAST[1] - CONTRAST[0]) * contrast) * (
        light * light * (3 - 2 * light) - light
    )


def resized(pictures: Tensor, sizes: tuple[float, float], generator: Generator) -> Tensor:
    """Resize pictures, (B, 3, s, s), alike, by a factor between `sizes`."""
    factor, way = torch.rand(2, generator=generator).tolist()
    side = max(SMALLEST, int(pictures.shape[-1] * (sizes[0] + (sizes[1] - sizes[0]) * factor)))
    mode = "bicubic" if way < 0.5 else "bilinear"
    return F.interpolate(pictures, (side, side), mode=mode, antialias=True, align_corners=False)
