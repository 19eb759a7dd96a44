"""Between PIL's images in memory and Pictures: everything that a file's way keeps is kept here too.

Orientation is applied, colour profile, EXIF, XMP and resolution go along in `info`, alpha stays beside the pixels,
grey stays grey, and CMYK goes to sRGB and back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.image.colour import cmyk_from_srgb, srgb_from_cmyk
from restorekit.image.metadata import DAMAGE, image_metadata
from restorekit.image.picture import Picture
from restorekit.image.pixels import pil_image, raw_bytes, samples, tensors

_TURNS = dict(enumerate((0, 3, 1, 5, 4, 6, 2), start=2))  # EXIF orientation -> PIL's Transpose
_GREY = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N")
_SPACES = {"RGB": b"RGB ", "RGBA": b"RGB ", "L": b"GRAY", "LA": b"GRAY", "I;16": b"GRAY", "CMYK": b"CMYK"}


def picture_of(image: Image.Image) -> Picture:
    """The picture in an image: the frame that it shows. ImageError for a mode of no known range or colours."""
    image.load()
    with _exif_kept(image):
        metadata = image_metadata(image)  # type: ignore[arg-type]
    mode, profile, inks, notes = "grey" if image.mode in _GREY else "rgb", metadata.icc_profile, None, []
    pixels = image
    try:
        if image.mode == "CMYK":
            profile, inks = None, profile
            pixels, back, note = srgb_from_cmyk(image, inks)
            mode = "cmyk" if back else "rgb"
            notes.append(note)
        elif image.mode in ("La", "RGBa"):  # colours multiplied with alpha
            pixels = image.convert("LA" if image.mode == "La" else "RGBA")
        if metadata.orientation in _TURNS:
            pixels = pixels.transpose(Image.Transpose(_TURNS[metadata.orientation]))
        values, alpha = tensors(pixels, bits=16)
    except ValueError as error:
        raise ImageError(f"cannot take PIL mode {image.mode} ({error}); convert it to RGB first") from error
    return Picture(
        values=values,
        alpha=alpha,
        mode=mode,
        depth=8 * values.element_size(),
        format=image.format or "",
        icc_profile=profile,
        ink_profile=inks if mode == "cmyk" else None,
        exif=metadata.exif,
        xmp=metadata.xmp,
        dpi=metadata.dpi,
        text=metadata.text,
        notes=(*notes, *metadata.notes),
    )


@contextmanager
def _exif_kept(image: Image.Image) -> Iterator[None]:
    """Around reading the metadata of an image that is the caller's: its EXIF is put back as it was."""
    exif = Image.Exif()
    with suppress(*DAMAGE):
        exif = image.getexif()
    before = dict(exif.items())
    try:
        yield
    finally:
        for tag, value in before.items():
            if exif.get(tag) != value:
                exif[tag] = value


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
        image = pil_image(cmyk_from_srgb(values, source.ink_profile), inks=True)
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
