"""What the rest of the house sees of a file: a Picture, its pixels an image batch of one."""

from dataclasses import dataclass

from torch import Tensor

from restorekit.errors import ImageError


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture out of a file, with what is needed to write it back.

    rgb: shape (1, 3, H, W), float32 in [0, 1]. depth: bits per channel of the file: 8, 16, or 32 for floating
    point. alpha: shape (H, W), uint8, uint16 or float32 in [0, 1], by depth; None for an opaque picture.
    mode: the kind of source: "grey", "rgb", "palette", "cmyk". format: PIL's name for it, such as "JPEG".
    icc_profile: what colours rgb means; None for sRGB. text: PNG text chunks.
    exif, xmp: as in the file, but with the orientation reset to 1, since rgb is turned already.
    jpeg_quality: a JPEG's own quality, estimated. notes: a line for each thing not read, or not written
    back, as it was.
    """

    rgb: Tensor
    alpha: Tensor | None = None
    mode: str = "rgb"
    depth: int = 8
    format: str = ""
    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    jpeg_quality: int | None = None
    notes: tuple[str, ...] = ()


def check_batch(image: Tensor) -> None:
    """Raise ImageError unless image is floating, of shape (B, 3, H, W), and not empty."""
    if not isinstance(image, Tensor):
        raise ImageError(f"expected a (B, 3, H, W) float tensor in [0, 1], got {type(image).__name__}")
    if image.ndim != 4 or image.shape[1] != 3 or image.numel() == 0 or not image.is_floating_point():
        raise ImageError(f"expected (B, 3, H, W) float in [0, 1], got {tuple(image.shape)} {image.dtype}")
