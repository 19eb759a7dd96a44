"""Pixels of an image in PIL's memory, upright, in RGB or grey, with what is needed for the way back.

image -> turned by its EXIF orientation -> CMYK in sRGB -> values and alpha
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from restorekit.image.colour import srgb_from_cmyk
from restorekit.image.metadata import Metadata
from restorekit.image.picture import JpegCoding, Picture
from restorekit.image.pixels import tensors

__all__ = ["TURNS", "Content", "content_of", "is_wide", "picture_from"]

TURNS = dict(enumerate((0, 3, 1, 5, 4, 6, 2), start=2))  # EXIF orientation -> PIL's Transpose
_KINDS = {"1": "grey", "L": "grey", "LA": "grey", "La": "grey", "P": "palette", "PA": "palette"}
_PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}  # colours multiplied with alpha


@dataclass(frozen=True, eq=False)
class Content:
    """Pixels decoded, upright, and what they mean; the fields as in Picture."""

    values: Tensor
    alpha: Tensor | None
    mode: str
    depth: int = 8
    icc_profile: bytes | None = None
    ink_profile: bytes | None = None
    inks: Tensor | None = None
    jpeg: JpegCoding | None = None
    notes: tuple[str, ...] = ()


def is_wide(image: Image.Image) -> bool:
    """Tell whether an image has grey values of 16 bits."""
    return image.mode.startswith("I;16")


def content_of(image: Image.Image, profile: bytes | None, orientation: int, bits: int = 16) -> Content:
    """Take the pixels of an image; ValueError for a mode of no known range.

    profile: its ICC profile.
    orientation: EXIF's, 1 to 8, that is still to be undone.
    bits: those in use of 16-bit grey; fewer than 16 give float32 in [0, 1].
    """
    kind, inks, ink_profile, notes = _KINDS.get(image.mode, "rgb"), None, None, []
    turn = TURNS.get(orientation)
    pixels = image if turn is None else image.transpose(Image.Transpose(turn))
    if is_wide(image):
        kind = "grey"
    elif image.mode == "CMYK":
        upright = pixels
        pixels, back, note = srgb_from_cmyk(upright, profile)
        notes.append(note)
        if back:
            kind, ink_profile, inks = "cmyk", profile, _ink_values(upright)
        profile = None  # it would misread RGB values
    elif image.mode in _PREMULTIPLIED:
        pixels = pixels.convert(_PREMULTIPLIED[image.mode])
    values, alpha = tensors(pixels, bits)
    return Content(
        values=values,
        alpha=alpha,
        mode=kind,
        depth=16 if is_wide(image) else 8,
        icc_profile=profile,
        ink_profile=ink_profile,
        inks=inks,
        notes=tuple(notes),
    )


def _ink_values(image: Image.Image) -> Tensor:
    """Inks of a CMYK image: shape (H, W, 4), uint8, 255 for full ink."""
    return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(image.height, image.width, 4)


def picture_from(content: Content, metadata: Metadata, format: str, notes: tuple[str, ...] = ()) -> Picture:
    """Join pixels and metadata.

    format: PIL's name of the file's format; empty where there was no file.
    notes: lines beside those of the pixels.
    """
    return Picture(
        values=content.values,
        alpha=content.alpha,
        mode=content.mode,
        depth=content.depth,
        format=format,
        icc_profile=content.icc_profile,
        ink_profile=content.ink_profile,
        inks=content.inks,
        exif=metadata.exif,
        xmp=metadata.xmp,
        dpi=metadata.dpi,
        text=metadata.text,
        jpeg=content.jpeg,
        extras=metadata.extras,
        notes=(*content.notes, *notes),
    )
