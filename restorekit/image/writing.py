"""From a Picture to a file: in the format of its name, with its metadata, at once or not at all."""

import io
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.files import FORMATS, check_output, check_pages, write_atomically
from restorekit.image.colour import cmyk_from_srgb
from restorekit.image.heif import BITS, encode_heif
from restorekit.image.metadata import XMP_KEY
from restorekit.image.picture import Picture
from restorekit.image.pixels import pil_image, samples
from restorekit.image.png import encode_png16
from restorekit.image.tiff import Page, encode_page, join

_MARKER_BYTES = 65_000  # a JPEG marker holds 65 533 bytes, some of them its own signature
_DEEPEST = {"PNG": 16, "TIFF": 32, "HEIF": 16}  # bits per channel; 8 in the other formats
_WITH_ALPHA = ("PNG", "WEBP", "TIFF", "AVIF", "HEIF")
_WITH_INKS = ("JPEG", "TIFF")
_WITHOUT_GREY = ("WEBP", "AVIF")
_FINE, _COARSE = 95, 75  # JPEG quality: the default, and where artefacts are seen


def write_image(
    path: str | os.PathLike[str],
    rgb: Tensor,
    *,
    source: Picture | None = None,
    overwrite: bool = False,
    quality: int | None = None,
) -> tuple[str, ...]:
    """Write rgb in the format of path's extension, with depth and metadata of source; atomically.

    rgb: shape (1, 3, H, W), floating in [0, 1], uint8 or uint16, of source's size or that times a scale.
    A line for each thing that the format cannot hold.

    quality: 1 to 100, of the formats that lose; None is a JPEG's own, with its tables and its sampling of colour,
    where the source was one of at least 75 (below, it would put back the artefacts that were removed), and else
    95 without any sampling; WebP loses nothing then. HEIC samples colour 4:2:0,
    but at quality 100, which loses nothing.

    PNG holds 8 or 16 bits per channel, TIFF 8, 16 or floating point, HEIC 8 or 10, the others 8. A grey source is
    written grey, a CMYK source in CMYK to JPEG and TIFF, in sRGB to the others. Alpha, resized if need be, goes
    into all but JPEG and BMP, which show the colours beneath. EXIF, XMP and ICC profile go into every format but
    BMP (a grey profile only into a grey file), PNG text into PNG. IPTC blocks are not kept.
    """
    return write_pages(path, [(rgb, source or Picture(rgb))], overwrite=overwrite, quality=quality)


