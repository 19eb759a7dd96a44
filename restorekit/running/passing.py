"""Passes of pictures of any size through a predictor, in one piece, tiles or strips, in the machine's precision.

restored = sample(predictor, image)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.image import as_float
from restorekit.model.backbone import Facts, Predictor
from restorekit.model.flow import sample
from restorekit.model.guidance import Guided
from restorekit.model.streaming import SampledRows
from restorekit.model.winograd import memory_order, winograd
from restorekit.running.device import autocast
from restorekit.running.ensemble import mirrored
from restorekit.running.tiling import Grid, apply_in_strips, apply_tiled

__all__ = ["Pass", "Passing", "enlarge", "finished"]


@dataclass
class Pass:
    """The way of one call's pictures through a predictor.

    steps: of the sampler.
    side: of a tile, px; smaller once memory ran out.
    ensemble: whether mirror images are restored too.
    progress: told how many pieces are done, and of how many.
    notes: a line for each time that memory ran out.
    guidance: g of `restorekit.model.guidance`, from the input at 0 to the estimate at 1 and beyond.
    """

    steps: int
    side: int
    ensemble: bool = False
    progress: Callable[[int, int], None] | None = None
    notes: list[str] = field(default_factory=list)
    guidance: float = 1.0

    @property
    def ordinary(self) -> bool:
        """True for one step to the estimate."""
        return self.steps == 1 and self.guidance == 1 and not self.ensemble


@dataclass(frozen=True)
class Passing:
    """A machine for predictors of one backbone. It keeps nothing of a pass: threads may share it.

    facts: of the backbone.
    dtype: of the convolutions' inputs.
    winograd: whether they go that way (`restorekit.model.winograd`).
    """

    facts: Facts
    device: torch.device
    dtype: torch.dtype
    winograd: bool = False

    @property
    def smallest(self) -> int | None:
        """Side in px of the smallest tile that is worth its margins; None where a picture is always one piece."""
        return None if self.facts.halo is None else 2 * self.facts.halo + 8 * self.facts.multiple

    def in_one(self, image: Tensor) -> int:
        """Side in px of a tile in which a picture, (B, 3, H, W), is surely one piece."""
        return max(image.shape[2:]) + self.facts.multiple

    def until_it_fits(self, predictor: Predictor, image: Tensor, dtype: torch.dtype, how: Pass) -> Tensor:
        """Take a picture through a predictor, in smaller tiles where memory runs out; arguments as in `run`."""
        return self.fitting(lambda: self.run(predictor, image, dtype, how), how)

    def fitting(self, action: Callable[[], Tensor], how: Pass) -> Tensor:
        """Do what goes by `how.side`, again with smaller tiles where memory runs out."""
        while True:
            try:
                return action()
            except torch.OutOfMemoryError:
                if self.smallest is None or how.side <= self.smallest:
                    raise
                torch.cuda.empty_cache()
            how.side = max(how.side // 2, self.smallest)
            how.notes.append(f"out of memory on {self.device}: went on with tiles of {how.side} px")

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Compute in this machine's precision and by its way, around the network."""
        with autocast(self.device.type, self.dtype), winograd(self.winograd):
            yield

    def run(
        self,
        predictor: Predictor,
        image: Tensor,
        dtype: torch.dtype,
        how: Pass,
        whole: Tensor | None = None,
    ) -> Tensor:
        """Take a picture through a predictor, piece by piece.

        image: (1, 3, H, W), or several of one tile each; the same shape comes back.
        dtype: type of the result.
        whole: (1, 3, H, W), the picture that the image is a part of, for its context; None for the image itself.
        """
        if how.guidance != 1:
            predictor = Guided(predictor, how.guidance)
            how = replace(how, guidance=1.0)
        if how.ensemble:
            one = replace(how, ensemble=False)
            return mirrored(
                lambda part, told: self.run(predictor, part, torch.float32, replace(one, progress=told), whole),
                image,
                dtype,
                how.progress,
            )
        context = predictor.describe(image if whole is None else whole).to(self.device)
        context = context.expand(len(image), -1)
        longest = max(image.shape[2:])
        side = self.in_one(image) if self.smallest is None else max(how.side, self.smallest)

        def restore_tile(part: Tensor) -> Tensor:
            degraded = self.on_device(part)

            def predict(x_t: Tensor, t: float) -> Tensor:
                with self.computing():
                    return predictor(x_t, self.times(t, len(x_t)), degraded, context).float()

            return finished(sample(predict, degraded, how.steps), image.device)

        def begin() -> Callable[[Tensor, bool], Tensor]:
            with self.computing():
                rows = SampledRows(lambda t: predictor.stream(self.times(t), context), how.steps)

            def push(part: Tensor, last: bool) -> Tensor:
                with self.computing():
                    return finished(rows.push(self.on_device(part), last), image.device)

            return push

        grid: Grid = {"tile": side, "halo": self.facts.halo or 0, "multiple": self.facts.multiple}
        # A picture that is one piece in any case goes the shorter way.
        if self.facts.streams and longest > side:
            return apply_in_strips(begin, image, dtype=dtype, progress=how.progress, **grid)
        return apply_tiled(restore_tile, image, dtype=dtype, progress=how.progress, **grid)

    def on_device(self, part: Tensor) -> Tensor:
        with winograd(self.winograd):
            return part.to(self.device).contiguous(memory_format=memory_order())

    def times(self, t: float, count: int = 1) -> Tensor:
        return torch.full((count,), t, device=self.device)


def finished(restored: Tensor, place: torch.device) -> Tensor:
    """Clip to the range, and move to where the picture is."""
    if not torch.isfinite(restored.sum()):
        raise ImageError("the network made NaN or infinite values; restore in full precision, fp32")
    return restored.clamp(0, 1).to(place)


def enlarge(image: Tensor, scale: int) -> Tensor:
    """Enlarge bicubically (a = -0.5, as in MATLAB and Pillow).

    image: (B, 3, H, W), floating in [0, 1], uint8 or uint16; the result is floating where scale is not 1.
    """
    if scale == 1:
        return image
    size = [n * scale for n in image.shape[-2:]]
    return F.interpolate(as_float(image), size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
