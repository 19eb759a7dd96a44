"""One picture of each kind of file, decoded by the library that reads it in full."""

from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile, UnidentifiedImageError, features
from PIL.JpegImagePlugin import JpegImageFile

from restorekit.errors import ImageError
from restorekit.image import deep, heif, jpeg, kinds, png, tiff
from restorekit.image.content import TURNS, Content, content_of, is_wide, picture_from
from restorekit.image.metadata import Metadata, heif_metadata, image_metadata, page_metadata
from restorekit.image.picture import Picture
from restorekit.image.values import as_float

__all__ = ["read_heif", "read_other", "read_page"]

_ORIENTATION = 274
_FIRST_ONLY = "of the pictures in this {} file only the first is read"
_MORE_CHANNELS = "channels beside colour and alpha are left out"


def read_other(file: BinaryIO, path: Path, kind: str, *, salvage: bool = False) -> Picture:
    """The picture of a JPEG, PNG, WebP, BMP or AVIF.

    kind: which of them.
    salvage: as in read_page.
    """
    if kind == "AVIF" and not features.check("avif"):
        raise ImageError(f"{path} is AVIF, which this Pillow was built without; update it: pip install -U pillow")
    found = png.survey(file) if kind == "PNG" else jpeg.survey(file) if kind == "JPEG" else None
    file.seek(0)
    header = file.read(kinds.START)
    pixels: BinaryIO = png.smaller(file, found.large) if isinstance(found, png.Chunks) and found.large else file
    with Image.open(pixels, formats=(kind,)) as image:  # a JPEG may turn out an MPO
        # The further pictures in a camera's MPO are previews, or the other eye's view, of the first.
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        if frames > 1:
            raise ImageError(f"{path} holds {frames} frames; save one of them as PNG and give that")
        metadata = image_metadata(image, found)
        bits, colour_type = header[24:26] if kind == "PNG" else (8, None)  # which PIL does not tell
        cut = bits == 16 and colour_type != 0
        grey = colour_type in (0, 4)
        content = None if cut and deep.available() else _by_pil(image, metadata, cut=cut, grey=grey)
        notes = [_FIRST_ONLY.format("MPO")] if image.format == "MPO" else []
        if kind == "AVIF" and (bits := heif.bits_of_avif(header)) > 8:
            notes.append(f"{bits} bits per channel were cut to 8")
    if kind == "AVIF" and b"tmap" in header:
        notes.append("its gain map (HDR) is not read")
    return picture_from(
        content or _by_libvips(pixels, path, metadata, salvage=salvage), metadata, kind, tuple(notes)
    )


def read_heif(file: BinaryIO, path: Path) -> Picture:
    """The main picture of a HEIC."""
    try:
        decoded = heif.read_heif(file, _check_size)
    except ImportError:
        raise ImageError(f"{path} is HEIC; {heif.INSTALL} to read it") from None
    metadata, channels = heif_metadata(decoded.info), decoded.values.shape[2]
    notes = [_FIRST_ONLY.format("HEIC")] if decoded.several else []
    if decoded.bits > heif.BITS:
        notes.append(f"{decoded.bits} bits per channel are read in full, but HEIC is written with {heif.BITS}")
    values, alpha = deep.split(decoded.values)
    content = Content(
        values=values,
        alpha=alpha,
        mode="grey" if channels < 3 else "rgb",
        depth=8 * decoded.values.element_size(),
        icc_profile=metadata.icc_profile,
        notes=tuple(notes),
    )
    return picture_from(content, metadata, "HEIF")


