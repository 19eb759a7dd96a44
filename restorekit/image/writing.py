"""From a Picture to a file: in the format of its name, with its metadata, at once or not at all."""

import io
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.files import FORMATS, check_output, check_pages, write_atomically
from restorekit.image import exif as exifs
from restorekit.image import geo
from restorekit.image import xmp as packets
from restorekit.image.colour import cmyk_from_srgb
from restorekit.image.heif import encode_heif
from restorekit.image.icc import profile_of
from restorekit.image.jpeg import WRITTEN, with_segments
from restorekit.image.losses import COARSE, DEEPEST, FINE, WITH_ALPHA, WITH_INKS, losses
from restorekit.image.metadata import XMP_KEY
from restorekit.image.picture import Picture
from restorekit.image.pixels import pil_image, samples
from restorekit.image.png import encode_png16, with_chunks
from restorekit.image.tiff import Page, encode_page, join

__all__ = ["Encoded", "encode", "write_encoded", "write_image", "write_pages"]

_MARKER_BYTES = 65_000  # a JPEG marker holds 65 533 bytes, some of them its own signature
_WITHOUT_GREY = ("WEBP", "AVIF")


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
    BMP (a grey profile only into a grey file), IPTC into JPEG and TIFF, comments into JPEG and PNG, a map's place
    into TIFF, text and the chunks of colour into PNG; other formats have a profile in place of gAMA and cHRM.
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
    check_output(path, overwrite=overwrite)
    check_pages(path, len(pages))
    return write_encoded(path, [encode(path, *page, quality=quality) for page in pages], overwrite=overwrite)


@dataclass(frozen=True, eq=False)
class Encoded:
    """A picture as it goes into a file: the whole file, or a page of a TIFF.

    losses: a line for each thing that the format cannot hold.
    """

    content: bytes | Page
    losses: tuple[str, ...]


def encode(path: str | os.PathLike[str], rgb: Tensor, source: Picture, *, quality: int | None = None) -> Encoded:
    """Encode one picture in the format of path's extension, but write nothing. The arguments as in write_image."""
    if quality is not None and not 1 <= quality <= 100:
        raise ImageError(f"quality must be 1 to 100, got {quality}")
    format = FORMATS[Path(path).suffix.lower()]
    try:
        sheet = _sheet(rgb, source, format)
        content = _encode_tiff(sheet, source) if format == "TIFF" else _encode(sheet, source, format, quality)
    except (OSError, ValueError, RuntimeError, struct.error) as error:  # WebP, for one, ends at 16383 pixels
        raise ImageError(f"cannot encode {path} ({error}); choose another format, such as PNG") from error
    return Encoded(content, losses(source, format, quality, sheet.dropped))


def write_encoded(
    path: str | os.PathLike[str], pages: Sequence[Encoded], *, overwrite: bool = False
) -> tuple[str, ...]:
    """Write what was encoded for path: one picture, or the pages of a TIFF. The losses of all of them."""
    path = Path(path)
    check_output(path, overwrite=overwrite)
    check_pages(path, len(pages))
    if isinstance(pages[0].content, bytes):
        data = pages[0].content
    else:
        data = join(page.content for page in pages if not isinstance(page.content, bytes))
    write_atomically(path, data, overwrite=overwrite)
    return tuple(dict.fromkeys(line for page in pages for line in page.losses))


@dataclass(frozen=True, eq=False)
class _Sheet:
    """The contents of a file. values: shape (H, W, C), as the format takes them; C = 4 for inks, CMYK. dropped:
    names of what did not fit."""

    values: Tensor
    inks: bool
    icc: bytes | None
    exif: Image.Exif
    xmp: bytes
    tags: tuple[tuple[int, int, object], ...]
    dropped: tuple[str, ...]


