"""Low resolution.  lowres = up_s(down_s(image)): fewer samples, shown at the size of the full picture.

kinds: how the picture was reduced: `bicubic` (a = -0.5 with antialiasing, as MATLAB's imresize), `bilinear`,
`area`. It is always brought back bicubically, as `restorekit restore --scale` does before restoring.
Keys, "Cubic convolution interpolation for digital image processing", 1981,
https://doi.org/10.1109/TASSP.1981.1163711
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from restorekit.plugin import Degradation, Realisation, Severity

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LowResolution", "reduce_and_enlarge_batch"]

WHOLE, WHOLE_SHARE = (2.0, 2.0, 3.0, 4.0), 0.85  # factors in training, and how often it is one of these
LARGEST = 512  # px, of what is reduced by matrices


class LowResolution(Degradation):
    """Loss of resolution; the severity is the factor by which the picture was reduced."""

    name = "lowres"
    severity = Severity(symbol="factor", unit="", off=1, mild=1.5, strong=4, typical=2)
    kinds = ("bicubic", "bilinear", "area")
    shares = (0.86, 0.07, 0.07)
    order = 30
    summary = "low resolution, x1.5 to x4: bicubic, bilinear, area"

    def spread(self, u: Tensor, kinds: Tensor) -> Tensor:
        import torch

        # Enlarging twice is what people do most.
        which = (u / WHOLE_SHARE * len(WHOLE)).long().clamp_max(len(WHOLE) - 1)
        whole = torch.tensor(WHOLE, device=u.device)[which]
        low, high = self.severity.mild, self.severity.strong
        return torch.where(u < WHOLE_SHARE, whole, low + (high - low) * (u - WHOLE_SHARE) / (1 - WHOLE_SHARE))

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        import torch

        if image.device.type != "cpu" and max(image.shape[-2:]) <= LARGEST:
            there = realisation.to(image.device)
            return reduce_and_enlarge_batch(image, there.severity, there.places())
        kinds, factors = realisation.kind_names(), realisation.severity.tolist()
        rows = [
            reduce_and_enlarge(image[i : i + 1], factor, kind)
            for i, (factor, kind) in enumerate(zip(factors, kinds, strict=True))
        ]
        return torch.cat(rows)


def reduce_and_enlarge_batch(image: Tensor, factors: Tensor, kinds: Tensor) -> Tensor:
    """Reduce and enlarge each picture in its own way without waiting for the device: two matrices per axis.

    image: (B, 3, H, W).
    factors: (B,).
    kinds: places among the degradation's kinds, (B,).
    """
    import torch

    from restorekit_sr.resampling import enlarging, reducing

    exact = torch.float32 if image.device.type == "mps" else torch.float64  # a GPU's float32 products may be rough
    sizes = [(n / factors.to(exact)).round().long().clamp_min(1) for n in image.shape[-2:]]
    down, up = [], []
    for n, small in zip(image.shape[-2:], sizes, strict=True):
        down.append(reducing(n, small, kinds)[:, None].to(exact))  # (B, 1, n, n)
        up.append(enlarging(n, small)[:, None].to(exact))
    low = (down[0] @ image.to(exact) @ down[1].mT).clamp(0, 1)
    shown = (up[0] @ low @ up[1].mT).clamp(0, 1).to(image)
    untouched = (sizes[0] == image.shape[-2]) & (sizes[1] == image.shape[-1])
    return torch.where(untouched.view(-1, 1, 1, 1), image, shown)


def reduce_and_enlarge(image: Tensor, factor: float, kind: str) -> Tensor:
    """Reduce by `factor` and bring back to the same size. image: (1, 3, H, W)."""
    import torch.nn.functional as F

    size = image.shape[-2:]
    small = [max(1, round(n / factor)) for n in size]
    if small == list(size):
        return image
    if kind == "area":
        low = F.interpolate(image, small, mode="area")
    else:
        low = F.interpolate(image, small, mode=kind, antialias=True, align_corners=False)
    return F.interpolate(low.clamp(0, 1), size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
