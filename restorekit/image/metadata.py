"""What a file says about its picture: EXIF, XMP, colour profile, resolution, text, a JPEG's quality."""

import io
import math
import re
import struct
import zlib
from bisect import bisect_left
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from PIL import ExifTags, Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile, get_sampling
from PIL.PngImagePlugin import PngImageFile

from restorekit.image.picture import JpegCoding
from restorekit.image.tiff import ICC, XMP, Directory

XMP_KEY = "XML:com.adobe.xmp"
_SAMPLINGS = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}  # the ones that PIL can write, by its numbers
_INCH = {1: 0.0, 2: 1.0, 3: 2.54}  # centimetres or inches of TIFF's ResolutionUnit, in an inch

# Of the main EXIF directory only what speaks of the photograph is kept. In a TIFF the same directory also
# says how the pixels are stored, which would be untrue of, and may spoil, any other file.
_EXIF_KEPT = {"ProcessingSoftware", "ImageDescription", "Make", "Model", "Orientation", "XResolution",
              "YResolution", "ResolutionUnit", "Software", "DateTime", "Artist", "HostComputer", "Rating",
              "RatingPercent", "Copyright", "ExifOffset", "GPSInfo", "XPTitle", "XPComment", "XPAuthor",
              "XPKeywords", "XPSubject"}  # fmt: skip

# What PIL is known to raise on damaged files.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError,
          AssertionError, AttributeError, RuntimeError, struct.error, zlib.error)  # fmt: skip


@dataclass(frozen=True)
class Metadata:
    """Everything but the pixels. orientation: EXIF's, 1 to 8, which exif and xmp have no more.

    dpi: pixels per inch, across and down of the picture when upright.
    """

    orientation: int = 1
    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def image_metadata(image: ImageFile.ImageFile) -> Metadata:
    """As PIL has it, of any format but TIFF. Loads the image, since a PNG may say things behind its pixels."""
    image.load()
    exif = Image.Exif()
    with suppress(*DAMAGE):
        exif = image.getexif()
    text: tuple[tuple[str, str], ...] = ()
    if isinstance(image, PngImageFile):  # ImageMagick's raw profiles are EXIF, ICC and XMP once more
        text = tuple(chunk for chunk in image.text.items() if not chunk[0].startswith((XMP_KEY, "Raw prof")))
    xmp = image.info.get("xmp") or image.info.get(XMP_KEY) or b""
    return _metadata(
        exif,
        icc=image.info.get("icc_profile"),
        xmp=xmp.encode() if isinstance(xmp, str) else bytes(xmp),
        dpi=image.info.get("dpi"),
        text=text,
        claimed=bool(image.info.get("exif")),
    )


def heif_metadata(info: Mapping[str, Any]) -> Metadata:
    """As libheif has it, which has turned the picture already, whatever EXIF says."""
    exif = Image.Exif()
    with suppress(*DAMAGE):
        exif.load(info.get("exif") or b"")
    metadata = _metadata(
        exif,
        icc=info.get("icc_profile"),
        xmp=info.get("xmp") or b"",
        dpi=None,
        text=(),
        claimed=bool(info.get("exif")),
    )
    return replace(metadata, orientation=1)


def page_metadata(file: BinaryIO, page: Directory) -> Metadata:
    """Of one page of a TIFF; its EXIF is the page's directory itself."""
    exif, tags = Image.Exif(), page.tags
    with suppress(*DAMAGE):
        exif.endian, exif.bigtiff = "<" if tags.prefix == b"II" else ">", page.big
        exif.load_from_fp(file, page.offset)
        for part in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            exif.get_ifd(part)  # now, by 64-bit offsets where they are; no other file has such
        exif.bigtiff = False
    dpi = None
    with suppress(*DAMAGE):
        inch = _INCH[tags.get(296, 2)]
        dpi = (float(tags[282]) * inch, float(tags[283]) * inch)
    icc, xmp = tags.get(ICC), tags.get(XMP)
    return _metadata(
        exif,
        icc=icc if isinstance(icc, bytes) else None,
        xmp=xmp if isinstance(xmp, bytes) else b"",
        dpi=dpi,
        text=(),
        claimed=False,
    )


def _metadata(
    exif: Image.Exif,
    *,
    icc: bytes | None,
    xmp: bytes,
    dpi: object,
    text: tuple[tuple[str, str], ...],
    claimed: bool,
) -> Metadata:
    """claimed: the file has an EXIF block, so that there is a loss to note where none can be made out."""
    orientation, block = 1, None
    with suppress(*DAMAGE):
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        block = _exif_bytes(exif)
    pair = _dpi(dpi)
    return Metadata(
        orientation=orientation if orientation in range(1, 9) else 1,
        icc_profile=icc or None,
        exif=block,
        xmp=re.sub(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[2-8]", rb"\g<1>1", xmp) or None,
        dpi=pair[::-1] if pair and orientation in (5, 6, 7, 8) else pair,
        text=text,
        notes=("the EXIF block is empty or damaged, and not kept",) if claimed and block is None else (),
    )


def _exif_bytes(exif: Image.Exif) -> bytes | None:
    """What speaks of the photograph; without the thumbnail (by PIL), which would show the degraded picture."""
    for tag in set(exif) - {ExifTags.Base[name].value for name in _EXIF_KEPT}:
        del exif[tag]
    if ExifTags.Base.Orientation in exif:
        exif[ExifTags.Base.Orientation] = 1
    return exif.tobytes() if exif else None


def _dpi(dpi: object) -> tuple[float, float] | None:
    with suppress(TypeError, ValueError, ZeroDivisionError):
        x, y = (float(value) for value in dpi)  # type: ignore[attr-defined]
        if all(math.isfinite(value) and 1 <= value <= 65_535 for value in (x, y)):
            return x, y
    return None


def jpeg_coding(image: JpegImageFile) -> JpegCoding | None:
    """Of an image that is loaded; None for one without tables."""
    tables = tuple(tuple(image.quantization[n]) for n in sorted(image.quantization))
    if not tables:
        return None
    return JpegCoding(_jpeg_quality(sum(tables[0])), _SAMPLINGS.get(get_sampling(image), "4:4:4"), tables)


def _jpeg_quality(own: int) -> int:
    """The lowest libjpeg quality whose luminance table is as fine, on the whole, as one with this sum."""

    def fineness(quality: int) -> int:
        buffer = io.BytesIO()
        Image.new("L", (1, 1)).save(buffer, "JPEG", quality=quality)
        with Image.open(buffer) as probe:
            return -sum(probe.quantization[0]) if isinstance(probe, JpegImageFile) else 0

    return min(100, 1 + bisect_left(range(1, 101), -own, key=fineness))
