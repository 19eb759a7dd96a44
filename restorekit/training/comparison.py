"""The cost of blindness: the restoration with the encoder's weights beside that with the right bases.

On held-out photographs, by kind of picture, through the same restorer that users have. This, not a test set, is
where encoders are compared and choices made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Generator, Tensor

from restorekit.running.restorer import Restorer
from restorekit.training.base import psnr
from restorekit.training.held_out_rows import all_late, degraded_pictures, held_out_rows
from restorekit.training.pairs import PairMaker

__all__ = ["PICTURE", "Comparison", "compare", "held_out"]

PICTURE = 256  # px a side, at most


@dataclass(frozen=True)
class Comparison:
    """One kind of picture.

    severities: what is wrong, by name.
    input, right, blind: mean PSNR in dB, RGB: degraded, restored with the right bases at 1, and with the encoder's
        weights.
    weights: mean ones of the encoder, by basis.
    """

    severities: dict[str, float]
    input: float
    right: float
    blind: float
    weights: dict[str, float]

    @property
    def gap(self) -> float:
        """dB by which blind restoration stays behind."""
        return self.right - self.blind


def held_out(photos: Sequence[Tensor], count: int, size: float) -> list[Tensor]:
    """Cut the middles out of photographs, evenly from all.

    photos: uint8, (3, H, W) each.
    count: of them, at most.
    size: share of their sides to which they are reduced first.
    Returns (1, 3, h, w) each, in [0, 1].
    """
    middles = []
    for photo in photos[:: max(1, len(photos) // count)][:count]:
        image = photo[None].float() / 255
        if size < 1:
            sides = [max(1, round(n * size)) for n in image.shape[2:]]
            image = F.interpolate(image, sides, mode="bicubic", antialias=True).clamp(0, 1)
        top, left = (max(0, n - PICTURE) // 2 for n in image.shape[2:])
        middles.append(image[..., top : top + PICTURE, left : left + PICTURE])
    return middles


def compare(
    restorer: Restorer,
    pairs: PairMaker,
    photographs: Sequence[Tensor],
    *,
    soft: float = 1.0,
    seed: int = 4000,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Comparison]:
    """Compare, kind of picture by kind.

    restorer: as users have it.
    pairs: has the degradations.
    photographs: (1, 3, H, W) each, in [0, 1].
    soft: times they are enlarged first; beyond 1 only the kinds for which that is no fault to be mended.
    seed: of what is done to them.
    progress: told how many of how many kinds are done.
    """
    rows = [row for row in held_out_rows(pairs.degradations) if soft == 1 or all_late(pairs, row)]
    for number, severities in enumerate(rows):
        if progress is not None:
            progress(number, len(rows))
        generator = Generator().manual_seed(seed + number)
        right = dict.fromkeys(severities, 1.0)
        scores, weights = [], []
        factors = [soft] * len(photographs)
        for degraded, clean in degraded_pictures(pairs, severities, photographs, generator, factors):
            told = restorer.restore(degraded, weights=right, blind=False, unclipped=True).image
            seen = restorer.restore(degraded, unclipped=True)
            weights.append(seen.weights[0].values)
            scores.append([psnr(image, clean) for image in (degraded, told, seen.image)])
        before, right_bases, blind = (sum(column) / len(scores) for column in zip(*scores, strict=True))
        mean_weights = {name: sum(w[name] for w in weights) / len(weights) for name in weights[0]}
        yield Comparison(severities, before, right_bases, blind, mean_weights)
