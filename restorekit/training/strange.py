"""Strange pictures: made things that no photograph of the training looks like, for `restorekit.training.familiar`.

Each maker takes photographs, (B, 3, H, W), in [0, 1], and a generator, and gives as many pictures of their size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

__all__ = ["STRANGE", "Maker"]

Maker = Callable[[Tensor, Generator], Tensor]
LUT = 256  # entries of a table of false colours


def uniform(like: Tensor, generator: Generator, *size: int) -> Tensor:
    """Numbers in [0, 1), (B, *size)."""
    return torch.rand((len(like), *size), generator=generator)


def stretched(image: Tensor) -> Tensor:
    """Each picture with its least value at 0 and its largest at 1."""
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    return (image - low) / (high - low).clamp_min(1e-6)


def coloured_or_grey(photos: Tensor, image: Tensor, generator: Generator) -> Tensor:
    """The pictures, every other without colour."""
    return torch.where(uniform(photos, generator, 1, 1, 1) < 0.5, image, image.mean(1, keepdim=True))


def random_pixels(photos: Tensor, generator: Generator) -> Tensor:
    """Pixels that are noise and nothing else, even or normal."""
    even = uniform(photos, generator, *photos.shape[1:])
    normal = 0.5 + 0.2 * torch.randn(photos.shape, generator=generator)
    return coloured_or_grey(
        photos, torch.where(uniform(photos, generator, 1, 1, 1) < 0.5, even, normal), generator
    )


def shuffled(photos: Tensor, generator: Generator) -> Tensor:
    """The photograph's pixels in random order, in squares of 1 to 4 px."""
    side = int(torch.randint(1, 5, (1,), generator=generator))
    height, width = (n // side for n in photos.shape[2:])
    order = torch.randperm(height * width, generator=generator)
    small = photos[..., ::side, ::side][..., :height, :width]
    mixed = small.flatten(2)[..., order].view(small.shape)
    return F.interpolate(mixed, photos.shape[2:], mode="nearest")


def spectra(photos: Tensor, generator: Generator) -> Tensor:
    """Logarithm of the photograph's spectrum, as a picture."""
    power = torch.fft.fftshift(torch.fft.fft2(photos), dim=(2, 3)).abs().log1p()
    return coloured_or_grey(photos, stretched(power), generator)


def scrambled(photos: Tensor, generator: Generator) -> Tensor:
    """The photograph's spectrum with random phases."""
    spectrum = torch.fft.rfft2(photos)
    phase = torch.polar(torch.ones(spectrum.shape), 6.2832 * torch.rand(spectrum.shape, generator=generator))
    return stretched(torch.fft.irfft2(spectrum.abs() * phase, s=photos.shape[2:]))


def clouds(photos: Tensor, generator: Generator) -> Tensor:
    """Sums of smooth noise at all sizes, falling off by a random power."""
    total, fall = torch.zeros(photos.shape), 0.4 + 0.5 * float(torch.rand(1, generator=generator))
    for octave in range(1, 8):
        cells = uniform(photos, generator, 3, 2**octave, 2**octave)
        total += fall**octave * F.interpolate(cells, photos.shape[2:], mode="bicubic", align_corners=False)
    return coloured_or_grey(photos, stretched(total), generator)


def false_colours(photos: Tensor, generator: Generator) -> Tensor:
    """Luma shown by a table of smooth random colours, as heat and height are."""
    stops = uniform(photos, generator, 3, 5)
    table = F.interpolate(stops, LUT, mode="linear", align_corners=True)  # (B, 3, LUT)
    place = (photos.mean(1).clamp(0, 1) * (LUT - 1)).long().flatten(1)  # (B, H W)
    return table.gather(2, place[:, None].expand(-1, 3, -1)).view(photos.shape)


def solarised(photos: Tensor, generator: Generator) -> Tensor:
    """Values folded over once or more."""
    folds = torch.randint(1, 4, (len(photos), 1, 1, 1), generator=generator)
    return 1 - (photos * folds * 2 % 2 - 1).abs()


def edges(photos: Tensor, generator: Generator) -> Tensor:
    """Differences between neighbours alone: outlines on black, white or grey."""
    down = F.pad(photos.diff(dim=2), (0, 0, 0, 1))
    across = F.pad(photos.diff(dim=3), (0, 1))
    outline = (3 * torch.hypot(down, across)).clamp(0, 1)
    chosen = torch.randint(3, (len(photos), 1, 1, 1), generator=generator)
    relief = (0.5 + 2 * (down + across)).clamp(0, 1)
    made = torch.where(chosen == 0, outline, torch.where(chosen == 1, 1 - outline, relief))
    return coloured_or_grey(photos, made, generator)


def cartoons(photos: Tensor, generator: Generator) -> Tensor:
    """Flat regions of few colours with soft rims, and dark outlines on some."""
    side = 2 * int(torch.randint(1, 5, (1,), generator=generator)) + 1
    flat = -F.max_pool2d(-F.max_pool2d(photos, side, 1, side // 2), side, 1, side // 2)
    levels = float(torch.randint(3, 9, (1,), generator=generator))
    flat = (flat * levels).round() / levels
    ink = 1 - (4 * (flat - F.avg_pool2d(flat, 3, 1, 1)).abs().amax(1, keepdim=True)).clamp(0, 1)
    drawn = torch.where(uniform(photos, generator, 1, 1, 1) < 0.5, flat, flat * ink)
    return F.avg_pool2d(F.pad(drawn, (1, 1, 1, 1), mode="replicate"), 3, 1)


def writing(photos: Tensor, generator: Generator) -> Tensor:
    """Lines of small dark strokes on paper, or light ones on a board, soft as a scan has them."""
    height, width = photos.shape[2:]
    pitch = int(torch.randint(10, 28, (1,), generator=generator))
    rows, columns = -(-height // pitch), -(-width // (pitch // 2))
    cell = (uniform(photos, generator, rows, columns, 5, 3) < 0.5).float()  # glyphs of 5 x 3 strokes
    gaps = (uniform(photos, generator, rows, columns, 1, 1) > 0.15).float()
    cell = F.pad(cell * gaps, (0, 1, 0, 3))  # (B, rows, columns, 8, 4)
    page = cell.permute(0, 1, 3, 2, 4).reshape(len(photos), 1, 8 * rows, 4 * columns)
    ink = F.interpolate(page, (rows * pitch, columns * (pitch // 2)), mode="bilinear", align_corners=False)
    ink = ink[..., :height, :width]
    paper, pen = uniform(photos, generator, 3, 1, 1) * 0.15 + 0.85, uniform(photos, generator, 3, 1, 1) * 0.3
    page = paper * (1 - ink) + pen * ink
    return torch.where(uniform(photos, generator, 1, 1, 1) < 0.3, 1 - page, page)


def gratings(photos: Tensor, generator: Generator) -> Tensor:
    """Waves of one or two frequencies, any direction, some with sharp edges."""
    height, width = photos.shape[2:]
    down, right = torch.arange(height).view(-1, 1), torch.arange(width).view(1, -1)
    total = torch.zeros(photos.shape)
    for _ in range(2):
        turns = (uniform(photos, generator, 2, 1, 1) - 0.5) * 1.2
        total += torch.sin(turns[:, :1] * down + turns[:, 1:] * right + 6.28 * uniform(photos, generator, 3, 1, 1))
    soft = stretched(total)
    return torch.where(uniform(photos, generator, 1, 1, 1) < 0.5, soft, (8 * (soft - 0.5) + 0.5).clamp(0, 1))


def mosaics(photos: Tensor, generator: Generator) -> Tensor:
    """Squares of random colours with soft rims."""
    side = int(torch.randint(4, 40, (1,), generator=generator))
    cells = uniform(photos, generator, 3, *(-(-n // side) for n in photos.shape[2:]))
    large = cells.repeat_interleave(side, 2).repeat_interleave(side, 3)[..., : photos.shape[2], : photos.shape[3]]
    return F.avg_pool2d(F.pad(large, (1, 1, 1, 1), mode="replicate"), 3, 1)


def through_bodies(photos: Tensor, generator: Generator) -> Tensor:
    """Grey negatives with soft shadows and grain, as X-rays and ultrasound are."""
    grey = 1 - photos.mean(1, keepdim=True)
    soft = F.avg_pool2d(grey, 9, 1, 4) * 0.7 + F.avg_pool2d(grey, 3, 1, 1) * 0.3
    curve = 1 + 2 * uniform(photos, generator, 1, 1, 1)
    speckle = 1 + 0.25 * uniform(photos, generator, 1, 1, 1) * torch.randn(soft.shape, generator=generator)
    return (soft**curve * speckle).expand(-1, 3, -1, -1)


STRANGE: Mapping[str, Maker] = {
    "random pixels": random_pixels,
    "shuffled": shuffled,
    "spectra": spectra,
    "scrambled": scrambled,
    "clouds": clouds,
    "false colours": false_colours,
    "solarised": solarised,
    "edges": edges,
    "cartoons": cartoons,
    "writing": writing,
    "gratings": gratings,
    "mosaics": mosaics,
    "through bodies": through_bodies,
}
