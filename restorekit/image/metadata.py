"""What a file says about its picture: EXIF, XMP, resolution, text, a JPEG's quality."""

import io
import math
import re
import struct
import zlib
from bisect import bisect_left
from contextlib import suppress

from PIL import ExifTags, Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

XMP_KEY = "XML:com.adobe.xmp"

# Of the main EXIF directory only what speaks of the photograph is kept. In a TIFF the same directory also
# says how the pixels are stored, which would be untrue of, and may spoil, any other file.
_EXIF_KEPT = {"ProcessingSoftware", "ImageDescription", "Make", "Model", "Orientation", "XResolution",
              "YResolution", "ResolutionUnit", "Software", "DateTime", "Artist", "HostComputer", "Rating",
              "RatingPercent", "Copyright", "ExifOffset", "GPSInfo", "XPTitle", "XPComment", "XPAuthor",
              "XPKeywords", "XPSubject"}  # fmt: skip

# What PIL is known to raise on damaged files.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError,
          AttributeError, RuntimeError, struct.error, zlib.error)  # fmt: skip


def exif_bytes(exif: Image.Exif) -> bytes | None:
    """What speaks of the photograph; without the thumbnail (by PIL), which would show the degraded picture."""
    for tag in set(exif) - {ExifTags.Base[name].value for name in _EXIF_KEPT}:
        del exif[tag]
    if ExifTags.Base.Orientation in exif:
        exif[ExifTags.Base.Orientation] = 1
    return exif.tobytes() if exif else None


def xmp_bytes(image: ImageFile.ImageFile) -> bytes | None:
    """The XMP packet, its orientation reset to 1."""
    xmp = image.info.get("xmp") or image.info.get(XMP_KEY) or b""
    xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    return re.sub(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[2-8]", rb"\g<1>1", xmp) or None


def text_chunks(image: ImageFile.ImageFile) -> tuple[tuple[str, str], ...]:
    """A PNG's text, but ImageMagick's raw profiles, which are EXIF, ICC and XMP once more."""
    if not isinstance(image, PngImageFile):
        return ()
    return tuple(chunk for chunk in image.text.items() if not chunk[0].startswith((XMP_KEY, "Raw prof")))


def dpi_pair(dpi: object) -> tuple[float, float] | None:
    """Pixels per inch, across and down, if dpi is two plausible numbers."""
    with suppress(TypeError, ValueError, ZeroDivisionError):
        x, y = (float(value) for value in dpi)  # type: ignore[attr-defined]
        if all(math.isfinite(value) and 1 <= value <= 65_535 for value in (x, y)):
            return x, y
    return None


def jpeg_quality(image: JpegImageFile) -> int | None:
    """The lowest libjpeg quality whose luminance table is as fine, on the whole, as the image's."""

    def fineness(quality: int) -> int:
        buffer = io.BytesIO()
        Image.new("L", (1, 1)).save(buffer, "JPEG", quality=quality)
        with Image.open(buffer) as probe:
            return -sum(probe.quantization[0]) if isinstance(probe, JpegImageFile) else 0

    own = image.quantization.get(0)
    return min(100, 1 + bisect_left(range(1, 101), -sum(own), key=fineness)) if own else None
