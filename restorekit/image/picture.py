"""A Picture, by which the rest of the house sees a file: its pixels are an image batch of one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.image.values import as_float

__all__ = ["Extras", "JpegCoding", "Picture", "check_batch"]

# A PNG's chunks that say what its colours mean.
COLOUR = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"sBIT", b"mDCV", b"cLLI", b"mDCv", b"cLLi", b"bKGD", b"pHYs")


@dataclass(frozen=True)
class JpegCoding:
    """The compression of a JPEG. quality: 1 to 100, estimated, on libjpeg's scale. sampling: of colour, such as
    "4:2:0". tables: of quantisation, 64 numbers each, as PIL gives and takes them."""

    quality: int
    sampling: str
    tables: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Extras:
    """Parts that only one or two formats hold, and names of those that none would.

    comments: of a JPEG. iptc: IPTC-IIM records, of JPEG and TIFF. chunks: names and contents of a PNG's, which say
    what its colours mean, or may be copied unknown. tags: a GeoTIFF's: number, type and values. gone: names of
    parts that were left out on reading, since they would be untrue of another file, or point at what is not there.
    """

    comments: tuple[bytes, ...] = ()
    iptc: bytes = b""
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    tags: tuple[tuple[int, int, object], ...] = ()
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture out of a file, with what is needed to write it back.

    values: shape (1, 3, H, W), of the file's own type, uint8, uint16 or float32 in [0, 1]; `rgb` is the same in
    floating point. depth: bits per channel of the file: 8, 16, or 32 for floating point.
    alpha: shape (H, W), uint8, uint16 or float32 in [0, 1], by depth; None for an opaque picture.
    mode: the kind of source: "grey", "rgb", "palette", "cmyk". format: PIL's name for it, such as "JPEG".
    icc_profile: what colours rgb means; None for sRGB. ink_profile: a CMYK picture's own, for the way back from
    sRGB. inks: the CMYK values themselves, shape (H, W, 4), uint8, 255 for full ink. text: PNG text chunks.
    jpeg: how a JPEG was compressed; None for a lossless one.
    exif, xmp: as in the file, but with the orientation reset to 1, since rgb is turned already.
    extras: what only one or two formats hold. notes: a line for each thing that was not read as it was.
    salvaged: whether the file was damaged, and this is what could be read of it.
    """

    values: Tensor
    alpha: Tensor | None = None
    mode: str = "rgb"
    depth: int = 8
    format: str = ""
    icc_profile: bytes | None = None
    ink_profile: bytes | None = None
    inks: Tensor | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    jpeg: JpegCoding | None = None
    extras: Extras = Extras()
    notes: tuple[str, ...] = ()
    salvaged: bool = False

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
        chunks = tuple(chunk for chunk in self.extras.chunks if chunk[0] in COLOUR)
        return replace(self, exif=None, xmp=None, dpi=None, text=(), extras=Extras(chunks=chunks))


def check_batch(image: Tensor) -> None:
    """Raise ImageError unless image is floating, uint8 or uint16, of shape (B, 3, H, W), and not empty."""
    if not isinstance(image, Tensor):
        raise ImageError(f"expected a (B, 3, H, W) float tensor in [0, 1], got {type(image).__name__}")
    known = image.is_floating_point() or image.dtype in (torch.uint8, torch.uint16)
    if image.ndim != 4 or image.shape[1] != 3 or image.numel() == 0 or not known:
        raise ImageError(
            f"expected (B, 3, H, W), float in [0, 1], uint8 or uint16, got {tuple(image.shape)} {image.dtype}"
        )
