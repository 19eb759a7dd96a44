"""Between image batches and the memory that libraries read and write.

Large pictures go band by band, so that no float copy of them is made.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.image.picture import check_batch
from restorekit.image.values import DTYPES, PEAKS, as_float, as_values

__all__ = ["MODES", "bands", "from_pil", "luma", "pil_image", "raw_bytes", "samples", "tensors", "to_pil"]

_BAND = 2**20  # pixels
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # by channels


def from_pil(image: Image.Image) -> Tensor:
    """Shape (1, 3, H, W), float32 in [0, 1]. Alpha is dropped, and the EXIF orientation not applied."""
    try:
        return as_float(tensors(image, bits=16)[0])
    except ValueError as error:
        raise ImageError(f"cannot take PIL mode {image.mode} ({error}); convert it to RGB first") from error


def to_pil(rgb: Tensor) -> Image.Image:
    """rgb: shape (1, 3, H, W), floating, in [0, 1]; what lies beyond is clipped. Rounds to 8 bits."""
    return pil_image(samples(rgb))


def tensors(image: Image.Image, bits: int) -> tuple[Tensor, Tensor | None]:
    """(1, 3, H, W), uint8, or of a 16-bit mode uint16, and (H, W) of the same type or None.

    bits: those in use of a 16-bit mode; fewer than 16 give float32 in [0, 1].
    """
    if image.mode in ("I", "F"):
        raise ValueError("32-bit values have no known range")
    if image.mode.startswith("I;16"):
        grey = torch.frombuffer(bytearray(image.convert("I").tobytes()), dtype=torch.int32)
        grey = grey.view(image.height, image.width)
        hidden = image.info.get("transparency")
        opaque = None if hidden is None else ((grey != hidden).to(torch.int32) * PEAKS[16]).to(torch.uint16)
        levels = grey.to(torch.uint16) if bits == 16 else grey / (2**bits - 1)
        return levels.expand(1, 3, -1, -1), opaque
    mode = "RGBA" if image.has_transparency_data else "RGB"
    rgb = torch.empty(1, 3, image.height, image.width, dtype=torch.uint8)
    alpha = torch.empty(image.height, image.width, dtype=torch.uint8) if mode == "RGBA" else None
    for rows in bands(image.height, image.width):
        strip = image.crop((0, rows.start, image.width, rows.stop)).convert(mode)
        levels = torch.frombuffer(bytearray(strip.tobytes()), dtype=torch.uint8)
        levels = levels.view(-1, image.width, len(mode))  # (rows, W, 3 or 4)
        rgb[0, :, rows] = levels[..., :3].permute(2, 0, 1)
        if alpha is not None:
            alpha[rows] = levels[..., 3]
    return rgb, alpha


def samples(rgb: Tensor, *, depth: int = 8, grey: bool = False, alpha: Tensor | None = None) -> Tensor:
    """The values to be written: shape (H, W, C), uint8, uint16 or float32 by depth; C = 1 or 3, and alpha's.

    rgb: shape (1, 3, H, W), floating in [0, 1], what lies beyond is clipped, or uint8 or uint16.
    grey: its luma, one channel. alpha: shape (h, w), as in a Picture; brought to H x W and to depth.
    """
    check_batch(rgb)
    if rgb.shape[0] != 1:
        raise ImageError(f"expected one image (1, 3, H, W), got a batch of {rgb.shape[0]}; pass them singly")
    height, width = rgb.shape[-2:]
    colours = 1 if grey else 3
    values = torch.empty(height, width, colours + (alpha is not None), dtype=DTYPES[depth])
    for rows in bands(height, width):
        part = rgb[0, :, rows].detach().cpu()  # (3, rows, W)
        if part.dtype == DTYPES[depth] and not grey and not part.is_floating_point():
            values[rows, :, :colours] = part.permute(1, 2, 0)
            continue
        part = as_float(part)
        if not torch.isfinite(part).all():
            raise ImageError("the image holds NaN or infinite values; restore it in full precision (float32)")
        if grey:
            part = luma(part)
        values[rows, :, :colours] = as_values(part.permute(1, 2, 0).clamp(0, 1), DTYPES[depth])
    if alpha is not None:
        values[..., -1] = _fitted(alpha.cpu(), height, width, depth)
    return values


def pil_image(values: Tensor, *, inks: bool = False) -> Image.Image:
    """values: shape (H, W, C), uint8, C as L, LA, RGB or RGBA, or, for inks, CMYK."""
    return Image.frombytes(
        "CMYK" if inks else MODES[values.shape[2]], (values.shape[1], values.shape[0]), raw_bytes(values)
    )


def raw_bytes(values: Tensor) -> bytearray:
    """The tensor's memory, in row order and little-endian; the way by a buffer needs no numpy."""
    data = bytearray(values.numel() * values.element_size())
    torch.frombuffer(data, dtype=values.dtype).view(values.shape).copy_(values)
    return data


def bands(height: int, width: int) -> Iterator[slice]:
    """Rows, a few at a time."""
    step = max(1, _BAND // width)
    for top in range(0, height, step):
        yield slice(top, min(height, top + step))


def luma(rgb: Tensor) -> Tensor:
    """0.299 R + 0.587 G + 0.114 B: ITU-R BT.601, as PIL and most cameras make grey; exact where R = G = B.

    rgb: shape (..., 3, H, W). Shape (..., 1, H, W).
    """
    red, green, blue = rgb.clamp(0, 1).split(1, -3)
    return green + 0.299 * (red - green) + 0.114 * (blue - green)


def _fitted(alpha: Tensor, height: int, width: int, depth: int) -> Tensor:
    """alpha: shape (h, w), uint8, uint16 or float32 in [0, 1]. Shape (H, W), of depth's type."""
    h, w = alpha.shape
    if abs(height * w - width * h) > max(h, w):  # more than rounding to whole pixels explains
        raise ImageError(f"an alpha of {w}x{h} does not fit an image of {width}x{height}; scale both alike")
    if (h, w) == (height, width) and alpha.dtype == DTYPES[depth]:
        return alpha
    values = as_float(alpha)[None, None]  # (1, 1, h, w)
    if (h, w) != (height, width):
        values = F.interpolate(values, (height, width), mode="bicubic", antialias=True, align_corners=False)
    return as_values(values[0, 0].clamp(0, 1), DTYPES[depth])
