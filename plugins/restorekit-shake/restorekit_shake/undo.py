"""Undoing a shake: the kernel is found in the picture, and the picture deconvolved with it.

    x = argmin |M (k * x) - y|^2 / 2 + TAUT TV(x)        M: what the picture shows of a scene that goes on

What lies beyond the borders is looked for too; without that, borders ring through the whole picture. Total
variation and the mask are split off (ADMM), and what is left is a division of spectra.

Almeida & Figueiredo, "Deconvolving images with unknown boundaries using the alternating direction method of
multipliers", 2013, https://doi.org/10.1109/TIP.2013.2258354
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from restorekit_shake.kernel import KERNEL, across, along, back, estimated, fast_size, laplacian, spectrum_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["deconvolved", "likeness", "most_detailed", "seen", "shaken", "undo"]

LOOKED_AT = 512  # px, side of the most detailed square, where the kernel is looked for
TILE, OVERLAP = 512, 64  # px
TAUT = 5e-4  # price of total variation
MASK, CHANGES = 0.05, 0.001  # weights of the two splittings
ITERATIONS = 15
# Of what is found in sharp pictures, clean or restored, nine in ten are denser or narrower than this, and one in
# ten of what is found in shaken ones (sigma from 3 px): squared norm, and deviation in px.
DENSEST, NARROWEST = 0.12, 1.15
PLAIN = 0.07  # squared norm below which there was none of a sharp one
# Likeness of all lenses, low resolutions and Gaussians on 13 of 14 photographs was above this (the other one is
# shaken by itself), that of three in four shakes of 3 px below.
ROUND = 0.75


def undo(image: Tensor, progress: Callable[[int, int], None]) -> Tensor | None:
    """Undo the shake of a hand, the same in the whole picture; None where it sees none.

    image: (1, 3, H, W), in [0, 1]; same out.
    progress: told how many pieces are done, and of how many.
    """
    import torch

    if min(image.shape[2:]) < 2 * KERNEL:
        return None  # too small to tell
    place = image.device
    picture = image[0].float().cpu()
    kernel = estimated(most_detailed(picture.mean(0)))
    if not shaken(kernel):
        return None
    result = torch.empty_like(picture)
    height, width = picture.shape[1:]
    corners = [(top, left) for top in range(0, height, TILE) for left in range(0, width, TILE)]
    for number, (top, left) in enumerate(corners):
        progress(number, len(corners))
        above, before = max(0, top - OVERLAP), max(0, left - OVERLAP)
        piece = picture[:, above : top + TILE + OVERLAP, before : left + TILE + OVERLAP]
        done = deconvolved(piece, kernel)[:, top - above :, left - before :][:, :TILE, :TILE]
        result[:, top : top + TILE, left : left + TILE] = done
    progress(len(corners), len(corners))
    return result[None].clamp(0, 1).to(place)


def seen(image: Tensor, clean: Callable[[Tensor], Tensor]) -> float:
    """Weight of the basis by the kernel of a picture, which has to be plainer where nobody says that there is one.

    image: (1, 3, H, W), in [0, 1].
    clean: restores a part of it, (1, 3, h, w), from noise and JPEG.
    """
    if min(image.shape[2:]) < 2 * KERNEL:
        return 0.0
    top, left = corner_of_detail(image[0].mean(0))
    part = clean(image[..., top : top + LOOKED_AT, left : left + LOOKED_AT])
    kernel = estimated(part[0].float().cpu().mean(0))
    return float(shaken(kernel, PLAIN) and likeness(kernel) < ROUND)


def shaken(kernel: Tensor, densest: float = DENSEST) -> bool:
    """Tell whether a kernel, (k, k), is that of a shake: for a sharp picture some compact one is found too.

    densest: squared norm from which on it is compact.
    """
    import torch

    place = torch.arange(kernel.shape[0], dtype=kernel.dtype) - kernel.shape[0] // 2
    variance = sum(float((kernel.sum(axis) * place.square()).sum()) for axis in (0, 1)) / 2
    return float(kernel.square().sum()) < densest and variance > NARROWEST**2


def likeness(kernel: Tensor) -> float:
    """Correlation of a kernel, (k, k), with the Gaussian of its covariance: 1 for what other bases know."""
    import torch

    place = torch.arange(kernel.shape[0], dtype=torch.float64) - kernel.shape[0] // 2
    light = kernel.double() / kernel.sum()
    down, right = place[:, None].expand_as(light), place.expand_as(light)
    down, right = (axis - (light * axis).sum() for axis in (down, right))
    a, b, c = ((light * product).sum() for product in (down * down, right * right, down * right))
    a, b = a + 1e-3, b + 1e-3  # a line has no width
    distance = (b * down**2 + a * right**2 - 2 * c * down * right) / (a * b - c * c)
    gaussian = torch.exp(-distance / 2)
    return float((light * gaussian).sum() / (gaussian.square().sum() * light.square().sum()).sqrt())


def most_detailed(grey: Tensor) -> Tensor:
    """The square of LOOKED_AT px, or all there is, in which a picture, (H, W), changes most."""
    top, left = corner_of_detail(grey)
    return grey[top : top + LOOKED_AT, left : left + LOOKED_AT]


def corner_of_detail(grey: Tensor) -> tuple[int, int]:
    """Row and column of that square's top left corner."""
    import torch.nn.functional as F

    sides = [min(LOOKED_AT, n) for n in grey.shape]
    change = (across(grey).abs() + along(grey).abs())[None, None, :-1, :-1]
    window = [n - 1 for n in sides]
    step = max(1, LOOKED_AT // 4)
    detail = F.avg_pool2d(change, window, step)[0, 0]
    row, column = divmod(int(detail.argmax()), detail.shape[1])
    return step * row, step * column


def deconvolved(image: Tensor, kernel: Tensor) -> Tensor:
    """Deconvolve a picture with a known kernel.

    image: (C, H, W).
    kernel: (k, k), k odd, of sum 1.
    """
    import torch
    import torch.nn.functional as F

    margin, (height, width) = kernel.shape[0] // 2 + 1, image.shape[1:]
    more = [fast_size(n + 2 * margin) - n - 2 * margin for n in (height, width)]
    mode = "reflect" if min(height, width) > margin + max(more) else "replicate"
    around = (margin, margin + more[1], margin, margin + more[0])
    x = F.pad(image[None], around, mode=mode)[0]
    shown = torch.zeros_like(x[:1])
    shown[:, margin : margin + height, margin : margin + width] = 1
    size = (x.shape[1], x.shape[2])
    spectrum = spectrum_of(kernel, size)
    power = MASK * spectrum.abs().square() + CHANGES * laplacian(size) + 1e-9
    seen, blurred = x * shown, x
    right, down = across(x), along(x)
    off, off_right, off_down = (torch.zeros_like(x) for _ in range(3))
    for _ in range(ITERATIONS):
        wanted = MASK * spectrum.conj() * torch.fft.rfft2(blurred + off)
        wanted = wanted + CHANGES * torch.fft.rfft2(back(right + off_right, down + off_down))
        x = torch.fft.irfft2(wanted / power, s=size)
        now = torch.fft.irfft2(spectrum * torch.fft.rfft2(x), s=size)
        blurred = (seen + MASK * (now - off)) / (shown + MASK)
        off = off + blurred - now
        to_right, to_down = across(x), along(x)
        a, b = to_right - off_right, to_down - off_down
        length = (a.square() + b.square()).sum(0, keepdim=True).sqrt().clamp_min(1e-9)
        kept = (length - TAUT / CHANGES).clamp_min(0) / length
        right, down = a * kept, b * kept
        off_right, off_down = off_right + right - to_right, off_down + down - to_down
    return x[:, margin : margin + height, margin : margin + width]
