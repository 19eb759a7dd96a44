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
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from restorekit.plugin import Degradation, Realisation, Severity
from restorekit_dejpeg.batch import recode_batch
from restorekit_dejpeg.scaling import from_canvas, to_canvas
from restorekit_dejpeg.tables import quality_tables

if TYPE_CHECKING:
    from torch import Generator, Tensor

    Recode = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

__all__ = ["Jpeg", "recode_one_by_one"]

KINDS = ("4:2:0", "4:4:4", "twice", "4:2:2", "tables", "resized", "chat")
SHARES = (0.42, 0.22, 0.1, 0.05, 0.08, 0.06, 0.07)
FIRST_SHIFT = (3, 5)  # px down and right: the first grid of what is compressed twice
FLATTEST, STEEPEST = 0.3, 1.2  # quantisation tables, see `tables`
SMALLEST_BLOCK, LARGEST_BLOCK = 5, 13  # px, of what was resized
SMALLEST_SENT, LARGEST_SENT = 5, 10  # px, of what a chat program reduced or a little enlarged
SENT_ON = 30  # a picture's quality before it was sent on, above the last one, at most
# Steps of a kind against those of libjpeg's quality with the same error, measured on photographs: an error that is
# made smaller averages out, and two compressions add up.
COARSER = ((5, 2.8), (8, 1.2), (13, 1.0))  # by the size of the block, px
SENT_FINER = 0.78


class Jpeg(Degradation):
    """JPEG compression; the severity is libjpeg's quality, 100 (none to speak of) down to 5."""

    name = "jpeg"
    severity = Severity(symbol="quality", unit="", off=100, mild=95, strong=5, typical=30)
    kinds = KINDS
    order = 50
    summary = (
        "JPEG compression, quality 5 to 95: 4:2:0, 4:2:2, 4:4:4, other tables, compressed twice, resized, sent on"
    )

    def draw(
        self,
        shape: Sequence[int],
        generator: Generator,
        *,
        severity: float | None = None,
        kind: str | None = None,
    ) -> Realisation:
        import torch

        batch, device = shape[0], generator.device
        kind = self.check_kind(kind, severity)
        if severity is None:
            low, high = self.severity.strong, self.severity.mild
            quality = low + (high - low) * torch.rand(batch, generator=generator, device=device) ** 1.5
            quality = quality.round()
            shift = torch.randint(0, 8, (batch, 2), generator=generator, device=device)
            # A JPEG has its block grid at the corner of the picture; what was cut out of one has not.
            shift = shift * (torch.rand(batch, 1, generator=generator, device=device) < 0.25)
        else:
            quality = torch.full((batch,), float(severity), device=device).round()
            shift = torch.zeros(batch, 2, dtype=torch.long, device=device)
        if kind is None:
            shares = torch.tensor(SHARES, device=device)
            kinds = torch.multinomial(shares, batch, replacement=True, generator=generator)
        else:
            kinds = torch.full((batch,), self.kinds.index(kind), device=device)
        other = torch.randint(-10, 30, (batch,), generator=generator, device=device)
        first = (quality + other).clamp(5, 95)
        u = torch.rand((batch, 2), generator=generator, device=device)
        steepness = torch.where(kinds == KINDS.index("tables"), FLATTEST + (STEEPEST - FLATTEST) * u[:, 0], 1.0)
        resized, sent = (kinds == KINDS.index(name) for name in ("resized", "chat"))
        block = SMALLEST_BLOCK + (LARGEST_BLOCK - SMALLEST_BLOCK) * u[:, 0]
        block = torch.where(sent, SMALLEST_SENT + (LARGEST_SENT - SMALLEST_SENT) * u[:, 0], block)
        before = (quality + (SENT_ON * u[:, 1]).round()).clamp(5, 95)
        first = torch.where(sent, with_steps(before, torch.full_like(quality, SENT_FINER)), first)
        first = torch.where(resized, with_steps(quality, between(block, COARSER)), first)
        last = torch.where(sent, with_steps(quality, torch.full_like(quality, SENT_FINER)), quality)
        parts = {
            "kind": kinds,
            "shift": shift,
            "first": first,
            "last": last,
            "steepness": steepness,
            "block": block,
        }
        parts["phase"] = torch.randint(0, 8, (batch, 2), generator=generator, device=device)
        return Realisation(quality, parts)

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
        names = ("kind", "shift", "first", "last", "steepness", "block", "phase")
        kind, shift, first, last, steepness, block, phase = (realisation[name].to(place) for name in names)
        twice, resized, sent = (kind == KINDS.index(name) for name in ("twice", "resized", "chat"))
        sampling = torch.full_like(kind, 2)
        before, plain = quality_tables(first, torch.ones_like(first)), quality_tables(last, steepness)

        def again(pixels: Tensor, some: Tensor) -> Tensor:
            moved = torch.tensor(FIRST_SHIFT, device=place).expand_as(shift)
            return recode(pixels, before[some], sampling[some], moved[some])

        def at_another_size(pixels: Tensor, some: Tensor) -> Tensor:
            factor = block[some].double() / 8
            canvas = to_canvas(pixels, factor, SMALLEST_BLOCK / 8).round().clamp(0, 255)
            error = recode(canvas, before[some], sampling[some], phase[some]) - canvas
            return (pixels + from_canvas(error, factor, *pixels.shape[-2:])).round().clamp(0, 255)

        def finally_coded(pixels: Tensor, some: Tensor) -> Tensor:
            colours = torch.where(kind == KINDS.index("4:4:4"), 0, 2)
            colours = torch.where(kind == KINDS.index("4:2:2"), 1, colours)
            return recode(pixels, plain[some], colours[some], shift[some])

        pixels = on_some(pixels.double(), twice, again)
        pixels = on_some(pixels, resized | sent, at_another_size)
        return on_some(pixels, ~resized, finally_coded)


def with_steps(quality: Tensor, times: Tensor) -> Tensor:
    """libjpeg's quality whose steps are `times` as coarse; (B,) each, whole numbers 1 to 99."""
    import torch

    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) * times
    return torch.where(scale > 100, 5000 / scale, 100 - scale / 2).round().clamp(1, 99)


def between(place: Tensor, points: tuple[tuple[float, float], ...]) -> Tensor:
    """Straight lines through the points, (place, value) each."""
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
