"""CMYK to sRGB, in which pictures are restored, and back to CMYK, by the picture's own profile.

Without a profile the inks are taken for ideal:    R = (1 - C) (1 - K),    K = 1 - max(R, G, B).
"""

import io
from contextlib import suppress

import torch
from PIL import Image, ImageCms
from torch import Tensor

from restorekit.image.pixels import bands, raw_bytes

__all__ = ["cmyk_from_srgb", "srgb_from_cmyk"]

_TRACE = 5  # of 255: as much of another ink as a JPEG leaves where there was none
_NEUTRAL = 24  # of 255: how far from the colour of black ink a pixel may be that stays black alone


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


def cmyk_from_srgb(
    values: Tensor, profile: bytes | None, own: Tensor | None = None, before: Tensor | None = None
) -> Tensor:
    """values: shape (H, W, 3), uint8, sRGB. Shape (H, W, 4), uint8, 255 for full ink.

    own: the source's inks, shape (h, w, 4), and before, the same in sRGB, (h, w, 3); both of values' size or
    smaller by a scale. A pixel that is as before has its own inks again; one that was black ink alone, as text is,
    or paper, stays so while it is no colour: other inks would show at its edges where the press is a hair off.
    """
    height, width, _ = values.shape
    inks = torch.empty(height, width, 4, dtype=torch.uint8)
    ramp = _black_ramp(profile)
    for rows in bands(height, width):
        part = values[rows]
        near = None if own is None else _nearest(own, rows, height, width)
        made = _by_profile(part, profile) if profile else None
        if made is None:
            made = _ideal_inks(part, near)
        if own is not None and near is not None:
            made = _black_alone(part, near, ramp, made)
            if own.shape[:2] == (height, width) and before is not None:
                same = (part == before[rows]).all(-1, keepdim=True)  # (rows, W, 1)
                made = torch.where(same, own[rows], made)
        inks[rows] = made
    return inks


def _by_profile(part: Tensor, profile: bytes) -> Tensor | None:
    """Inks by the profile, shape (rows, W, 4); None if it cannot be used."""
    strip = Image.frombytes("RGB", (part.shape[1], len(part)), raw_bytes(part))
    converted = _converted(strip, profile, to_srgb=False)
    if converted is None:
        return None
    return torch.frombuffer(bytearray(converted.tobytes()), dtype=torch.uint8).view(*part.shape[:2], 4)


def _ideal_inks(values: Tensor, near: Tensor | None) -> Tensor:
    """Inks without a profile: black as there was, if the colour lets it; all that it lets where none was."""
    light = values.amax(-1, keepdim=True).float()  # (H, W, 1), 255 (1 - K) at the most black
    if near is not None:
        light = torch.maximum(light, 255 - near[..., 3:].float())
    colours = 255 * (light - values) / light.clamp(min=1)
    return torch.cat([colours, 255 - light], -1).round().to(torch.uint8)


def _black_ramp(profile: bytes | None) -> Tensor:
    """Black ink alone, from none to full, in sRGB: shape (256, 3), uint8."""
    if profile:
        greys = Image.frombytes("CMYK", (256, 1), bytes(v for k in range(256) for v in (0, 0, 0, k)))
        converted = _converted(greys, profile, to_srgb=True)
        if converted is not None:
            return torch.frombuffer(bytearray(converted.tobytes()), dtype=torch.uint8).view(256, 3)
    return torch.arange(255, -1, -1).to(torch.uint8)[:, None].expand(-1, 3)


def _black_alone(part: Tensor, near: Tensor, ramp: Tensor, made: Tensor) -> Tensor:
    """made, but black ink alone where near is, unless that is far from the colour of part."""
    grey = part.float().mean(-1)  # (rows, W)
    steps = ramp.float().mean(-1)  # falls with the ink
    ink = torch.searchsorted(-steps.cummin(0).values, -grey.contiguous()).clamp(max=255)
    below = (ink - 1).clamp(min=0)
    ink = torch.where((steps[below] - grey).abs() < (steps[ink] - grey).abs(), below, ink)
    alone = (near[..., :3].amax(-1) <= _TRACE) & ((ramp[ink].int() - part.int()).abs().amax(-1) <= _NEUTRAL)
    black = torch.cat([torch.zeros_like(part), ink.to(torch.uint8)[..., None]], -1)
    return torch.where(alone[..., None], black, made)


def _nearest(own: Tensor, rows: slice, height: int, width: int) -> Tensor:
    """The source's inks at these rows of an image of height x width."""
    h, w, _ = own.shape
    down = torch.arange(rows.start, rows.stop) * h // height
    across = torch.arange(width) * w // width
    return own[down][:, across] if (h, w) != (height, width) else own[rows]


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