def write_pages(
    path: str | os.PathLike[str],
    pages: Sequence[tuple[Tensor, Picture]],
    *,
    overwrite: bool = False,
    quality: int | None = None,
) -> tuple[str, ...]:
    """Write pages, each an rgb with its source, into one TIFF, or a single one into any format, as write_image.

    rgb: shape (1, 3, H, W), floating in [0, 1], uint8 or uint16; a page may differ from the others in
    size, depth and colour.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite)
    check_pages(path, len(pages))
    if quality is not None and not 1 <= quality <= 100:
        raise ImageError(f"quality {quality} is not to be had; use 1 to 100")
    format = FORMATS[path.suffix.lower()]
    try:
        if format == "TIFF":
            data = join(_encode_tiff(rgb, source) for rgb, source in pages)
        else:
            ((rgb, source),) = pages
            data = _encode(rgb, source, format, quality)
    except (OSError, ValueError, RuntimeError, struct.error) as error:  # WebP, for one, ends at 16383 pixels
        raise ImageError(f"cannot encode {path} ({error}); choose another format, such as PNG") from error
    write_atomically(path, data, overwrite=overwrite)
    return tuple(dict.fromkeys(line for _, source in pages for line in _losses(source, format, quality)))


def _losses(source: Picture, format: str, quality: int | None) -> tuple[str, ...]:
    """What format cannot hold of source."""
    lines = []
    deepest = _DEEPEST.get(format, 8)
    if source.depth > deepest:
        came = "floating point" if source.depth == 32 else f"{source.depth} bits per channel"
        lines.append(f"{format} cannot hold {came}: written with {deepest}")
    elif source.depth == 16 and format == "HEIF" and source.format != "HEIF":
        lines.append(f"HEIC cannot hold 16 bits per channel: written with {BITS}")
    if source.alpha is not None and format not in _WITH_ALPHA:
        lines.append(f"{format} cannot hold transparency: the colours beneath are shown")
    if source.mode == "cmyk" and format not in _WITH_INKS:
        lines.append(f"{format} cannot hold CMYK: written in sRGB")
    if source.jpeg and format == "JPEG" and quality is None and source.jpeg.quality < _COARSE:
        lines.append(
            f"written at JPEG quality {_FINE}, since the input's {source.jpeg.quality} would put artefacts back; "
            "choose with --quality"
        )
    return tuple(lines)


@dataclass(frozen=True, eq=False)
class _Sheet:
    """What goes into the file. values: shape (H, W, C), as the format takes them; C = 4 for inks, CMYK."""

    values: Tensor
    inks: bool
    icc: bytes | None
    exif: Image.Exif
    xmp: bytes


def _sheet(rgb: Tensor, source: Picture, format: str) -> _Sheet:
    grey, cmyk = source.mode == "grey", source.mode == "cmyk"
    values = samples(
        rgb,
        depth=8 if cmyk else min(source.depth, _DEEPEST.get(format, 8)),
        grey=grey,
        alpha=source.alpha if format in _WITH_ALPHA and not cmyk else None,
    )
    inks = cmyk and format in _WITH_INKS
    if inks:
        values = cmyk_from_srgb(values, source.ink_profile)  # (H, W, 4)
    icc = source.ink_profile if inks else source.icc_profile
    space = b"CMYK" if inks else b"GRAY" if grey and format not in _WITHOUT_GREY else b"RGB "
    icc = icc if (icc or b"")[16:20] == space else None
    exif = _exif_for(source.exif, values.shape[1], values.shape[0])
    return _Sheet(values, inks, icc, exif, source.xmp or b"")


def _encode_tiff(rgb: Tensor, source: Picture) -> Page:
    sheet = _sheet(rgb, source, "TIFF")
    return encode_page(sheet.values, sheet.exif, icc=sheet.icc, xmp=sheet.xmp, dpi=source.dpi, inks=sheet.inks)


def _encode(rgb: Tensor, source: Picture, format: str, quality: int | None) -> bytes:
    """In any format but TIFF."""
    sheet = _sheet(rgb, source, format)
    values, inks, icc, exif, xmp = sheet.values, sheet.inks, sheet.icc, sheet.exif, sheet.xmp
    block = exif.tobytes() if exif else b""
    if format == "PNG":
        return _encode_png(values, source, block, xmp, icc)
    if format == "HEIF":
        return encode_heif(values, icc=icc, exif=block, xmp=xmp, quality=quality or _FINE)

    image, buffer = pil_image(values, inks=inks), io.BytesIO()
    if format == "JPEG":
        own = source.jpeg if quality is None and source.jpeg and source.jpeg.quality >= _COARSE else None
        one_table = source.mode == "grey" or inks  # the second is for differences of colour
        image.save(
            buffer,
            "JPEG",
            quality=-1 if own else quality or _FINE,  # PIL's way to say: the tables as they are
            qtables=[list(table) for table in (own.tables[:1] if one_table else own.tables)] if own else None,
            subsampling=own.sampling if own and not one_table else "4:4:4",
            icc_profile=icc,
            exif=block if len(block) <= _MARKER_BYTES else b"",
            xmp=xmp if len(xmp) <= _MARKER_BYTES else b"",
            dpi=source.dpi or (0, 0),
        )
    elif format == "WEBP":
        # Beside a JPEG's own losses those of quality 95 do not count; any other source may be exact.
        exact = source.format != "JPEG" and quality is None
        image.save(
            buffer,
            "WEBP",
            lossless=exact,
            exact=exact,
            quality=75 if exact else quality or _FINE,  # when lossless, the effort
            icc_profile=icc,
            exif=block,
            xmp=xmp,
        )
    elif format == "AVIF":
        from PIL import features

        if not features.check("avif"):
            raise OSError("this Pillow was built without AVIF")
        image.save(
            buffer,
            "AVIF",
            quality=quality or _FINE,
            subsampling="4:4:4",
            icc_profile=icc,
            exif=block,
            xmp=xmp,
        )
    else:
        image.save(buffer, "BMP", dpi=source.dpi or (96, 96))
    return buffer.getvalue()


def _encode_png(values: Tensor, source: Picture, exif: bytes, xmp: bytes, icc: bytes | None) -> bytes:
    """values: shape (H, W, C), uint8 or uint16."""
    info = PngInfo()
    for key, value in source.text:
        info.add_text(key, value)
    if xmp:
        info.add_itxt(XMP_KEY, xmp.decode("utf-8", "replace"))
    deep = values.element_size() == 2
    image = Image.new("L", (1, 1)) if deep else pil_image(values)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", icc_profile=icc, exif=exif, dpi=source.dpi, pnginfo=info)
    return encode_png16(values, like=buffer.getvalue()) if deep else buffer.getvalue()


def _exif_for(block: bytes | None, width: int, height: int) -> Image.Exif:
    """The block, with the size of the picture as it is written."""
    exif = Image.Exif()
    if block:
        exif.load(block)
        details = exif.get_ifd(ExifTags.IFD.Exif)
        for tag, length in ((0xA002, width), (0xA003, height)):  # the size, said once more
            if tag in details:
                details[tag] = length
    return exif
