"""Passes of pictures of any size through a backbone, in tiles or in strips, in the machine's precision.

restored = sample(backbone, image)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.device import autocast
from restorekit.ensemble import mirrored
from restorekit.errors import ImageError
from restorekit.flow import sample
from restorekit.image import as_float
from restorekit.streaming import SampledRows
from restorekit.tiling import apply_in_strips, apply_tiled

__all__ = ["Pass", "Passing", "enlarge"]


@dataclass
class Pass:
    """How pictures go through the network. side: of a tile in px, smaller once memory ran out; notes say so."""

    steps: int
    side: int
    ensemble: bool = False
    progress: Callable[[int, int], None] | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Passing:
    """A backbone on its device. dtype: of its convolutions' inputs."""

    backbone: Any
    device: torch.device
    dtype: torch.dtype

    @property
    def smallest(self) -> int:
        """Side in px of the smallest tile that is worth its margins."""
        return 2 * self.backbone.halo + 8 * self.backbone.multiple

    def until_it_fits(self, image: Tensor, dtype: torch.dtype, how: Pass) -> Tensor:
        """One pass over a picture, in smaller tiles where memory runs out; arguments as in `run`."""
        while True:
            try:
                return self.run(image, dtype, how)
            except torch.OutOfMemoryError:
                if how.side <= self.smallest:
                    raise
                torch.cuda.empty_cache()
            how.side = max(how.side // 2, self.smallest)
            how.notes.append(f"out of memory on {self.device}: went on with tiles of {how.side} px")

    def autocast(self) -> torch.autocast:
        """Around the network: computes in this restorer's precision."""
        return autocast(self.device.type, self.dtype)

    def run(self, image: Tensor, dtype: torch.dtype, how: Pass) -> Tensor:
        """Take a picture through the backbone as it is merged now, tile by tile.

        image: (1, 3, H, W), or several of one tile each; the same shape comes back, of dtype.
        """
        if how.ensemble:
            return mirrored(
                lambda part, told: self.run(part, torch.float32, Pass(how.steps, how.side, progress=told)),
                image,
                dtype,
                how.progress,
            )
        context = self.backbone.describe(image).to(self.device)
        side, halo, multiple = max(how.side, self.smallest), self.backbone.halo, self.backbone.multiple

        def restore_tile(part: Tensor) -> Tensor:
            degraded = self.on_device(part)

            def predict(x_t: Tensor, t: float) -> Tensor:
                with self.autocast():
                    return self.backbone.predict(x_t, self.times(t, len(x_t)), degraded, context).float()

            return finished(sample(predict, degraded, how.steps), image.device)

        def begin() -> Callable[[Tensor, bool], Tensor]:
            with self.autocast():
                rows = SampledRows(lambda t: self.backbone.stream(self.times(t), context), how.steps)

            def push(part: Tensor, last: bool) -> Tensor:
                with self.autocast():
                    return finished(rows.push(self.on_device(part), last), image.device)

            return push

        # A picture that is one piece in any case goes the shorter way.
        if hasattr(self.backbone, "stream") and max(image.shape[2:]) > side:
            return apply_in_strips(
                begin, image, tile=side, halo=halo, multiple=multiple, dtype=dtype, progress=how.progress
            )
        return apply_tiled(
            restore_tile, image, tile=side, halo=halo, multiple=multiple, dtype=dtype, progress=how.progress
        )

    def on_device(self, part: Tensor) -> Tensor:
        return part.to(self.device).contiguous(memory_format=torch.channels_last)

    def times(self, t: float, count: int = 1) -> Tensor:
        return torch.full((count,), t, device=self.device)


def finished(restored: Tensor, place: torch.device) -> Tensor:
    """Within the range, where the picture is."""
    if not torch.isfinite(restored.sum()):
        raise ImageError("the network made NaN or infinite values; restore in full precision, fp32")
    return restored.clamp(0, 1).to(place)


def enlarge(image: Tensor, scale: int) -> Tensor:
    """Bicubic enlargement (a = -0.5, as MATLAB and Pillow do it). image: (B, 3, H, W), floating in [0, 1], uint8
    or uint16; floating where scale is not 1."""
    if scale == 1:
        return image
    size = [n * scale for n in image.shape[-2:]]
    return F.interpolate(as_float(image), size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
