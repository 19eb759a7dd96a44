"""The contract of a backbone: a network that estimates the clean image, into which bases are merged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from torch import Tensor


class Backbone(Protocol):
    """A torch module. Spatial sizes passed to it are multiples of `multiple`; the caller pads and crops.

    halo: px beyond which a pixel cannot influence another; tiles overlap by it.
    multiple: spatial sizes and tile origins are multiples of it.

    One that also has `stream(t, context)`, which starts a `restorekit.streaming.Stream`, restores large pictures
    in strips that follow each other, without computing anything twice. t: (1,); context: (1, C).
    """

    multiple: int
    halo: int

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """Load configuration and verified weights."""
        ...

    def describe(self, degraded: Tensor) -> Tensor:
        """Context of whole images, computed once and shared by their tiles: (B, 3, H, W) to (B, C).

        Called when the mixture is merged."""
        ...

    def predict(self, x_t: Tensor, t: Tensor, degraded: Tensor, context: Tensor) -> Tensor:
        """Estimate of the clean images. x_t, degraded: (B, 3, H, W); t: (B,); context: (B, C)."""
        ...
