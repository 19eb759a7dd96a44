"""From a file to a Picture: whole and upright, or refused in one line."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from restorekit.errors import ImageError
from restorekit.image.colour import srgb_from_cmyk
from restorekit.image.metadata import DAMAGE, dpi_pair, exif_bytes, jpeg_quality, text_chunks, xmp_bytes
from restorekit.image.picture import Picture
from restorekit.image.pixels import tensors

_KINDS = {"1": "grey", "L": "grey", "LA": "grey", "P": "palette", "PA": "palette", "CMYK": "cmyk"}
_TURNS = dict(enumerate((0, 3, 1, 5, 4, 6, 2), start=2))  # EXIF orientation -> PIL's Transpose


def read_image(path: str | os.PathLike[str]) -> Picture:
    """Read a file of one picture: JPEG, PNG, WebP, TIFF, BMP, or whatever else PIL decodes into one frame.

    A damaged, truncated, animated or many-paged file is refused with an ImageError, never half read.
    """
    path = Path(path)
    with _strict_decoder(path):
        if path.is_dir():
            raise ImageError(f"{path} is a folder; name one image file in it")
        if path.stat().st_size == 0:
            raise ImageError(f"{path} is empty (0 bytes) or no regular file; copy or download it again")
        with path.open("rb") as file:
            header = file.read(26)
            with Image.open(file) as image:
                _check_single(image, path)
                return _picture(image, header)


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
        raise ImageError(f"{path} is damaged or cut short ({error}); copy or download it again") from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = tolerant


def _check_single(image: ImageFile.ImageFile, path: Path) -> None:
    if image.format in ("EPS", "WMF"):  # PIL would run another program on the file's content
        raise ImageError(f"{path} is a drawing ({image.format}); convert it to PNG first")
    if image.mode in ("I", "F"):
        raise ImageError(f"{path} has 32-bit values of no known range; scale them to 16 bits or 8")
    # The further pictures in a camera's MPO are previews, or the other eye's view, of the first.
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if frames > 1:
        raise ImageError(f"{path} holds {frames} frames or pages; save one of them as PNG and give that")
    if isinstance(image, TiffImageFile) and image.tag_v2.get(254, 0) & 1:
        raise ImageError(f"{path} shows only a preview, like a camera's raw file; develop it to PNG first")


def _picture(image: ImageFile.ImageFile, header: bytes) -> Picture:
    """header: the first 26 bytes of the file; in a PNG they say the bit depth, which PIL does not tell."""
    exif = Image.Exif()
    with suppress(*DAMAGE):
        exif = image.getexif()
    orientation = exif.get(ExifTags.Base.Orientation, 1)  # asked before loading, when PIL turns a TIFF
    image.load()

    notes = []
    kind, inverted = _KINDS.get(image.mode, "rgb"), False
    depth = 16 if image.mode.startswith("I;16") else 8
    if image.format == "PNG":
        depth, colour_type = header[24:26]
        kind = "grey" if colour_type in (0, 4) else kind
    elif isinstance(image, TiffImageFile):
        depth, inverted = max(image.tag_v2.get(258, (1,))), image.tag_v2.get(262) == 0
    if image.mode.startswith("I;16"):
        kind = "grey"
        notes.append(f"{depth}-bit grey is read in full, but written back as 8-bit grey")
    elif depth > 8:
        notes.append(f"{depth} bits per channel were cut to 8 on reading")
    if image.format == "MPO":
        notes.append("of the pictures in this MPO file only the first is read")

    pixels: Image.Image = image
    profile: bytes | None = image.info.get("icc_profile") or None
    if image.mode == "CMYK":
        pixels, note = srgb_from_cmyk(image, profile)
        notes.append(note)
        profile = None  # it would misread RGB values
    if orientation in _TURNS and not isinstance(image, TiffImageFile):
        pixels = pixels.transpose(Image.Transpose(_TURNS[orientation]))
    rgb, alpha = tensors(pixels, depth)
    if inverted and image.mode.startswith("I;16"):  # "white is zero"; PIL sees to it in the other modes
        rgb = 1 - rgb

    block = None
    with suppress(*DAMAGE):
        block = exif_bytes(exif)
    if block is None and image.info.get("exif"):
        notes.append("the EXIF block is empty or damaged, and not kept")
    dpi = dpi_pair(image.info.get("dpi"))
    return Picture(
        rgb=rgb,
        alpha=alpha,
        mode=kind,
        format="JPEG" if image.format == "MPO" else image.format or "",
        icc_profile=profile,
        exif=block,
        xmp=xmp_bytes(image),
        dpi=dpi[::-1] if dpi and orientation in (5, 6, 7, 8) else dpi,
        text=text_chunks(image),
        jpeg_quality=jpeg_quality(image) if isinstance(image, JpegImageFile) else None,
        notes=tuple(notes),
    )
