"""The path of a hand, found in the picture that it blurred.

    y = k * x + n        x is looked for with few edges, k with few places, in turns, from coarse to fine

A sharp picture has flat areas and sharp edges between them, and a blurred one does not: so the sharp picture is
guessed as the one of fewest changes that the kernel found so far still carries to y (half-quadratic splitting),
and the kernel is the one that carries its strongest edges to those of y (conjugate gradients). Where x lies is not
to be known: the kernel is centred, and the picture may come back shifted by some pixels.

Xu, Zheng & Jia, "Unnatural L0 sparse representation for natural image deblurring", 2013,
https://doi.org/10.1109/CVPR.2013.147
Cho & Lee, "Fast motion deblurring", 2009, https://doi.org/10.1145/1618452.1618491
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["KERNEL", "across", "along", "estimated", "fast_size", "spectrum_of", "wrapped"]

KERNEL = 27  # px a side
COARSEST = 5  # px a side, of the kernel on the coarsest level
TURNS = 5  # on each level
EDGES = 0.016  # price of a change of the sharp picture, in units of the squared error
STEEPER = 8.0  # factor of the splitting's weight from step to step
TIGHTEST = 1e3  # of the splitting's weight
SPREAD = 8.0  # price of a kernel's squared norm
FAINT = 0.05  # of a kernel's largest value, below which a place is none
SPECK = 0.1  # of the light, less than which a separate part of the kernel is none


def across(x: Tensor) -> Tensor:
    """Changes to the right, periodic; (..., H, W)."""
    return x.roll(-1, -1) - x


def along(x: Tensor) -> Tensor:
    """Changes downwards, periodic; (..., H, W)."""
    return x.roll(-1, -2) - x


def back(right: Tensor, down: Tensor) -> Tensor:
    """The adjoint of both changes together."""
    return right.roll(1, -1) - right + down.roll(1, -2) - down


def laplacian(size: tuple[int, int]) -> Tensor:
    """Sum of the squared spectra of both changes, for pictures of that size; (H, W // 2 + 1)."""
    import torch

    rows, columns = (2 - 2 * torch.cos(2 * math.pi * torch.arange(n) / n) for n in size)
    return rows[:, None] + columns[None, : size[1] // 2 + 1]


def spectrum_of(kernel: Tensor, size: tuple[int, int]) -> Tensor:
    """Spectrum of a centred kernel, (k, k), for pictures of that size; (H, W // 2 + 1)."""
    import torch
    import torch.nn.functional as F

    side = kernel.shape[0]
    padded = F.pad(kernel, (0, size[1] - side, 0, size[0] - side))
    return torch.fft.rfft2(padded.roll((-(side // 2), -(side // 2)), (0, 1)))


def kernel_of(spectrum: Tensor, side: int, size: tuple[int, int]) -> Tensor:
    """The middle of what has this spectrum, (side, side)."""
    import torch

    whole = torch.fft.irfft2(spectrum, s=size)
    return whole.roll((side // 2, side // 2), (0, 1))[:side, :side]


def fast_size(least: int) -> int:
    """The next even number that Fourier transforms are fast at."""
    while True:
        rest = least
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1 and least % 2 == 0:
            return least
        least += 1


def wrapped(image: Tensor, margin: int) -> Tensor:
    """Go on with a picture, (..., H, W), to the right and downwards, so that its ends meet smoothly."""
    import torch

    for axis in (-1, -2):
        length = image.shape[axis]
        more = min(fast_size(length + min(margin, length // 2)) - length, length - 1)
        ramp = torch.linspace(0, 1, more + 2)[1:-1]
        ramp = (3 * ramp**2 - 2 * ramp**3).view(-1, *(1,) * (-1 - axis))
        mirrored = image.flip(axis)
        end, start = mirrored.narrow(axis, 0, more), mirrored.narrow(axis, length - more, more)
        image = torch.cat([image, end * (1 - ramp) + start * ramp], axis)
    return image


def estimated(grey: Tensor, side: int = KERNEL) -> Tensor:
    """Find the kernel of a picture.

    grey: (H, W), in [0, 1].
    side: of the kernel, px, odd.
    Returns (side, side), not negative, of sum 1, centred; a single point where the picture has no edges.
    """
    import torch.nn.functional as F

    sides = [side]
    while sides[-1] > COARSEST:
        sides.append(max(3, round(sides[-1] / math.sqrt(2)) | 1))
    price, kernel = EDGES, None
    for one in reversed(sides):
        scale = one / side
        level = F.interpolate(grey[None, None], scale_factor=scale, mode="bicubic", antialias=True)[0, 0]
        if min(level.shape) < 2 * one:
            continue
        kernel = started(one) if kernel is None else enlarged(kernel, one)
        kernel, price = refined(level if scale < 1 else grey, kernel, price)
    return point(side) if kernel is None else centred(kernel)


def started(side: int) -> Tensor:
    """Two points side by side, from which the coarsest level starts."""
    import torch

    kernel = torch.zeros(side, side)
    kernel[side // 2, side // 2 - 1 : side // 2 + 1] = 0.5
    return kernel


def point(side: int) -> Tensor:
    """The kernel that changes nothing."""
    import torch

    kernel = torch.zeros(side, side)
    kernel[side // 2, side // 2] = 1
    return kernel


def enlarged(kernel: Tensor, side: int) -> Tensor:
    """The kernel on a finer level."""
    import torch.nn.functional as F

    larger = F.interpolate(kernel[None, None], size=(side, side), mode="bicubic")[0, 0].clamp_min(0)
    return larger / larger.sum()


def refined(image: Tensor, kernel: Tensor, price: float) -> tuple[Tensor, float]:
    """Look for sharp picture and kernel in turns.

    image: (H, W) of this level.
    kernel: to begin with.
    price: of a change of the sharp picture, and what it is in the end.
    """
    import torch

    side = kernel.shape[0]
    (height, width), whole = image.shape, wrapped(image, 2 * side)
    inside = torch.zeros_like(whole)
    inside[: height - 1, : width - 1] = 1
    blurred = across(whole) * inside, along(whole) * inside
    least: float | None = None
    for _ in range(TURNS):
        sharp = with_few_changes(whole, kernel, price)
        right, down = across(sharp), along(sharp)
        size = right.square() + down.square()
        least = strongest(right, down, size, side) if least is None else least / 1.1
        kept = (size >= least) * inside
        kernel = carrying((right * kept, down * kept), blurred, side)
        price = max(price / 1.1, 1e-4)
    return kernel, price


def with_few_changes(image: Tensor, kernel: Tensor, price: float) -> Tensor:
    """The picture of fewest changes that the kernel carries to the image, (H, W), both periodic."""
    import torch

    size = (image.shape[0], image.shape[1])
    spectrum, steps = spectrum_of(kernel, size), laplacian(size)
    seen, power = spectrum.conj() * torch.fft.rfft2(image), spectrum.abs().square()
    sharp, weight = image, 2 * price
    while weight < TIGHTEST:
        right, down = across(sharp), along(sharp)
        none = right.square() + down.square() < price / weight
        changes = torch.fft.rfft2(back(right.masked_fill(none, 0), down.masked_fill(none, 0)))
        sharp = torch.fft.irfft2((seen + weight * changes) / (power + weight * steps), s=size)
        weight *= STEEPER
    return sharp


def strongest(right: Tensor, down: Tensor, size: Tensor, side: int) -> float:
    """The squared change above which there are enough edges of every direction for a kernel of that side."""
    import torch

    direction = (torch.atan2(down, right) % math.pi / (math.pi / 4)).long().clamp(0, 3)
    wanted, least = (2 * side) ** 2, []
    for sector in range(4):
        changes = size[direction == sector]
        least.append(float(changes.topk(wanted).values[-1]) if len(changes) > wanted else 0.0)
    return min(least)


def carrying(sharp: tuple[Tensor, Tensor], blurred: tuple[Tensor, Tensor], side: int) -> Tensor:
    """The kernel that carries the changes of the sharp picture to those of the blurred one, by least squares."""
    import torch

    size = (blurred[0].shape[0], blurred[0].shape[1])
    spectra = [torch.fft.rfft2(change) for change in sharp]
    seen = sum(s.conj() * torch.fft.rfft2(b) for s, b in zip(spectra, blurred, strict=True))
    power = sum(s.abs().square() for s in spectra)

    def normal(kernel: Tensor) -> Tensor:
        return kernel_of(power * spectrum_of(kernel, size), side, size) + SPREAD * kernel

    kernel = torch.full((side, side), 1 / side**2)
    rest = kernel_of(seen, side, size) - normal(kernel)
    direction, left = rest, rest.square().sum()
    for _ in range(25):
        product = normal(direction)
        step = left / (direction * product).sum().clamp_min(1e-20)
        kernel, rest = kernel + step * direction, rest - step * product
        before, left = left, rest.square().sum()
        if left < 1e-9 * before:
            break
        direction = rest + left / before.clamp_min(1e-20) * direction
    kernel = torch.where(kernel < FAINT * kernel.max(), 0.0, kernel)
    total = kernel.sum()
    if not bool(torch.isfinite(total)) or total <= 0:
        return point(side)
    return centred(in_one_piece(kernel / total))


def in_one_piece(kernel: Tensor) -> Tensor:
    """The kernel without its specks."""
    import torch
    import torch.nn.functional as F

    there = (kernel > 0).float()[None, None]
    part = torch.arange(1.0, kernel.numel() + 1).view_as(there) * there
    while True:
        grown = F.max_pool2d(part, 3, 1, 1) * there
        if torch.equal(grown, part):
            break
        part = grown
    part = part[0, 0].long()
    light = torch.zeros(kernel.numel() + 1).index_add(0, part.flatten(), kernel.flatten())
    kept = kernel * (light[part] >= min(SPECK, float(light.max())))
    return kept / kept.sum()


def centred(kernel: Tensor) -> Tensor:
    """The kernel, moved by whole pixels to where its light is in the middle."""
    import torch

    middle, place = kernel.shape[0] // 2, torch.arange(kernel.shape[0], dtype=kernel.dtype)
    shift = [middle - round(float((kernel.sum(1 - axis) * place).sum())) for axis in (0, 1)]
    return kernel.roll(tuple(shift), (0, 1))
