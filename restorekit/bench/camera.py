"""High-ISO photographs for the protocol `camera`: one scene, shot by one camera without noise and with it.

    raw = mosaic(optics * matrix curve^-1(image) / gains),   noisy = (Poisson(raw N) + READ n) / N,   n ~ N(0, 1)
    clean, degraded = develop(raw), develop(noisy),   N: electrons of a full pixel at this ISO

Tone curves, colour matrices, demosaicking and the smoothing of colour are none of those that training draws (the
noise plugin's kind `camera`, `restorekit.training.shots`): what a restorer gains here, it did not learn by heart.
Filmic curve: Hable, "Uncharted 2: HDR lighting", 2010, http://filmicworlds.com/blog/filmic-tonemapping-operators
Reinhard et al., "Photographic tone reproduction for digital images", 2002, https://doi.org/10.1145/566654.566575
Malvar, He & Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color images", 2004,
https://doi.org/10.1109/ICASSP.2004.1326587
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

__all__ = ["CURVES", "demosaic", "inverse", "photograph"]

# XYZ to camera colours of a Nikon D3 and a Canon EOS 5D, as dcraw has them; and linear sRGB to XYZ.
XYZ_TO_CAMERA = (
    ((0.8139, -0.2171, -0.0663), (-0.8747, 1.6541, 0.2295), (-0.1925, 0.2008, 0.8093)),
    ((0.6347, -0.0479, -0.0972), (-0.8297, 1.5954, 0.2480), (-0.1968, 0.2131, 0.7649)),
)
RGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
ELECTRONS = (1400.0, 8000.0)  # of a full pixel, drawn evenly in the logarithm
READ = 3.0  # electrons
OPTICS = (0.06, 0.24, 0.4, 0.24, 0.06)  # lens and low-pass filter before the sensor, along each axis
BRIGHTNESS = (0.299, 0.587, 0.114)
COLOUR_SMOOTHING = 0.5


def filmic(light: Tensor) -> Tensor:
    """Hable's curve with its constants, white at 11.2, and a display's power."""

    def bent(x: Tensor) -> Tensor:
        return (x * (0.15 * x + 0.05) + 0.004) / (x * (0.15 * x + 0.5) + 0.06) - 0.02 / 0.3

    return (bent(11.2 * light) / bent(light.new_tensor(11.2))).clamp_min(0) ** (1 / 2.2)


def reinhard(light: Tensor) -> Tensor:
    """Reinhard's curve with white at 4, a display's power, and a cubic for contrast."""
    display = (4 * light * (1 + light / 4) / (1 + 4 * light)) ** (1 / 2.2)
    return display + 0.6 * (display.square() * (3 - 2 * display) - display)


def logarithmic(light: Tensor) -> Tensor:
    """Stops of light in equal steps, but for the darkest."""
    return (1 + 60 * light).log() / light.new_tensor(61.0).log()


CURVES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "filmic": filmic,
    "reinhard": reinhard,
    "logarithmic": logarithmic,
}


def photograph(image: Tensor, curve: str, generator: Generator) -> tuple[Tensor, Tensor]:
    """Shoot a scene without noise and at a high ISO.

    image: the scene, (1, 3, H, W), in [0, 1]; both shots have the same shape and range, in floating point.
    curve: a key of CURVES.
    generator: draws camera, white balance, ISO and noise.
    """
    share, red, blue, iso = torch.rand(4, generator=generator).double()
    cameras = torch.tensor(XYZ_TO_CAMERA).double() @ torch.tensor(RGB_TO_XYZ).double()
    matrix = share * cameras[0] + (1 - share) * cameras[1]
    matrix = matrix / matrix.sum(1, keepdim=True)  # white stays white
    gains = torch.stack([1.5 + red, torch.ones_like(red), 1.4 + blue]).view(1, 3, 1, 1)
    mask = bayer(*image.shape[-2:])
    light = inverse(CURVES[curve], image.double())
    colours = torch.einsum("ij,bjhw->bihw", matrix, through_lens(light)).clamp(0, 1)
    raw = (colours / gains * mask).sum(1, keepdim=True)
    electrons = ELECTRONS[0] * (ELECTRONS[1] / ELECTRONS[0]) ** iso
    counts = torch.poisson(raw * electrons, generator=generator)
    counts = counts + READ * torch.randn(raw.shape, generator=generator, dtype=raw.dtype)
    noisy = (counts / electrons).clamp_max(1)  # beyond, the pixel is full

    def develop(raw: Tensor) -> Tensor:
        balanced = demosaic(raw, mask) * gains
        light = torch.einsum("ij,bjhw->bihw", matrix.inverse(), balanced).clamp(0, 1)
        return smoothed_colour(CURVES[curve](light)).clamp(0, 1).to(image.dtype)

    return develop(raw), develop(noisy)


def inverse(curve: Callable[[Tensor], Tensor], display: Tensor) -> Tensor:
    """Light that a rising curve from 0 to 1 shows as `display`, float64, by a table that is finest in the dark."""
    light = torch.linspace(0, 1, 8193, dtype=torch.float64) ** 3
    shown = curve(light)
    after = torch.searchsorted(shown, display.contiguous()).clamp(1, len(light) - 1)
    low, high = shown[after - 1], shown[after]
    part = ((display - low) / (high - low)).clamp(0, 1)
    return light[after - 1] + part * (light[after] - light[after - 1])


def through_lens(light: Tensor) -> Tensor:
    """Light as it falls on the sensor, (B, 3, H, W)."""
    line = light.new_tensor(OPTICS)
    kernel = torch.outer(line, line).expand(3, 1, 5, 5)
    return F.conv2d(F.pad(light, (2,) * 4, mode="reflect"), kernel, groups=3)


def bayer(height: int, width: int) -> Tensor:
    """The colour filter over each pixel, (1, 3, H, W): red at even rows and columns, blue at odd ones."""
    rows, columns = torch.arange(height)[:, None] % 2 == 0, torch.arange(width) % 2 == 0
    return torch.stack([rows & columns, rows ^ columns, ~(rows | columns)])[None].double()


def demosaic(raw: Tensor, mask: Tensor) -> Tensor:
    """Three colours per pixel by the linear filters of Malvar, He & Cutler: bilinear means, corrected by the
    curvature of the colour that is there. raw: (B, 1, H, W). mask: (1, 3, H, W), of `bayer`."""
    cross = (
        (0, 0, -1, 0, 0),
        (0, 0, 2, 0, 0),
        (-1, 2, 4, 2, -1),
        (0, 0, 2, 0, 0),
        (0, 0, -1, 0, 0),
    )
    across = (
        (0, 0, 0.5, 0, 0),
        (0, -1, 0, -1, 0),
        (-1, 4, 5, 4, -1),
        (0, -1, 0, -1, 0),
        (0, 0, 0.5, 0, 0),
    )
    corners = (
        (0, 0, -1.5, 0, 0),
        (0, 2, 0, 2, 0),
        (-1.5, 0, 6, 0, -1.5),
        (0, 2, 0, 2, 0),
        (0, 0, -1.5, 0, 0),
    )
    down = tuple(zip(*across, strict=True))
    kernels = raw.new_tensor([cross, across, down, corners])[:, None] / 8
    # Mirrored without repeating the border: a mosaic stays one.
    green, beside, above, opposite = F.conv2d(F.pad(raw, (2,) * 4, mode="reflect"), kernels).split(1, 1)
    is_red, is_green, is_blue = (plane > 0 for plane in mask.split(1, 1))
    red_row = is_red.any(-1, keepdim=True)

    def other(here: Tensor, opposite_here: Tensor, beside_here: Tensor) -> Tensor:
        between = torch.where(beside_here, beside, above)
        return torch.where(here, raw, torch.where(opposite_here, opposite, between))

    red, blue = other(is_red, is_blue, red_row), other(is_blue, is_red, ~red_row)
    return torch.cat([red, torch.where(is_green, raw, green), blue], 1)


def smoothed_colour(picture: Tensor) -> Tensor:
    """Colour moved half-way to its mean of 3x3, as cameras do; the luma stays."""
    luma = (picture * picture.new_tensor(BRIGHTNESS).view(3, 1, 1)).sum(1, keepdim=True)
    colour = picture - luma
    means = F.avg_pool2d(F.pad(colour, (1,) * 4, mode="reflect"), 3, 1)
    return luma + colour + COLOUR_SMOOTHING * (means - colour)
