"""Training-free statistics of a picture, for the keys of later bases.

The encoder's learned features tell what its training asked for, and hide the rest. Statistics of natural pictures
are regular whatever one looks for, and nearly every degradation disturbs some of them: so a key that reads them
finds what the encoder has never heard of.

    local   of each crop: contrast, moments of gradients, equal neighbours and their period, lines, peaks of the
            spectrum, lonely pixels, levels in use, how the channels go together; of all crops the mean, the least
            and the largest
    whole   of the picture at 64 px: contrast, dark channel, saturation by place, how they go together, colours of
            what is brightest and greyest

Ruderman, "The statistics of natural images", 1994, https://doi.org/10.1088/0954-898X_5_4_006
Mittal et al., "No-reference image quality assessment in the spatial domain" (BRISQUE), 2012,
https://doi.org/10.1109/TIP.2012.2214050
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["LOCAL", "SIDE", "STATISTICS", "WHOLE", "statistics_of"]

SIDE = 64  # px, of the picture as a whole
GRID = 8  # cells of it along a side
CELL = 8  # px, of a crop
PERIODS = range(1, 9)  # px
LONELY = (4, 12, 30, 80)  # of 255, above or below all four neighbours
QUANTILES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
FEW = (0.0, 0.1, 0.5, 0.9, 1.0)
COLOURS = (0.02, 0.25, 0.5, 0.75, 0.98)
LOCAL, WHOLE = 84, 97
STATISTICS = 3 * LOCAL + WHOLE


def statistics_of(crops: Tensor, owners: Tensor, small: Tensor) -> Tensor:
    """Statistics, (B, STATISTICS), of B pictures.

    crops: (N, 3, s, s), at native resolution; clipped to [0, 1].
    owners: (N,), picture that each is of.
    small: (B, 3, SIDE, SIDE), the pictures reduced; clipped to [0, 1].
    """
    each, small = local(crops.clamp(0, 1)), small.clamp(0, 1)
    place = owners[:, None].expand_as(each)
    start = each.new_zeros(len(small), LOCAL)
    pooled = [start.scatter_reduce(0, place, each, how, include_self=False) for how in ("mean", "amin", "amax")]
    return torch.cat([*pooled, whole(small)], 1)


def local(crops: Tensor) -> Tensor:
    """Statistics of crops, (N, 3, s, s), in [0, 1]; (N, LOCAL)."""
    luma = crops.mean(1)  # (N, s, s)
    right, down = luma[:, :, 1:] - luma[:, :, :-1], luma[:, 1:] - luma[:, :-1]
    parts = [
        contrasts(luma),
        moments(right),
        moments(down),
        moments(right[:, :, 1:] - right[:, :, :-1]),
        moments(down[:, 1:] - down[:, :-1]),
        periods(right, 1),
        periods(down, 2),
        *(shares(d.abs() < limit / 255) for d in (right, down) for limit in (0.4, 1.1, 2.1)),
        lines(luma),
        peaks(luma),
        lonely(crops),
        levels(crops),
        channels(crops),
        colours(crops),
    ]
    return torch.cat(parts, 1)


def contrasts(luma: Tensor) -> Tensor:
    """Quantiles of the cells' deviations on a logarithmic scale, (N, 7). luma: (N, s, s)."""
    mean = F.avg_pool2d(luma[:, None], CELL)
    deviation = (F.avg_pool2d(luma[:, None].square(), CELL) - mean.square()).clamp_min(0).sqrt()
    return quantiles((255 * deviation + 0.05).log(), QUANTILES)


def moments(values: Tensor) -> Tensor:
    """Logarithm of the deviation, shape, skewness and logarithm of the kurtosis, (N, 4), of (N, ...)."""
    flat = values.flatten(1)
    square = flat.square()
    power = square.mean(1) + 1e-9
    deviation = power.sqrt()
    skew = (square * flat).mean(1) / (power * deviation) / 4
    kurtosis = (square.square().mean(1) / power.square() + 1e-3).log()
    return torch.stack([deviation.log(), flat.abs().mean(1) / deviation, skew.clamp(-10, 10), kurtosis], 1)