def _sheet(rgb: Tensor, source: Picture, format: str) -> _Sheet:
    grey, cmyk = source.mode == "grey", source.mode == "cmyk"
    values = samples(
        rgb,
        depth=8 if cmyk else min(source.depth, DEEPEST.get(format, 8)),
        grey=grey,
        alpha=source.alpha if format in WITH_ALPHA and not cmyk else None,
    )
    height, width, _ = values.shape
    inks = cmyk and format in WITH_INKS
    if inks:
        before = source.values[0].permute(1, 2, 0)
        values = cmyk_from_srgb(values, source.ink_profile, source.inks, before)  # (H, W, 4)
    space = b"CMYK" if inks else b"GRAY" if grey and format not in _WITHOUT_GREY else b"RGB "
    icc, dropped = source.ink_profile if inks else source.icc_profile, []
    if icc and icc[16:20] != space:
        icc = None
        dropped.append("the colour profile, which is of another kind of colour")
    if icc is None and format != "PNG" and not inks:
        icc, unsaid = profile_of(dict(source.extras.chunks), grey=space == b"GRAY")
        dropped += [unsaid] * bool(unsaid)
    tags = source.extras.tags
    try:
        tags = geo.scaled(tags, width / source.values.shape[-1]) if tags else ()
    except (ValueError, TypeError):
        tags = ()
        dropped.append(geo.NAME)
    xmp = packets.sized(source.xmp or b"", width, height)
    exif = exifs.sized(source.exif, width, height)
    if format == "JPEG":  # whose segments are short
        if len(xmp) > _MARKER_BYTES:
            head, end, tail = xmp.rpartition(b"<?xpacket end")
            xmp = head.rstrip() + b"\n" + end + tail if end else xmp  # without the room for editors
        if len(xmp) > _MARKER_BYTES:
            xmp = b""
            dropped.append(f"XMP of more than {_MARKER_BYTES} bytes")
        if len(exifs.block(exif)) > _MARKER_BYTES:
            exif = Image.Exif()
            dropped.append(f"EXIF of more than {_MARKER_BYTES} bytes")
    return _Sheet(values, inks, icc, exif, xmp, tags, tuple(dropped))


def _encode_tiff(sheet: _Sheet, source: Picture) -> Page:
    return encode_page(
        sheet.values,
        sheet.exif,
        icc=sheet.icc,
        xmp=sheet.xmp,
        dpi=source.dpi,
        inks=sheet.inks,
        iptc=source.extras.iptc,
        more=sheet.tags,
    )


def _encode(sheet: _Sheet, source: Picture, format: str, quality: int | None) -> bytes:
    """The file in any format but TIFF."""
    values, inks, icc, exif, xmp = sheet.values, sheet.inks, sheet.icc, sheet.exif, sheet.xmp
    block = exifs.block(exif)
    if format == "PNG":
        return _encode_png(values, source, block, xmp, icc)
    if format == "HEIF":
        return encode_heif(values, icc=icc, exif=block, xmp=xmp, quality=quality or FINE)

    image, buffer = pil_image(values, inks=inks), io.BytesIO()
    if format == "JPEG":
        own = source.jpeg if quality is None and source.jpeg and source.jpeg.quality >= COARSE else None
        one_table = source.mode == "grey" or inks  # the second is for differences of colour
        image.save(
            buffer,
            "JPEG",
            quality=-1 if own else quality or FINE,  # PIL's way to say: the tables as they are
            qtables=[list(table) for table in (own.tables[:1] if one_table else own.tables)] if own else None,
            subsampling=own.sampling if own and not one_table and own.sampling in WRITTEN else "4:4:4",
            icc_profile=icc,
            exif=block,
            xmp=xmp,
            dpi=source.dpi or (0, 0),
        )
        return with_segments(buffer.getvalue(), source.extras.comments, source.extras.iptc)
    elif format == "WEBP":
        # Beside a JPEG's own losses those of quality 95 do not count; any other source may be exact.
        exact = source.format != "JPEG" and quality is None
        image.save(
            buffer,
            "WEBP",
            lossless=exact,
            exact=exact,
            quality=75 if exact else quality or FINE,  # when lossless, the effort
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
            quality=quality or FINE,
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
    for comment in source.extras.comments:
        info.add_text("Comment", comment.decode("utf-8", "replace").rstrip("\0"))
    if xmp:
        info.add_itxt(XMP_KEY, xmp.decode("utf-8", "replace"))
    deep = values.element_size() == 2
    image = Image.new("L", (1, 1)) if deep else pil_image(values)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", icc_profile=icc, exif=exif, dpi=source.dpi, pnginfo=info)
    data = encode_png16(values, like=buffer.getvalue()) if deep else buffer.getvalue()
    chunks = [chunk for chunk in source.extras.chunks if not (icc and chunk[0] == b"sRGB")]  # a profile says it
    return with_chunks(data, chunks) if chunks else data
