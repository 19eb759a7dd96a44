"""Evidence for a basis: what it would change in a picture.

Whether stripes are rain or a fence is hard to see in a picture, and easy in what is taken away with them: rain
leaves bright, thin, all in one direction, over everything; a fence takes the picture with it. So a basis of which
the encoder is not sure is tried on crops, at weight 1, and its change is described in numbers:

    values      quantiles, asymmetry, peakedness, colour, energy in all and from crop to crop
    directions  coherence and agreement of the gradients, of the change, of what it began with and what is left
    bands       for each of four octaves: energies, peakedness, and whether the change follows what stays
    repetition  how far lines go on, and whether the next ones follow at a distance: those of fences and tiles do

A read-out of these numbers and of the key's own answers has the last word: the basis's judge, which lies beside it
(`restorekit.training.evidence`). It has the form of a later basis's key (`restorekit.model.key`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["BLOCK", "EVIDENCE_LENGTH", "JUDGE_LENGTH", "evidence"]

EVIDENCE_LENGTH = 100
JUDGE_LENGTH = EVIDENCE_LENGTH + 2  # with the key's answer to the two looks together and to the first
QUANTILES = (0.002, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.998)
OCTAVES, BLOCKY = 4, 2  # of the bands; those that are also looked at block by block
BLOCK = 8  # px, of a JPEG
CALM, LIVELY = 0.15, 0.85  # quantiles of the blocks
PEAKED = 100.0  # at most; no kurtosis is below 1
ALONG = (4, 8, 16, 32)  # px, distances along lines
NEAREST, FARTHEST = 5, 32  # px, neighbours of a line
LEAST = 1e-2  # of 255, squared: below it is nothing


def evidence(before: Tensor, after: Tensor) -> Tensor:
    """Describe what a basis changes; (EVIDENCE_LENGTH,), on the CPU.

    before, after: crops of one picture, (N, 3, s, s), in [0, 1], without the basis and with it at weight 1; they
        lie on the blocks of a JPEG.
    """
    colours = 255 * (after.float() - before.float())
    change, start = colours.mean(1), 255 * before.float().mean(1)  # (N, s, s)
    chroma = (colours - change[:, None]).square().mean().sqrt()
    numbers = [*values(change, chroma), *directions(change, start), *bands(change, start)]
    numbers += [*repetition(change), *repetition(start + change)]
    numbers += [*(edges_of_blocks(part) for part in (change, start, start + change)), start.std(), start.mean()]
    return torch.stack(numbers).cpu()


def values(change: Tensor, chroma: Tensor) -> list[Tensor]:
    """Values of a change, (N, s, s). chroma: root mean square of its colours, ()."""
    flat = change.flatten()
    places = flat.quantile(torch.tensor(QUANTILES, device=flat.device))
    energy = flat.square().mean() + 1e-3
    aside = flat - places[QUANTILES.index(0.5)]
    darker, lighter = aside.clamp(max=0).square().mean(), aside.clamp(min=0).square().mean()
    each = (change.square().mean((1, 2)) + 1e-3).log().sort().values
    return [
        *(places.sign() * places.abs().log1p()),
        (darker - lighter) / (darker + lighter + 1e-3),
        peakedness(change),
        (chroma + LEAST) / energy.sqrt(),
        energy.log(),
        flat.mean() / energy.sqrt(),
        each[0],
        each[len(each) // 2],
        each[-1],
        each.std(unbiased=False),
    ]


def directions(change: Tensor, start: Tensor) -> list[Tensor]:
    """Directions of a change, (N, s, s), of what it began with and of what is left, and how the first and the last
    agree."""
    own, before, left = (direction(part) for part in (change, start, start + change))
    return [*own, *before, *left, own[-2] * left[-2] + own[-1] * left[-1]]


def direction(part: Tensor) -> list[Tensor]:
    """Coherence of the gradients, (N, s, s): the mean, the least, that of all crops together, and the crops'
    agreement; and the common direction, as cosine and sine of twice its angle."""
    cosine, sine, total = gradients(part)
    length = (cosine**2 + sine**2).sqrt()
    coherence, way = length / total, length + 1e-6
    agreement = ((cosine / way * coherence).mean() ** 2 + (sine / way * coherence).mean() ** 2).sqrt()
    together = (cosine.sum() ** 2 + sine.sum() ** 2).sqrt() / total.sum()
    common = [cosine.sum() / total.sum(), sine.sum() / total.sum()]
    return [coherence.mean(), coherence.min(), together, agreement, *common]


def gradients(part: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of each crop, (N, s, s): cosine and sine of twice the angle of their common direction, as long as
    they agree, and their energy; (N,) each."""
    # Between the neighbours on both sides: two differences with a pixel in common would lean to one diagonal.
    down = part[:, 2:, 1:-1] - part[:, :-2, 1:-1]
    right = part[:, 1:-1, 2:] - part[:, 1:-1, :-2]
    cosine, sine = (right**2 - down**2).mean((1, 2)), 2 * (right * down).mean((1, 2))
    return cosine, sine, (right**2 + down**2).mean((1, 2)) + LEAST


