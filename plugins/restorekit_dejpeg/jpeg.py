"""JPEG. The picture is coded in 8x8 blocks whose cosine coefficients are rounded, more coarsely at low quality.

kinds: `4:2:0` (colour at half resolution, what cameras and libraries write), `4:4:4`, `twice` (compressed, cropped
off the block grid, compressed again), `4:2:2` (colour at half resolution in rows), `tables` (other quantisation
tables than libjpeg's), `resized` (compressed, then shown at another size: blocks of 5 to 13 px), `chat`
(compressed, resized, and compressed again, as a picture that is sent on).

    resized = image + up(coded(down(image)) - down(image))

A resized picture is also softer or sharper, which is no fault of the file: only the error of coding is resized,
and the picture stays as sharp as it is. Coded by libjpeg itself, through Pillow, on a CPU; elsewhere by `batch`,
which gives the same values.
Wallace, "The JPEG still picture compression standard", 1992, https://doi.org/10.1109/30.125072
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING

from restorekit.plugin import Degradation, Draw, Realisation, Severity
from restorekit_dejpeg.batch import recode_batch
from restorekit_dejpeg.scaling import from_canvas, to_canvas
from restorekit_dejpeg.tables import quality_tables

if TYPE_CHECKING:
    from torch import Tensor

    Recode = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

__all__ = ["Jpeg", "recode_one_by_one"]

FIRST_SHIFT = (3, 5)  # px down and right: the first grid of what is compressed twice
FLATTEST, STEEPEST = 0.3, 1.2  # quantisation tables, see `tables`
SMALLEST_BLOCK, LARGEST_BLOCK = 5, 13  # px, of what was resized
LARGEST_SENT = 10  # px, of what a chat program reduced or a little enlarged
SENT_ON = 30  # a picture's quality before it was sent on, above the last one, at most
# Steps of a kind against those of libjpeg's quality with the same error, measured on photographs: an error that is
# made smaller averages out, and two compressions add up.
COARSER = ((5, 2.8), (8, 1.2), (13, 1.0))  # by the size of the block, px
SENT_FINER = 0.78


class Jpeg(Degradation):
    """JPEG compression; the severity is libjpeg's quality, 100 (none to speak of) down to 5."""

    name = "jpeg"
    severity = Severity(symbol="quality", unit="", off=100, mild=95, strong=5, typical=30)
    kinds = ("4:2:0", "4:4:4", "twice", "4:2:2", "tables", "resized", "chat")
    shares = (0.42, 0.22, 0.1, 0.05, 0.08, 0.06, 0.07)
    order = 50
    summary = (
        "JPEG compression, quality 5 to 95: 4:2:0, 4:2:2, 4:4:4, other tables, compressed twice, resized, sent on"
    )

    def spread(self, u: Tensor, kinds: Tensor) -> Tensor:
        low, high = self.severity.strong, self.severity.mild
        return (low + (high - low) * u**1.5).round()

    def make(self, draw: Draw) -> Realisation:
        import torch

        quality = draw.severity.round()
        if draw.named:
            shift = torch.zeros(draw.shape[0], 2, dtype=torch.long, device=draw.device)
        else:
            # A JPEG has its block grid at the corner of the picture; what was cut out of one has not.
            shift = draw.integers(0, 8, 2) * (draw.uniform(1) < 0.25)
        first = (quality + draw.integers(-10, 30)).clamp(5, 95)
        u, more = draw.uniform(2).unbind(1)
        resized, sent = draw.are("resized"), draw.are("chat")
        steepness = torch.where(draw.are("tables"), FLATTEST + (STEEPEST - FLATTEST) * u, 1.0)
        block = SMALLEST_BLOCK + (torch.where(sent, LARGEST_SENT, LARGEST_BLOCK) - SMALLEST_BLOCK) * u
        before = (quality + (SENT_ON * more).round()).clamp(5, 95)
        first = torch.where(sent, with_steps(before, torch.full_like(quality, SENT_FINER)), first)
        first = torch.where(resized, with_steps(quality, between(block, COARSER)), first)
        last = torch.where(sent, with_steps(quality, torch.full_like(quality, SENT_FINER)), quality)
        parts = {"shift": shift, "first": first, "last": last, "steepness": steepness, "block": block}
        return Realisation(quality, parts | {"phase": draw.integers(0, 8, 2)})

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        import torch

        pixels = (image.clamp(0, 1) * 255).round()
        # "mps" has no numbers that hold the sums exactly.
        if image.device.type in ("cpu", "mps"):
            coded = self.code(pixels.cpu(), realisation, recode_one_by_one)
        else:
            coded = self.code(pixels, realisation, recode_batch)
        off = (realisation.severity.to(image.device) >= self.severity.off).view(-1, 1, 1, 1)
        return torch.where(off, image, coded.to(image) / 255)

    def code(self, pixels: Tensor, realisation: Realisation, recode: Recode) -> Tensor:
        """Give each picture what happened to it, one time after another.

        pixels: (B, 3, H, W), whole numbers 0 to 255.
        recode: through JPEG once, see `recode_batch`.
        Returns (B, 3, H, W), whole numbers 0 to 255, float64.
        """
        import torch

        place = pixels.device
        there = realisation.to(place)
        kind = {name: there.are(name) for name in self.kinds}
        halved = torch.full_like(there["shift"][:, 0], 2)
        sampling = torch.where(kind["4:4:4"], 0, torch.where(kind["4:2:2"], 1, 2))
        before = quality_tables(there["first"], torch.ones_like(there["first"]))
        tables = quality_tables(there["last"], there["steepness"])

        def again(pixels: Tensor, some: Tensor) -> Tensor:
            moved = torch.tensor(FIRST_SHIFT, device=place).expand(len(some), -1)
            return recode(pixels, before[some], halved[some], moved)

        def at_another_size(pixels: Tensor, some: Tensor) -> Tensor:
            factor = there["block"][some].double() / 8
            canvas = to_canvas(pixels, factor, SMALLEST_BLOCK / 8).round().clamp(0, 255)
            error = recode(canvas, before[some], halved[some], there["phase"][some]) - canvas
            return (pixels + from_canvas(error, factor, *pixels.shape[-2:])).round().clamp(0, 255)

        def finally_coded(pixels: Tensor, some: Tensor) -> Tensor:
            return recode(pixels, tables[some], sampling[some], there["shift"][some])

        pixels = on_some(pixels.double(), kind["twice"], again)
        pixels = on_some(pixels, kind["resized"] | kind["chat"], at_another_size)
        return on_some(pixels, ~kind["resized"], finally_coded)


