"""From a file to a Picture: whole and upright, or refused in one line."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.image import deep, heif, tiff
from restorekit.image.colour import srgb_from_cmyk
from restorekit.image.metadata import DAMAGE, Metadata, heif_metadata, image_metadata, jpeg_coding, page_metadata
from restorekit.image.picture import JpegCoding, Picture
from restorekit.image.pixels import tensors
from restorekit.image.values import as_float

_KINDS = {"1": "grey", "L": "grey", "LA": "grey", "P": "palette", "PA": "palette", "CMYK": "cmyk"}
_FIRST_ONLY = "of the pictures in this {} file only the first is read"
_START = 4096  # bytes that are looked at before PIL does
_TURNS = dict(enumerate((0, 3, 1, 5, 4, 6, 2), start=2))  # EXIF orientation -> PIL's Transpose


@dataclass(frozen=True, eq=False)
class _Content:
    """What was decoded of a picture, upright; the fields as in Picture."""

    values: Tensor
    alpha: Tensor | None
    mode: str
    depth: int = 8
    icc_profile: bytes | None = None
    ink_profile: bytes | None = None
    jpeg: JpegCoding | None = None
    notes: tuple[str, ...] = ()


def read_image(path: str | os.PathLike[str]) -> Picture:
    """Read a file of one picture: JPEG, PNG, WebP, TIFF, BMP, AVIF, or whatever else PIL decodes into one frame.

    16-bit colour and floating point are read in full by libvips, HEIC by libheif, where they are installed. A
    damaged, truncated, animated or many-paged file is refused with an ImageError, never half read.
    """
    return _read(Path(path), several=False)[0]


def read_pages(path: str | os.PathLike[str]) -> tuple[Picture, ...]:
    """The pages of a TIFF, in order, or the one picture of another file. Else as read_image."""
    return _read(Path(path), several=True)


def _read(path: Path, *, several: bool) -> tuple[Picture, ...]:
    with _strict_decoder(path):
        if path.is_dir():
            raise ImageError(f"{path} is a folder; name one image file in it")
        if path.stat().st_size == 0:
            raise ImageError(f"{path} is empty (0 bytes) or no regular file; copy or download it again")
        with path.open("rb") as file:
            directories = tiff.directories(file)
            if not directories:
                return (_read_other(file, path),)
            if directories[0].preview:
                raise ImageError(f"{path} shows only a preview, like a camera's raw file; develop it to PNG first")
            pages = [page for page in directories if not page.preview]
            if len(pages) > 1 and not several:
                raise ImageError(f"{path} holds {len(pages)} pages; save one of them as PNG and give that")
            pictures = [_read_page(file, path, page) for page in pages]
            if len(pages) < len(directories):
                notes = (*pictures[0].notes, "the small copies among its pages are left out")
                pictures[0] = replace(pictures[0], notes=notes)
            return tuple(pictures)


@contextmanager
def _strict_decoder(path: Path) -> Iterator[None]:
    """Within, PIL refuses truncated files whatever other libraries have set, and errors name path."""
    tolerant, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL warns of large pictures, which are no fault
            yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError(f"{path} does not exist; check the spelling and the working folder") from error
    except PermissionError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}; check its permissions") from error
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise ImageError(f"{path} has more than {limit} million pixels; cut or shrink it first") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{path} is not an image that PIL knows; convert it to PNG first") from error
    except DAMAGE as error:
        what = " ".join(str(error).split())  # some speak in several lines
        raise ImageError(f"{path} is damaged or cut short ({what}); copy or download it again") from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = tolerant


def _read_other(file: BinaryIO, path: Path) -> Picture:
    """Any file but a TIFF."""
    file.seek(0)
    header = file.read(_START)
    if heif.is_heif(header[:32]):
        return _read_heif(file, path)
    with Image.open(file) as image:
        if image.format in ("EPS", "WMF"):  # PIL would run another program on the file's content
            raise ImageError(f"{path} is a drawing ({image.format}); convert it to PNG first")
        # The further pictures in a camera's MPO are previews, or the other eye's view, of the first.
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        if frames > 1:
            raise ImageError(f"{path} holds {frames} frames; save one of them as PNG and give that")
        _refuse_32_bits(image, path)
        format = "JPEG" if image.format == "MPO" else image.format or ""
        metadata = image_metadata(image)
        bits, colour_type = header[24:26] if format == "PNG" else (8, None)  # which PIL does not tell
        cut = bits == 16 and colour_type != 0
        grey = colour_type in (0, 4)
        content = None if cut and deep.available() else _by_pil(image, metadata, cut=cut, grey=grey)
        notes = [_FIRST_ONLY.format("MPO")] if image.format == "MPO" else []
        if format == "AVIF" and (bits := heif.bits_of_avif(header)) > 8:
            notes.append(f"{bits} bits per channel were cut to 8")
    return _picture(content or _by_libvips(file, path, metadata), metadata, format, tuple(notes))


def _read_heif(file: BinaryIO, path: Path) -> Picture:
    try:
        decoded = heif.read_heif(file, _check_size)
    except ImportError:
        raise ImageError(f"{path} is HEIC; {heif.INSTALL} to read it") from None
    metadata, channels = heif_metadata(decoded.info), decoded.values.shape[2]
    notes = [_FIRST_ONLY.format("HEIC")] if decoded.several else []
    if decoded.bits > heif.BITS:
        notes.append(f"{decoded.bits} bits per channel are read in full, but HEIC is written with {heif.BITS}")
    values, alpha = deep.split(decoded.values)
    content = _Content(
        values=values,
        alpha=alpha,
        mode="grey" if channels < 3 else "rgb",
        depth=8 * decoded.values.element_size(),
        icc_profile=metadata.icc_profile,
        notes=tuple(notes),
    )
    return _picture(content, metadata, "HEIF")


def _read_page(file: BinaryIO, path: Path, page: tiff.Directory) -> Picture:
    """Of a TIFF."""
    _check_size(*page.size)
    metadata = page_metadata(file, page)
    if page.beyond_pil and deep.available():
        return _picture(_by_libvips(file, path, metadata, page), metadata, "TIFF")
    file.seek(0)
    try:
        with Image.open(file) as image:
            image.seek(page.index)
            _refuse_32_bits(image, path)
            image.load()
            return _picture(_by_pil(image, metadata, page=page, cut=page.bits > 8), metadata, "TIFF")
    except UnidentifiedImageError:
        if page.beyond_pil:
            raise ImageError(f"{path} holds values that PIL cannot read; {deep.INSTALL} to read them") from None
        raise


def _check_size(width: int, height: int) -> None:
    """PIL's limit, for what it does not open itself. A few bytes may claim to be any number of pixels."""
    if Image.MAX_IMAGE_PIXELS is not None and width * height > 2 * Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError


