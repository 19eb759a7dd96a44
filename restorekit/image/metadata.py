"""Metadata, all that a file says about its picture: EXIF, XMP, IPTC, colour profile, resolution, text.

Section by section it is kept, or named among what is gone; nothing kept points at what is not there.

One rule for the orientation: EXIF's (in a TIFF the tag of that name) counts; where EXIF does not say it, XMP's
tiff:Orientation does. It is applied once, on reading, and from then on both say 1.
"""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Literal

from PIL import ExifTags, Image, ImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from restorekit.image import exif as exifs
from restorekit.image import geo, jpeg
from restorekit.image import xmp as packets
from restorekit.image.damage import DAMAGE
from restorekit.image.picture import Extras
from restorekit.image.png import Chunks
from restorekit.image.tiff import ICC, IPTC, PHOTOSHOP, XMP, Directory

__all__ = ["XMP_KEY", "Metadata", "heif_metadata", "image_metadata", "page_metadata"]

XMP_KEY = "XML:com.adobe.xmp"
_INCH = {1: 0.0, 2: 1.0, 3: 2.54}  # centimetres or inches of TIFF's ResolutionUnit, in an inch
_RAW = "Raw profile type "  # of ImageMagick: EXIF, IPTC and others once more, as text
_RAW_READ = ("exif", "APP1", "icc", "icm", "xmp")
_TURNED = (5, 6, 7, 8)  # orientations by which width and height change places


@dataclass(frozen=True)
class Metadata:
    """Everything but the pixels. orientation: 1 to 8, which exif and xmp have no more.

    dpi: pixels per inch, across and down of the picture when upright.
    """

    orientation: int = 1
    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    extras: Extras = field(default_factory=Extras)


def image_metadata(image: ImageFile.ImageFile, found: Chunks | jpeg.Segments | None = None) -> Metadata:
    """The metadata of any format but TIFF, by PIL. Loads the image, since a PNG may say things behind its pixels.

    found: what else was found in the file, of a PNG or a JPEG.
    """
    image.load()
    xmp = image.info.get("xmp") or image.info.get(XMP_KEY) or b""
    text = dict(image.text) if isinstance(image, PngImageFile) else {}
    icc, extras = image.info.get("icc_profile"), Extras()
    if isinstance(found, Chunks):
        text |= dict(found.text)
        icc = found.icc or icc
        extras = Extras(chunks=found.kept, gone=found.gone)
    elif found is not None:
        extras = Extras(comments=found.comments, iptc=found.iptc, gone=found.gone)
    packed = text.pop(XMP_KEY, "")
    raw = [key for key in text if key.startswith(_RAW)]
    lost = [f"the {key[len(_RAW) :]} in a raw profile" for key in raw if key[len(_RAW) :] not in _RAW_READ]
    block = image.info.get("exif") or b""
    with suppress(*DAMAGE):  # PIL's own getexif would mix XMP's orientation in
        block = block or bytes.fromhex("".join(text.get(f"{_RAW}exif", "").split("\n")[3:]))
    return _metadata(
        exifs.loaded(block),
        icc=icc,
        xmp=xmp.encode() if isinstance(xmp, str) else bytes(xmp or packed.encode()),
        dpi=image.info.get("dpi"),
        text=tuple(entry for entry in text.items() if entry[0] not in raw),
        claimed=bool(block),
        extras=replace(extras, gone=(*extras.gone, *lost)),
    )


def heif_metadata(info: Mapping[str, Any]) -> Metadata:
    """The metadata by libheif, which has turned the picture already, whatever EXIF says."""
    parts = {"the depth map": info.get("depth_images"), "the gain map (HDR)": "hdrgainmap" in str(info.get("aux"))}
    return _metadata(
        exifs.loaded(info.get("exif") or b""),
        icc=info.get("icc_profile"),
        xmp=info.get("xmp") or b"",
        dpi=None,
        text=(),
        claimed=bool(info.get("exif")),
        extras=Extras(gone=tuple(name for name, there in parts.items() if there)),
        turned=True,
    )