def with_steps(quality: Tensor, times: Tensor) -> Tensor:
    """Find libjpeg's quality whose steps are `times` as coarse; (B,) each, whole numbers 1 to 99."""
    import torch

    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) * times
    return torch.where(scale > 100, 5000 / scale, 100 - scale / 2).round().clamp(1, 99)


def between(place: Tensor, points: tuple[tuple[float, float], ...]) -> Tensor:
    """Interpolate along straight lines between points, and evenly beyond the first and the last.

    place: (B,).
    points: (place, value) each.
    """
    value = place * 0 + points[0][1]
    for (start, low), (end, high) in itertools.pairwise(points):
        value = value + (high - low) * ((place - start) / (end - start)).clamp(0, 1)
    return value


def on_some(pixels: Tensor, mine: Tensor, change: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Change some pictures; elsewhere than on a CPU it is quicker to change all than to ask which.

    mine: which ones, (B,), bool.
    change: gets these pictures and their places.
    """
    import torch

    if mine.device.type != "cpu":
        everywhere = torch.arange(len(mine), device=mine.device)
        return torch.where(mine.view(-1, 1, 1, 1), change(pixels, everywhere), pixels)
    some = mine.nonzero()[:, 0]
    return pixels.index_copy(0, some, change(pixels[some], some)) if len(some) else pixels


def recode_one_by_one(pixels: Tensor, tables: Tensor, sampling: Tensor, shift: Tensor) -> Tensor:
    """Recode one picture after another, by libjpeg; arguments and values as of `recode_batch`, on the CPU."""
    import numpy as np
    import torch
    from PIL import Image

    pictures = pixels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    coded = np.empty_like(pictures)
    steps = tables.long().flatten(2).tolist()
    for i, (both, colours, (down, right)) in enumerate(zip(steps, sampling.tolist(), shift.tolist(), strict=True)):
        moved = pictures[i]
        if down or right:
            moved = np.pad(moved, ((down, 0), (right, 0), (0, 0)), mode="edge")
        buffer = BytesIO()
        Image.fromarray(moved).save(buffer, "JPEG", qtables=both, subsampling=colours)
        coded[i] = np.asarray(Image.open(buffer))[down:, right:]
    return torch.from_numpy(coded).permute(0, 3, 1, 2).to(pixels)