def read_page(file: BinaryIO, path: Path, page: tiff.Directory, *, salvage: bool) -> Picture:
    """A page of a TIFF.

    salvage: let libvips take what it can, too; PIL is told by its switch.
    """
    _check_size(*page.size)
    if page.fault:
        raise ImageError(f"{path} {page.fault}")
    metadata = page_metadata(file, page)
    by_libvips = (page.beyond_pil and not page.libvips_errs) or (
        salvage and page.plain
    )  # it takes the strips there are
    if by_libvips and deep.available():
        return picture_from(_by_libvips(file, path, metadata, page, salvage=salvage), metadata, "TIFF")
    if page.beyond_pil and page.pil_errs:
        raise _unread(path, page)
    file.seek(0)
    try:
        with Image.open(file, formats=("TIFF",)) as image:
            image.seek(page.index)
            image.info.pop("xmp", None)  # by which PIL would turn it, too
            if image.mode == "F":
                raise _unread(path, page)
            image.load()
            return picture_from(_by_pil(image, metadata, page=page, cut=page.bits > 8), metadata, "TIFF")
    except UnidentifiedImageError as error:
        raise _unread(path, page) from error
    except (ValueError, OSError) as error:
        strange = "raw mode" in str(error) or (page.planar and page.has_more)
        if strange and not salvage:  # PIL has no way to take this layout
            raise _unread(path, page) from error
        raise


def _unread(path: Path, page: tiff.Directory) -> ImageError:
    if tiff.PHOTOMETRIC not in page.tags:
        raise OSError("its list of tags is cut short")
    if page.beyond_pil and not page.libvips_errs and not deep.available():
        came = "floating-point values" if page.floating else "16 bits per channel, each channel on its own"
        came = came if page.planar or page.floating else "16 bits per channel"
        return ImageError(f"{path} holds {came}; {deep.INSTALL} to read them")
    return ImageError(f"{path} is a TIFF of a kind that is not read ({page.layout}); save it as PNG first")


def _check_size(width: int, height: int) -> None:
    """PIL's limit, for what it does not open itself. A few bytes may claim to be any number of pixels."""
    if Image.MAX_IMAGE_PIXELS is not None and width * height > 2 * Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError


def _by_pil(
    image: ImageFile.ImageFile,
    metadata: Metadata,
    *,
    cut: bool,
    grey: bool = False,
    page: tiff.Directory | None = None,
) -> Content:
    """Take a loaded image.

    cut: whether PIL cut it to 8 bits.
    grey: whether it is grey whatever its mode says.
    page: of a TIFF, which PIL has turned where its tag says so.
    """
    wide = is_wide(image)
    cuts = ["16 bits per channel were cut to 8"] if cut and not wide else []
    if cuts and not (page and (not page.beyond_pil or page.libvips_errs)):
        cuts[0] += f"; {deep.INSTALL} to read them in full"
    if page and page.has_more:
        cuts.append(_MORE_CHANNELS)
    turned = page is not None and page.tags.get(_ORIENTATION) in TURNS  # by PIL
    orientation = 1 if turned else metadata.orientation
    found = content_of(image, metadata.icc_profile, orientation, page.bits if page and wide else 16)
    values = found.values
    if wide and page and page.white_is_zero:  # PIL sees to it in the other modes
        values = 1 - as_float(values)
    return replace(
        found,
        values=values,
        mode="grey" if grey else found.mode,
        jpeg=jpeg.coding(image) if isinstance(image, JpegImageFile) else None,
        notes=(*cuts, *found.notes),
    )


def _by_libvips(
    file: BinaryIO, path: Path, metadata: Metadata, page: tiff.Directory | None = None, *, salvage: bool = False
) -> Content:
    values = deep.read_values(file, page.index if page else 0, salvage=salvage)
    floating = values.is_floating_point()
    if floating and (fault := deep.fault(values)):
        raise ImageError(f"{path} holds {fault}")
    if page:
        values = values[..., : page.colours + page.has_alpha]
    rgb, alpha = deep.split(deep.turned(values, metadata.orientation))
    return Content(
        values=rgb,
        alpha=alpha,
        mode="grey" if values.shape[2] < 3 else "rgb",
        depth=32 if floating else 8 * values.element_size(),
        icc_profile=metadata.icc_profile,
        notes=(_MORE_CHANNELS,) if page and page.has_more else (),
    )