def bands(change: Tensor, start: Tensor) -> list[Tensor]:
    """Bands of a change, (N, s, s), of what it began with and of what is left."""
    numbers: list[Tensor] = []
    for octave in range(OCTAVES):
        own, before = (part - blurred(part) for part in (change, start))
        parts = (own, before, own + before)
        numbers += [(part.square().mean() + LEAST).log() for part in parts]
        numbers += [correlation(own, before), correlation(own, own + before)]
        numbers += [peakedness(part) for part in parts]
        if octave < BLOCKY:
            blocks = [F.avg_pool2d(part.square()[:, None], BLOCK).flatten() for part in parts]
            numbers += [(b.quantile(share) + LEAST).log() for share in (CALM, LIVELY) for b in blocks]
            roots = [b.sqrt() - b.sqrt().mean() for b in (blocks[0], blocks[2])]
            numbers.append(correlation(*roots))
        change, start = (F.avg_pool2d(part[:, None], 2)[:, 0] for part in (change, start))
    return numbers


def repetition(part: Tensor) -> list[Tensor]:
    """Correlation of a picture, (N, s, s), with itself: at distances along its lines, the largest across them, and
    how far that rises above what lies before it; means over the crops, each with its own direction and energy."""
    size = part.shape[-1]
    aside = part - part.mean((1, 2), keepdim=True)
    spectrum = torch.fft.rfft2(aside, s=(2 * size, 2 * size))
    sums = torch.fft.fftshift(torch.fft.irfft2(spectrum.abs().square(), s=(2 * size, 2 * size)), dim=(1, 2))
    pairs = (size - (torch.arange(2 * size, device=part.device) - size).abs()).clamp_min(1)
    products = sums / pairs[:, None] / pairs  # (N, 2s, 2s), of distance 0 at (s, s)
    energy = products[:, size, size] + LEAST
    cosine, sine, _ = gradients(part)
    angle = torch.atan2(sine, cosine) / 2
    across = torch.stack([angle.cos(), angle.sin()], 1)  # (N, 2), right and down
    along = torch.stack([-angle.sin(), angle.cos()], 1)

    def at(way: Tensor, distances: Tensor) -> Tensor:
        """Correlations at distances in px, (D,), on a way, (N, 2); (N, D)."""
        places = (size + distances[None, :, None] * way[:, None]) / (2 * size - 1) * 2 - 1
        return F.grid_sample(products[:, None], places[:, None], align_corners=True)[:, 0, 0] / energy[:, None]

    lines = at(along, torch.tensor(ALONG, device=part.device))
    neighbours = at(across, torch.arange(FARTHEST + 1, device=part.device))
    rise = neighbours - neighbours.cummin(1).values
    each = torch.cat([lines, neighbours[:, NEAREST:].amax(1, keepdim=True), rise.amax(1, keepdim=True)], 1)
    return list((each * energy[:, None]).sum(0) / energy.sum())


def blurred(part: Tensor) -> Tensor:
    """Means of 3 x 3 values; (N, s, s)."""
    return F.avg_pool2d(F.pad(part[:, None], (1, 1, 1, 1), mode="reflect"), 3, 1)[:, 0]


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Correlation of values whose mean is about 0."""
    return (one * other).mean() / (one.square().mean() * other.square().mean() + 1e-4).sqrt()


def peakedness(part: Tensor) -> Tensor:
    """Logarithm of the kurtosis: of few large values high, of many small ones low."""
    aside = part - part.mean()
    square = aside.square()
    return ((square**2).mean() / (square.mean() + 1e-3) ** 2).clamp(1, PEAKED).log()


def edges_of_blocks(part: Tensor) -> Tensor:
    """Steps between the blocks of a JPEG against those within them, (N, s, s); the logarithm."""
    right = (part[:, :, 1:] - part[:, :, :-1]).abs().mean((0, 1))
    down = (part[:, 1:] - part[:, :-1]).abs().mean((0, 2))
    edge = torch.arange(len(right), device=part.device) % BLOCK == BLOCK - 1
    steps = [right[mask].mean() + down[mask].mean() + LEAST for mask in (edge, ~edge)]
    return (steps[0] / steps[1]).log()
