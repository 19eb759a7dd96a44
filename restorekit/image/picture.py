"""What the rest of the house sees of a file: a Picture, its pixels an image batch of one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.image.values import as_float


@dataclass(frozen=True)
class JpegCoding:
    """How a JPEG was compressed. quality: 1 to 100, estimated, on libjpeg's scale. sampling: of colour, such as
    "4:2:0". tables: of quantisation, 64 numbers each, as PIL gives and takes them."""

    quality: int
    sampling: str
    tables: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture out of a file, with what is needed to write it back.

    values: shape (1, 3, H, W), of the file's own type, uint8, uint16 or float32 in [0, 1]; `rgb` is the same in
    floating point. depth: bits per channel of the file: 8, 16, or 32 for floating point.
    alpha: shape (H, W), uint8, uint16 or float32 in [0, 1], by depth; None for an opaque picture.
    mode: the kind of source: "grey", "rgb", "palette", "cmyk". format: PIL's name for it, such as "JPEG".
    icc_profile: what colours rgb means; None for sRGB. ink_profile: a CMYK picture's own, for the way back from
    sRGB. text: PNG text chunks. jpeg: how a JPEG was compressed.
    exif, xmp: as in the file, but with the orientation reset to 1, since rgb is turned already.
    notes: a line for each thing not read, or not written back, as it was.
    """

    values: Tensor
    alpha: Tensor | None = None
    mode: str = "rgb"
    depth: int = 8
    format: str = ""
    icc_profile: bytes | None = None
    ink_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    jpeg: JpegCoding | None = None
    notes: tuple[str, ...] = ()

    @property
    def rgb(self) -> Tensor:
        """Shape (1, 3, H, W), float32 in [0, 1]."""
        return as_float(self.values)

    @property
    def visible(self) -> Tensor | None:
        """Shape (1, H, W), boolean, False where the picture is transparent; None for an opaque picture."""
        if self.alpha is None:
            return None
        alpha = self.alpha.view(torch.int16) if self.alpha.dtype == torch.uint16 else self.alpha
        return (alpha != 0)[None]

    def stripped(self) -> Picture:
        """Without what it says of place, time, people and device; profiles stay, since colours need them."""
        return replace(self, exif=None, xmp=None, dpi=None, text=())


def check_batch(image: Tensor) -> None:
    """Raise ImageError unless image is floating, uint8 or uint16, of shape (B, 3, H, W), and not empty."""
    if not isinstance(image, Tensor):
        raise ImageError(f"expected a (B, 3, H, W) float tensor in [0, 1], got {type(image).__name__}")
    known = image.is_floating_point() or image.dtype in (torch.uint8, torch.uint16)
    if image.ndim != 4 or image.shape[1] != 3 or image.numel() == 0 or not known:
        raise ImageError(
            f"expected (B, 3, H, W), float in [0, 1], uint8 or uint16, got {tuple(image.shape)} {image.dtype}"
        )
