"""Examples: a picture before and after, laid on each other, and the pieces of it that are looked at.

The whitened cross spectrum of pictures that differ by a shift is a plane wave; it transforms into a peak:

    peaks of F⁻¹[ F(after) F(before)* / |F(after) F(before)*| ]

The few highest are tried, and the one is taken at which the pictures correlate best.
Phase correlation: Kuglin & Hines, "The Phase Correlation Image Alignment Method", 1975
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.image import as_float, check_batch

__all__ = ["FARTHEST", "SIDE", "SMALLEST", "Example", "Pieces", "shift_between"]

SMALLEST = 32  # px a side, below which weights are guesses
FARTHEST = 16  # px, the largest shift
SIDE = 192  # px of a piece
PIECES = 4  # of all examples together; one of each if there are more examples
GRID = 16  # px
SHARE = 0.1  # of the largest change of a piece, below which there is little to see in one
LOOKED = 1024  # px a side of the middle in which the shift is looked for
PEAKS = 5
BETTER = 1e-3  # by which a shift has to correlate better than none
LEAST = 1e-9  # mean squared change of a pair that shows something; half a level of 16 bits is less


@dataclass(frozen=True)
class Pieces:
    """Parts of one example that are looked at.

    whole: the picture before, (1, 3, H, W), of its own type.
    before, after: (N, 3, h, w), floating, in [0, 1].
    visible: (N, 1, h, w), boolean, where both can be seen; None for all.
    shift: px down and to the right by which the picture after lay beside the one before.
    """

    whole: Tensor
    before: Tensor
    after: Tensor
    visible: Tensor | None
    shift: tuple[int, int]

    def seen(self, values: Tensor) -> Tensor:
        """Values of the pieces, (N, 3, h, w), in one row, 0 where nothing is visible."""
        return (values if self.visible is None else values * self.visible).flatten()


@dataclass(frozen=True)
class Example:
    """A picture before and after.

    before, after: shape (1, 3, H, W), floating in [0, 1], uint8 or uint16, each of its own type.
    visible: shape (1, H, W), boolean, False where one of them is transparent; None for opaque ones.
    """

    before: Tensor
    after: Tensor
    visible: Tensor | None = None

    def __post_init__(self) -> None:
        for image in (self.before, self.after):
            check_batch(image)
            if len(image) != 1:
                raise ImageError(
                    f"an example is one picture before and one after, got {len(image)}; give more pairs"
                )
        sizes = [f"{image.shape[3]}x{image.shape[2]}" for image in (self.before, self.after)]
        if sizes[0] != sizes[1]:
            raise ImageError(
                f"the picture before has {sizes[0]} px, the one after {sizes[1]}; crop or scale them to one size"
            )
        if min(self.before.shape[2:]) < SMALLEST:
            raise ImageError(f"an example of {sizes[0]} px is too small; give {SMALLEST}x{SMALLEST} px or more")

    def pieces(self, count: int) -> Pieces:
        """Lay the two on each other, and take pieces where they differ.

        count: of pieces. A picture that is no larger than they are together is one piece.
        Raises ImageError where they are the same.
        """
        before, visible = self.before, None if self.visible is None else self.visible[:, None]
        shift = shift_between(before, self.after)
        height, width = before.shape[2:]
        after = self.after.roll((-shift[0], -shift[1]), (2, 3))
        if any(shift):  # what was rolled in from the other side is not seen
            rows, columns = (inside(size, by) for size, by in zip((height, width), shift, strict=True))
            both = (rows[:, None] & columns)[None, None]
            visible = both if visible is None else visible & both
        if height * width <= count * SIDE**2:
            boxes = [(slice(0, height), slice(0, width))]
        else:
            boxes = spread([(y, x) for y in cuts(height) for x in cuts(width)], before, after, visible, count)
        parts = [torch.cat([as_float(image[..., y, x]) for y, x in boxes]) for image in (before, after)]
        seen = None if visible is None else torch.cat([visible[..., y, x] for y, x in boxes])
        found = Pieces(before, parts[0], parts[1], seen, shift)
        if float(found.seen(found.after - found.before).square().mean()) < LEAST:
            raise ImageError("the pictures before and after are the same; give a pair that shows what to do")
        return found


def inside(size: int, by: int) -> Tensor:
    """Boolean, (size,), where a place and the one `by` px further lie inside."""
    places = torch.arange(size) + by
    return (places >= 0) & (places < size)


def cuts(length: int) -> list[slice]:
    """Spans of SIDE px along a side, each on the grid of networks, the last one moved back inside; one of its
    length if it is shorter."""
    starts = {*range(0, max(1, length - SIDE), SIDE), max(0, length - SIDE) // GRID * GRID}
    return [slice(start, min(start + SIDE, length)) for start in sorted(starts)]


def spread(
    boxes: list[tuple[slice, slice]], before: Tensor, after: Tensor, visible: Tensor | None, count: int
) -> list[tuple[slice, slice]]:
    """Choose boxes that are spread over those that change, from much to little: not only the one where somebody
    painted, and none with nothing to see."""

    def change(box: tuple[slice, slice]) -> float:
        squares = (as_float(after[..., box[0], box[1]]) - as_float(before[..., box[0], box[1]])).square()
        return float((squares if visible is None else squares * visible[..., box[0], box[1]]).mean())

    changes = sorted(((change(box), number) for number, box in enumerate(boxes)), reverse=True)
    ranked = [boxes[number] for energy, number in changes if energy >= SHARE * changes[0][0]]
    count = min(count, len(ranked))
    return [ranked[int((i + 0.5) / count * len(ranked))] for i in range(count)]


def shift_between(before: Tensor, after: Tensor) -> tuple[int, int]:
    """Whole px, down and to the right, by which a picture lies beside another of the same size, (1, 3, H, W)."""
    first, second = (luma(image) for image in (before, after))
    height, width = first.shape
    reach = [min(FARTHEST, size // 4) for size in (height, width)]
    window = torch.hann_window(height)[:, None] * torch.hann_window(width)
    spectra = [torch.fft.rfft2((part - part.mean()) * window) for part in (first, second)]
    cross = spectra[1] * spectra[0].conj()
    peaks = torch.fft.irfft2(cross / cross.abs().clamp_min(1e-12), s=(height, width))
    near = peaks.roll(reach, (0, 1))[: 2 * reach[0] + 1, : 2 * reach[1] + 1]  # around no shift
    places = near.flatten().topk(min(PEAKS, near.numel())).indices.tolist()
    found = [(place // near.shape[1] - reach[0], place % near.shape[1] - reach[1]) for place in places]
    inner = first[reach[0] : height - reach[0], reach[1] : width - reach[1]]

    def likeness(shift: tuple[int, int]) -> float:
        y, x = (n + most for n, most in zip(shift, reach, strict=True))
        return correlation(inner, second[y : y + inner.shape[0], x : x + inner.shape[1]])

    best = max(found, key=likeness)
    return best if likeness(best) > likeness((0, 0)) + BETTER else (0, 0)


def luma(image: Tensor) -> Tensor:
    """Mean of the colours in the middle of a picture, (h, w), floating."""
    top, left = (max(0, (size - LOOKED) // 2) for size in image.shape[2:])
    return as_float(image[0, :, top : top + LOOKED, left : left + LOOKED]).mean(0)


def correlation(first: Tensor, second: Tensor) -> float:
    """Correlation of two pictures, (h, w), between -1 and 1; 0 where one of them is flat."""
    first, second = first - first.mean(), second - second.mean()
    return float((first * second).sum() / (first.norm() * second.norm()).clamp_min(1e-12))