def periods(difference: Tensor, along: int) -> Tensor:
    """Repetition of equal neighbours across the crop, by period, (N, 8): as with squares of one colour.

    difference: of neighbours, (N, h, w).
    along: dimension that is averaged over.
    """
    equal = (difference.abs() < 0.5 / 255).float().mean(along)
    equal = equal - equal.mean(1, keepdim=True)
    products = torch.stack([(equal[:, :-period] * equal[:, period:]).mean(1) for period in PERIODS], 1)
    return products / (equal.square().mean(1, keepdim=True) + 1e-4)


def shares(mask: Tensor) -> Tensor:
    """Share of a crop that a mask, (N, h, w), covers; (N, 1)."""
    return mask.float().mean((1, 2))[:, None]


def lines(luma: Tensor) -> Tensor:
    """Energy of rows and of columns against that of pixels, less what is smooth, (N, 2)."""
    high = luma - F.avg_pool2d(luma[:, None], 5, 1, 2, count_include_pad=False)[:, 0]
    energy = high.square().mean((1, 2)) + 1e-7
    rows, columns = (high.mean(axis).square().mean(1) * high.shape[axis] + 1e-7 for axis in (2, 1))
    return torch.stack([(rows / energy).log(), (columns / energy).log()], 1)


def peaks(luma: Tensor) -> Tensor:
    """Height of the spectrum's highest peak over its surroundings, and how rough it is, (N, 2)."""
    size = luma.shape[-1]
    window = torch.hann_window(size, periodic=False, device=luma.device)
    seen = (luma - luma.mean((1, 2), keepdim=True)) * torch.outer(window, window)
    power = torch.roll((torch.fft.rfft2(seen).abs().square() + 1e-6).log(), size // 2, 1)
    over = power - F.avg_pool2d(power[:, None], 9, 1, 4, count_include_pad=False)[:, 0]
    down = torch.arange(size, device=luma.device).view(-1, 1) - size // 2
    right = torch.arange(size // 2 + 1, device=luma.device).view(1, -1)
    over = over * (torch.hypot(down.float(), right.float()) > 5)
    return torch.stack([over.amax((1, 2)), over.square().mean((1, 2))], 1)


def lonely(crops: Tensor) -> Tensor:
    """Logarithms of the shares of pixels beyond all of their neighbours, and by how much, up and down, (N, 6)."""
    up, down, left, right = (
        crops[..., :-2, 1:-1],
        crops[..., 2:, 1:-1],
        crops[..., 1:-1, :-2],
        crops[..., 1:-1, 2:],
    )
    middle = crops[..., 1:-1, 1:-1]
    above = (middle - torch.maximum(torch.maximum(up, down), torch.maximum(left, right))).clamp_min(0)
    below = (torch.minimum(torch.minimum(up, down), torch.minimum(left, right)) - middle).clamp_min(0)
    both = above + below
    found = [((both > limit / 255).float().mean((1, 2, 3)) + 1e-5).log() for limit in LONELY]
    return torch.stack([*found, 20 * above.mean((1, 2, 3)), 20 * below.mean((1, 2, 3))], 1)


def levels(crops: Tensor) -> Tensor:
    """Levels of 256 that are in use, how even their histogram is, what is clipped, and the range, (N, 9)."""
    places = (crops * 255).round().long().clamp(0, 255).flatten(2)
    counts = crops.new_zeros(*places.shape[:2], 256).scatter_add_(
        2, places, torch.ones_like(places, dtype=crops.dtype)
    )
    used = (counts > 0).to(crops)
    first, last = used.argmax(2), 255 - used.flip(2).argmax(2)
    width = (last - first + 1).to(crops)
    filled = used.sum(2) / width
    share = counts / places.shape[2]
    rough = (share - (share.roll(1, 2) + share.roll(-1, 2)) / 2).abs().sum(2).mean(1)
    ends = [share[..., 0].mean(1), share[..., 255].mean(1), crops.amin((1, 2, 3)), crops.amax((1, 2, 3))]
    return torch.stack(
        [filled.mean(1), filled.amin(1), width.mean(1) / 256, share.amax(2).mean(1), rough, *ends], 1
    )


def channels(crops: Tensor) -> Tensor:
    """Likeness of the channels' detail, how much there is of it, and whether it is moved apart, (N, 10)."""
    red, green, blue = (crops - F.avg_pool2d(crops, 3, 1, 1, count_include_pad=False)).unbind(1)
    amounts = [
        (255 * d.square().mean((1, 2)).sqrt() + 0.05).log() for d in (red, green, blue, red - green, blue - green)
    ]
    together = [alike(red, green), alike(green, blue), alike(red, blue)]
    moved = [
        (alike(red[:, :, 1:-1], blue[:, :, 2:]) - alike(red[:, :, 1:-1], blue[:, :, :-2])).abs(),
        (alike(red[:, 1:-1], blue[:, 2:]) - alike(red[:, 1:-1], blue[:, :-2])).abs(),
    ]
    return torch.stack([*together, *amounts, *moved], 1)


def colours(crops: Tensor) -> Tensor:
    """Mean colour and saturation, and quantiles of the smallest and largest channel, (N, 10)."""
    darkest, lightest = crops.amin(1), crops.amax(1)
    dark, light = (F.avg_pool2d(c[:, None], 4) for c in (darkest, lightest))
    saturation = (lightest - darkest).mean((1, 2))[:, None]
    return torch.cat(
        [crops.mean((2, 3)), saturation, quantiles(dark, (0.01, 0.1, 0.5)), quantiles(light, (0.5, 0.9, 0.99))], 1
    )


def whole(small: Tensor) -> Tensor:
    """Statistics of whole pictures, (B, 3, SIDE, SIDE); (B, WHOLE)."""
    luma = small.mean(1, keepdim=True)
    cell = SIDE // GRID
    bright = F.avg_pool2d(luma, cell)
    contrast = (F.avg_pool2d(luma.square(), cell) - bright.square()).clamp_min(0).sqrt()
    darkest, lightest = small.amin(1, keepdim=True), small.amax(1, keepdim=True)
    dark = F.avg_pool2d(-F.max_pool2d(-darkest, 5, 1, 2), cell)
    saturation = F.avg_pool2d(lightest - darkest, cell)
    fields = (contrast, dark, saturation, bright)
    parts = [F.adaptive_avg_pool2d(field, 4).flatten(1) for field in fields[:3]]
    parts += [quantiles(field, FEW) for field in fields]
    line = torch.linspace(-1, 1, GRID, device=small.device)
    away = torch.hypot(line.view(-1, 1), line.view(1, -1)).expand_as(bright)
    height = line.view(1, 1, -1, 1).expand_as(bright)
    for i, field in enumerate(fields):
        parts += [alike(field[:, 0], other[:, 0])[:, None] for other in (*fields[:i], away, height)]
    red, green, blue = (small.flatten(2) + 0.02).log().unbind(1)
    warm, cool, grey = red - green, blue - green, (lightest - darkest).flatten(1)
    parts += [quantiles(warm, COLOURS), quantiles(cool, COLOURS)]
    brightest = luma.flatten(1).topk(SIDE * SIDE // 100, 1).indices
    greyest = grey.topk(SIDE * SIDE // 20, 1, largest=False).indices
    parts += [value.gather(1, brightest).mean(1, keepdim=True) for value in (warm, cool, grey)]
    parts += [value.gather(1, greyest).mean(1, keepdim=True) for value in (warm, cool)]
    return torch.cat(parts, 1)


def quantiles(values: Tensor, levels: tuple[float, ...]) -> Tensor:
    """Quantiles, (N, Q), of (N, ...)."""
    return torch.quantile(values.flatten(1), torch.tensor(levels, device=values.device), dim=1).T


def alike(a: Tensor, b: Tensor) -> Tensor:
    """Correlation, (N,), of two fields, (N, h, w)."""
    a, b = (x - x.mean((1, 2), keepdim=True) for x in (a, b))
    power = a.square().mean((1, 2)) * b.square().mean((1, 2))
    return (a * b).mean((1, 2)) / (power + 1e-10).sqrt()
