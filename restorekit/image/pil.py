"""Between PIL's images in memory and Pictures: everything that a file's way keeps is kept here too.

Orientation is applied, colour profile, EXIF, XMP and resolution go along in `info`, alpha stays beside the pixels,
grey stays grey, and CMYK goes to sRGB and back.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.image.colour import cmyk_from_srgb
from restorekit.image.content import content_of, picture_from
from restorekit.image.damage import DAMAGE
from restorekit.image.metadata import XMP_KEY, image_metadata
from restorekit.image.picture import Picture
from restorekit.image.pixels import pil_image, raw_bytes, samples

__all__ = ["image_of", "picture_of", "working_type"]

_SPACES = {"RGB": b"RGB ", "RGBA": b"RGB ", "L": b"GRAY", "LA": b"GRAY", "I;16": b"GRAY", "CMYK": b"CMYK"}


def picture_of(image: Image.Image) -> Picture:
    """The picture in an image, the frame that it shows; ImageError for a mode of no known range or colours."""
    image.load()
    metadata = image_metadata(_bearer(image))  # type: ignore[arg-type]
    try:
        content = content_of(image, metadata.icc_profile, metadata.orientation)
    except ValueError as error:
        raise ImageError(f"cannot take PIL mode {image.mode} ({error}); convert it to RGB first") from error
    return picture_from(content, replace(metadata, text=_text_of(image)), image.format or "")


def _bearer(image: Image.Image) -> Image.Image:
    """An image of one pixel with the metadata of another, which is the caller's and stays as it is."""
    bearer = Image.new("L", (1, 1))
    bearer.info = dict(image.info)
    with suppress(*DAMAGE):  # in a TIFF it is not in `info`, and whoever changed it did so here
        if block := image.getexif().tobytes():
            bearer.info["exif"] = block
    return bearer


def _text_of(image: Image.Image) -> tuple[tuple[str, str], ...]:
    """Text chunks of a PNG, but for the other kinds of metadata in their guise."""
    text = image.text if isinstance(image, PngImageFile) else {}
    return tuple(entry for entry in text.items() if not entry[0].startswith((XMP_KEY, "Raw prof")))


def image_of(rgb: Tensor, source: Picture) -> Image.Image:
    """An image of a restored picture, in a mode that holds source's kind and depth, with its metadata in `info`.

    rgb: shape (1, 3, H, W), floating in [0, 1], uint8 or uint16, of source's size or that times a scale. The mode
    is L, LA, RGB, RGBA, CMYK, or I;16 for 16-bit grey without alpha, since PIL has no other of 16 bits.
    """
    grey, cmyk, alpha = source.mode == "grey", source.mode == "cmyk", source.alpha
    deep = source.depth == 16 and grey and alpha is None
    values = samples(rgb, depth=16 if deep else 8, grey=grey, alpha=None if cmyk else alpha)  # (H, W, C)
    if deep:
        height, width, _ = values.shape
        image = Image.frombytes("I;16", (width, height), bytes(raw_bytes(values)))
    elif cmyk:
        before = source.values[0].permute(1, 2, 0)
        image = pil_image(cmyk_from_srgb(values, source.ink_profile, source.inks, before), inks=True)
    else:
        image = pil_image(values)
    image.info.update(_info(source, image.mode))
    return image


def working_type(source: Picture) -> torch.dtype:
    """The type in which a restored picture is kept: the one it is written in, unless its grey is made of it."""
    return torch.uint16 if source.mode == "grey" and source.depth == 8 else source.values.dtype


def _info(source: Picture, mode: str) -> dict[str, Any]:
    """Metadata under PIL's names, as its writers take them."""
    profile = source.ink_profile if mode == "CMYK" else source.icc_profile
    if (profile or b"")[16:20] != _SPACES[mode]:
        profile = None
    info = {"icc_profile": profile, "exif": source.exif, "xmp": source.xmp, "dpi": source.dpi}
    return {**dict(source.text), **{name: value for name, value in info.items() if value}}