def page_metadata(file: BinaryIO, page: Directory) -> Metadata:
    """The metadata of one page of a TIFF; its EXIF is the page's directory itself."""
    exif, tags = Image.Exif(), page.tags
    with suppress(*DAMAGE):
        exif.endian, exif.bigtiff = "<" if tags.prefix == b"II" else ">", page.big
        exif.load_from_fp(file, page.offset)
        for part in {ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo} & set(exif):
            exif.get_ifd(part)  # now, by 64-bit offsets where they are; no other file has such
        exif.bigtiff = False
    dpi = None
    with suppress(*DAMAGE):
        inch = _INCH[tags.get(296, 2)]
        dpi = (float(tags[282]) * inch, float(tags[283]) * inch)
    icc, iptc = tags.get(ICC), _bytes(tags, IPTC)
    photoshop, gone = jpeg.photoshop_iptc(_bytes(tags, PHOTOSHOP))
    mapped = tuple((tag, tags.tagtype[tag], tags[tag]) for tag in sorted(geo.TAGS) if tag in tags)
    return _metadata(
        exif,
        icc=icc if isinstance(icc, bytes) else None,
        xmp=_bytes(tags, XMP),
        dpi=dpi,
        text=(),
        claimed=False,
        extras=Extras(iptc=iptc or photoshop, tags=mapped, gone=gone),
        page=True,
    )


def _bytes(tags: ImageFileDirectory_v2, number: int) -> bytes:
    """A tag's value as bytes; some writers claim numbers of 32 bits."""
    value = tags.get(number)
    if isinstance(value, tuple) and all(isinstance(v, int) and 0 <= v < 2**32 for v in value):
        order: Literal["little", "big"] = "little" if tags.prefix == b"II" else "big"
        return b"".join(v.to_bytes(4, order) for v in value)
    return value if isinstance(value, bytes) else b""


def _metadata(
    exif: Image.Exif,
    *,
    icc: bytes | None,
    xmp: bytes,
    dpi: object,
    text: tuple[tuple[str, str], ...],
    claimed: bool,
    extras: Extras,
    turned: bool = False,
    page: bool = False,
) -> Metadata:
    """claimed: the file has an EXIF block, so that there is a loss to name where none can be made out. turned: the
    pixels are upright already. page: of a TIFF, behind whose directory is no thumbnail but the next page."""
    orientation = 1 if turned else exifs.orientation(exif) or packets.orientation(xmp) or 1
    lost: tuple[str, ...] = ("the EXIF block, which is empty or damaged",) if claimed else ()
    block = None
    with suppress(*DAMAGE):
        block, missed = exifs.kept(exif, geo.TAGS, thumbnail=not page)
        lost = missed if block or not claimed else (*missed, *lost)
    xmp, cut = packets.without_pointers(packets.upright(xmp))
    pair, chunks, tags = _dpi(dpi), extras.chunks, extras.tags
    if orientation in _TURNED:
        pair = pair and pair[::-1]
        chunks = tuple((n, d[4:8] + d[:4] + d[8:] if n == b"pHYs" else d) for n, d in chunks)
    if orientation != 1 and tags:
        tags, lost = (), (*lost, geo.NAME)
    gone = tuple(dict.fromkeys((*extras.gone, *lost, *cut)))
    return Metadata(
        orientation=orientation,
        icc_profile=icc or None,
        exif=block,
        xmp=xmp or None,
        dpi=pair,
        text=text,
        extras=replace(extras, chunks=chunks, tags=tags, gone=gone),
    )


def _dpi(dpi: object) -> tuple[float, float] | None:
    with suppress(TypeError, ValueError, ZeroDivisionError):
        x, y = (float(value) for value in dpi)  # type: ignore[attr-defined]
        if all(math.isfinite(value) and 1 <= value <= 65_535 for value in (x, y)):
            return x, y
    return None
