"""CMYK to sRGB, in which pictures are restored, and back to CMYK, by the picture's own profile.

Without a profile the inks are taken for ideal:    R = (1 - C) (1 - K),    K = 1 - max(R, G, B).
"""

import io
from contextlib import suppress

import torch
from PIL import Image, ImageCms
from torch import Tensor

from restorekit.image.pixels import bands, raw_bytes


def srgb_from_cmyk(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bool, str]:
    """The picture in sRGB, whether it can go back to CMYK, and a note of what was done."""
    if profile:
        converted = _converted(image, profile, to_srgb=True)
        if converted is not None:
            if _converted(Image.new("RGB", (1, 1)), profile, to_srgb=False) is None:
                return converted, False, "CMYK is converted to sRGB: its profile knows no way back"
            return converted, True, "CMYK is restored in sRGB, and converted there and back through its profile"
    note = "CMYK is restored in RGB, there and back without a profile: the colours are approximate"
    return image.convert("RGB"), True, note


def cmyk_from_srgb(values: Tensor, profile: bytes | None) -> Tensor:
    """values: shape (H, W, 3), uint8, sRGB. Shape (H, W, 4), uint8, 255 for full ink."""
    height, width, _ = values.shape
    inks = torch.empty(height, width, 4, dtype=torch.uint8)
    for rows in bands(height, width):
        part = values[rows]
        converted = None
        if profile:
            strip = Image.frombytes("RGB", (width, len(part)), raw_bytes(part))
            converted = _converted(strip, profile, to_srgb=False)
        if converted is not None:
            inks[rows] = torch.frombuffer(bytearray(converted.tobytes()), dtype=torch.uint8).view(-1, width, 4)
        else:
            inks[rows] = _ideal_inks(part)
    return inks


def _ideal_inks(values: Tensor) -> Tensor:
    light = values.amax(-1, keepdim=True).float()  # (H, W, 1), 255 (1 - K)
    colours = 255 * (light - values) / light.clamp(min=1)
    return torch.cat([colours, 255 - light], -1).round().to(torch.uint8)


def _converted(image: Image.Image, profile: bytes, *, to_srgb: bool) -> Image.Image | None:
    """None where the profile is broken, or has no tables for that way."""
    with suppress(ImageCms.PyCMSError, OSError, ImportError):
        inks, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(
            image,
            inks if to_srgb else srgb,
            srgb if to_srgb else inks,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB" if to_srgb else "CMYK",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    return None