def _refuse_32_bits(image: ImageFile.ImageFile, path: Path) -> None:
    if image.mode == "F":
        raise ImageError(f"{path} holds floating-point values; {deep.INSTALL} to read them")
    if image.mode == "I":
        raise ImageError(f"{path} has 32-bit values of no known range; scale them to 16 bits or 8")


def _picture(content: _Content, metadata: Metadata, format: str, notes: tuple[str, ...] = ()) -> Picture:
    return Picture(
        values=content.values,
        alpha=content.alpha,
        mode=content.mode,
        depth=content.depth,
        format=format,
        icc_profile=content.icc_profile,
        ink_profile=content.ink_profile,
        exif=metadata.exif,
        xmp=metadata.xmp,
        dpi=metadata.dpi,
        text=metadata.text,
        jpeg=content.jpeg,
        notes=(*content.notes, *notes, *metadata.notes),
    )


def _by_pil(
    image: ImageFile.ImageFile,
    metadata: Metadata,
    *,
    cut: bool,
    grey: bool = False,
    page: tiff.Directory | None = None,
) -> _Content:
    """image: loaded, and turned by PIL where it is a page of a TIFF. cut: PIL has cut its values to 8 bits."""
    wide = image.mode.startswith("I;16")
    kind = "grey" if wide or grey else _KINDS.get(image.mode, "rgb")
    bits = page.bits if page and wide else 16
    notes = ["16 bits per channel were cut to 8"] if cut and not wide else []
    if notes and not (page and not page.beyond_pil):
        notes[0] += f"; {deep.INSTALL} to read them in full"
    pixels: Image.Image = image
    profile, inks = metadata.icc_profile, None
    if image.mode == "CMYK":
        profile, inks = None, profile  # it would misread RGB values
        pixels, back, note = srgb_from_cmyk(image, inks)
        kind = "cmyk" if back else "rgb"
        notes.append(note)
    if metadata.orientation in _TURNS and page is None:
        pixels = pixels.transpose(Image.Transpose(_TURNS[metadata.orientation]))
    values, alpha = tensors(pixels, bits)
    if wide and page and page.white_is_zero:  # PIL sees to it in the other modes
        values = 1 - as_float(values)
    return _Content(
        values=values,
        alpha=alpha,
        mode=kind,
        depth=16 if wide else 8,
        icc_profile=profile,
        ink_profile=inks if kind == "cmyk" else None,
        jpeg=jpeg_coding(image) if isinstance(image, JpegImageFile) else None,
        notes=tuple(notes),
    )


def _by_libvips(file: BinaryIO, path: Path, metadata: Metadata, page: tiff.Directory | None = None) -> _Content:
    values = deep.read_values(file, page.index if page else 0)
    floating = values.is_floating_point()
    if floating and (fault := deep.fault(values)):
        raise ImageError(f"{path} holds {fault}")
    if page:
        values = values[..., : page.colours + page.has_alpha]
    rgb, alpha = deep.split(deep.turned(values, metadata.orientation))
    return _Content(
        values=rgb,
        alpha=alpha,
        mode="grey" if values.shape[2] < 3 else "rgb",
        depth=32 if floating else 16,
        icc_profile=metadata.icc_profile,
        notes=("channels beside colour and alpha are left out",) if page and page.has_more else (),
    )
