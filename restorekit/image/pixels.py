"""Between PIL's pixels and tensors. The way by a buffer needs no numpy."""

import torch
from PIL import Image
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.image.picture import check_batch

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as PIL and most cameras make grey


def from_pil(image: Image.Image) -> Tensor:
    """Shape (1, 3, H, W), float32 in [0, 1]. Alpha is dropped, and the EXIF orientation not applied."""
    try:
        return tensors(image, depth=16)[0]
    except ValueError as error:
        raise ImageError(f"cannot take PIL mode {image.mode} ({error}); convert it to RGB first") from error


def to_pil(rgb: Tensor) -> Image.Image:
    """rgb: shape (1, 3, H, W), floating, in [0, 1]; what lies beyond is clipped. Rounds to 8 bits."""
    return from_levels(levels(rgb).permute(1, 2, 0), "RGB")


def tensors(image: Image.Image, depth: int) -> tuple[Tensor, Tensor | None]:
    """(1, 3, H, W) float32 in [0, 1], and (H, W) uint8 or None. depth: the bits of a 16-bit grey mode."""
    if image.mode in ("I", "F"):
        raise ValueError("32-bit values have no known range")
    if image.mode.startswith("I;16"):
        grey = torch.frombuffer(bytearray(image.convert("I").tobytes()), dtype=torch.int32)
        grey = grey.view(image.height, image.width)
        hidden = image.info.get("transparency")
        alpha = None if hidden is None else (grey != hidden).to(torch.uint8) * 255
        return (grey / (2**depth - 1)).expand(1, 3, -1, -1).contiguous(), alpha
    mode = "RGBA" if image.has_transparency_data else "RGB"
    levels = torch.frombuffer(bytearray(image.convert(mode).tobytes()), dtype=torch.uint8)
    levels = levels.view(image.height, image.width, len(mode)).permute(2, 0, 1).contiguous()  # (3 or 4, H, W)
    return levels[:3].unsqueeze(0) / 255, levels[3].clone() if mode == "RGBA" else None


def levels(rgb: Tensor, weights: tuple[float, ...] | None = None) -> Tensor:
    """rgb to uint8, shape (3, H, W); or its weighted sum over the channels, shape (H, W)."""
    check_batch(rgb)
    if rgb.shape[0] != 1:
        raise ImageError(f"expected one image (1, 3, H, W), got a batch of {rgb.shape[0]}; pass them singly")
    if not torch.isfinite(rgb).all():
        raise ImageError("the image holds NaN or infinite values; restore it in full precision (float32)")
    values = rgb.detach()[0].cpu().float().clamp(0, 1)  # (3, H, W)
    if weights is not None:
        values = torch.einsum("c,chw->hw", torch.tensor(weights), values).clamp(0, 1)
    return values.mul(255).round().to(torch.uint8)


def from_levels(levels: Tensor, mode: str) -> Image.Image:
    """levels: shape (H, W) or (H, W, C), uint8. The way by a buffer needs no numpy."""
    data = bytearray(levels.numel())
    torch.frombuffer(data, dtype=torch.uint8).copy_(levels.flatten())
    return Image.frombytes(mode, (levels.shape[1], levels.shape[0]), bytes(data))
