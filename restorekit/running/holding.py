"""An enlarged picture is held to the small one that it came from: reduced again, it has to be that.

    held = restored + share enlarge(small - reduce(restored))

One step of iterative back-projection, with bicubic reduction and enlargement (a = -0.5). Irani and Peleg,
"Improving resolution by image registration", 1991, https://doi.org/10.1016/1049-9652(91)90045-L
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.image import as_float, as_values
from restorekit.image.pixels import bands

__all__ = ["held"]

MARGIN = 4  # px of the small picture that a pixel of the correction depends on, above and below


def held(restored: Tensor, small: Tensor, share: float, dtype: torch.dtype) -> Tensor:
    """Correct an enlarged picture by what its reduction differs in from the small one, band by band.

    restored: (1, 3, s H, s W), floating in [0, 1], uint8 or uint16.
    small: (1, 3, H, W), likewise.
    share: of the correction, in [0, 1].
    dtype: type of the result, of the shape of `restored`.
    """
    height, width = small.shape[2:]
    scale = restored.shape[2] // height
    result = torch.empty_like(restored, dtype=dtype)
    for band in bands(height, width * scale * scale):
        top, bottom = max(0, band.start - MARGIN), min(height, band.stop + MARGIN)
        large = as_float(restored[..., top * scale : bottom * scale, :])
        missing = as_float(small[..., top:bottom, :]).to(large) - resized(large, (bottom - top, width))
        large = large + share * resized(missing, large.shape[2:])
        own = slice((band.start - top) * scale, (band.stop - top) * scale)
        rows = slice(band.start * scale, band.stop * scale)
        result[..., rows, :] = as_values(large[..., own, :].clamp(0, 1), dtype)
    return result


def resized(image: Tensor, size: tuple[int, ...]) -> Tensor:
    """Resize bicubically, not clipped. image: (1, 3, h, w), floating."""
    return F.interpolate(image, list(size), mode="bicubic", antialias=True, align_corners=False)
