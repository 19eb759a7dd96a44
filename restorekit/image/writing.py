"""From a Picture to a file: in the format of its name, with its metadata, at once or not at all."""

import io
import os
import struct
from pathlib import Path

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.files import FORMATS, check_output, write_atomically
from restorekit.image.metadata import XMP_KEY
from restorekit.image.picture import Picture
from restorekit.image.pixels import LUMA, from_levels, levels, to_pil

_MARKER_BYTES = 65_000  # a JPEG marker holds 65 533 bytes, some of them its own signature


def write_image(
    path: str | os.PathLike[str], rgb: Tensor, *, source: Picture | None = None, overwrite: bool = False
) -> None:
    """Write rgb in the format of path's extension, with the metadata of source; atomically.

    rgb: shape (1, 3, H, W), floating, in [0, 1], of source's size or that times a scale. Rounds to 8 bits.

    A grey source is written grey. Alpha, resized if need be, goes into PNG, WebP and TIFF; JPEG and BMP
    cannot hold it and show the colours beneath. EXIF, XMP and ICC profile go into every format but BMP (a
    grey profile only into a grey file), PNG text into PNG. TIFF is written uncompressed, since libtiff
    cannot compress a file with EXIF. IPTC blocks are not kept.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite)
    try:
        data = _encode(rgb, source or Picture(rgb), FORMATS[path.suffix.lower()])
    except (OSError, ValueError, RuntimeError, struct.error) as error:  # WebP, for one, ends at 16383 pixels
        raise ImageError(f"cannot encode {path} ({error}); choose another format, such as PNG") from error
    write_atomically(path, data, overwrite=overwrite)


def _encode(rgb: Tensor, source: Picture, format: str) -> bytes:
    image = from_levels(levels(rgb, LUMA), "L") if source.mode == "grey" else to_pil(rgb)
    if source.alpha is not None and format in ("PNG", "WEBP", "TIFF"):
        image.putalpha(_alpha_for(source.alpha, image.width, image.height))
    space = b"GRAY" if source.mode == "grey" and format != "WEBP" else b"RGB "  # WebP has no grey
    icc = source.icc_profile if (source.icc_profile or b"")[16:20] == space else None
    exif = Image.Exif()
    if source.exif:
        exif.load(source.exif)
        details = exif.get_ifd(ExifTags.IFD.Exif)
        for tag, length in ((0xA002, image.width), (0xA003, image.height)):  # the size, said once more
            if tag in details:
                details[tag] = length
    block, xmp = exif.tobytes() if exif else b"", source.xmp or b""

    buffer = io.BytesIO()
    if format == "JPEG":
        # Never at the source's own quality where that was low: restored detail would be quantised away,
        # and its colour halved by 4:2:0, bringing back the very artefacts that were removed.
        image.save(
            buffer,
            "JPEG",
            quality=max(95, source.jpeg_quality or 0),
            subsampling="4:4:4",
            icc_profile=icc,
            exif=block if len(block) <= _MARKER_BYTES else b"",
            xmp=xmp if len(xmp) <= _MARKER_BYTES else b"",
            dpi=source.dpi or (0, 0),
        )
    elif format == "PNG":
        info = PngInfo()
        for key, value in source.text:
            info.add_text(key, value)
        if xmp:
            info.add_itxt(XMP_KEY, xmp.decode("utf-8", "replace"))
        image.save(buffer, "PNG", icc_profile=icc, exif=block, dpi=source.dpi, pnginfo=info)
    elif format == "WEBP":
        # Beside a JPEG's own losses those of quality 95 do not count; any other source may be exact.
        exact = source.format != "JPEG"
        quality = 75 if exact else 95  # when lossless, the effort
        image.save(
            buffer, "WEBP", lossless=exact, exact=exact, quality=quality, icc_profile=icc, exif=block, xmp=xmp
        )
    elif format == "TIFF":
        if xmp:
            exif[ExifTags.Base.XMLPacket] = xmp
        image.save(buffer, "TIFF", icc_profile=icc, exif=exif, dpi=source.dpi)
    else:
        image.save(buffer, "BMP", dpi=source.dpi or (96, 96))
    return buffer.getvalue()


def _alpha_for(alpha: Tensor, width: int, height: int) -> Image.Image:
    h, w = alpha.shape
    if abs(height * w - width * h) > max(h, w):  # more than rounding to whole pixels explains
        raise ImageError(f"an alpha of {w}x{h} does not fit an image of {width}x{height}; scale both alike")
    image = from_levels(alpha.cpu(), "L")
    return image if (w, h) == (width, height) else image.resize((width, height), Image.Resampling.BICUBIC)
