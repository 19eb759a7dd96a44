"""The image convention, and the way between it and files.

An image is a float32 RGB tensor of shape (B, 3, H, W) with values in [0, 1]: the file's own values v / 255,
turned as they are to be seen. Everything that only a file knows (EXIF orientation, palettes, bit depth,
colour profiles, alpha) is dealt with here, and carried beside the pixels in a Picture. No other module of
the core knows PIL.
"""

import io
import math
import os
import re
import struct
import warnings
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import ExifTags, Image, ImageCms, ImageFile, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile, PngInfo
from PIL.TiffImagePlugin import TiffImageFile
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.files import EXTENSIONS, FORMATS, check_output, list_images, write_atomically

__all__ = ["EXTENSIONS", "Picture", "check_batch", "check_output", "from_pil", "list_images", "read_image",
           "to_pil", "write_image"]  # fmt: skip

_KINDS = {"1": "grey", "L": "grey", "LA": "grey", "P": "palette", "PA": "palette", "CMYK": "cmyk"}
_TURNS = dict(enumerate((0, 3, 1, 5, 4, 6, 2), start=2))  # EXIF orientation -> PIL's Transpose
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as PIL and most cameras make grey
_MARKER_BYTES = 65_000  # a JPEG marker holds 65 533 bytes, some of them its own signature
_XMP_KEY = "XML:com.adobe.xmp"

# Of the main EXIF directory only what speaks of the photograph is kept. In a TIFF the same directory also
# says how the pixels are stored, which would be untrue of, and may spoil, any other file.
_EXIF_KEPT = {"ProcessingSoftware", "ImageDescription", "Make", "Model", "Orientation", "XResolution",
              "YResolution", "ResolutionUnit", "Software", "DateTime", "Artist", "HostComputer", "Rating",
              "RatingPercent", "Copyright", "ExifOffset", "GPSInfo", "XPTitle", "XPComment", "XPAuthor",
              "XPKeywords", "XPSubject"}  # fmt: skip

# What PIL is known to raise on damaged files.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError,
           AttributeError, RuntimeError, struct.error, zlib.error)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture out of a file, with what is needed to write it back.

    rgb: shape (1, 3, H, W), float32 in [0, 1]. alpha: shape (H, W), uint8; None for an opaque picture.
    mode: the kind of source: "grey", "rgb", "palette", "cmyk". format: PIL's name for it, such as "JPEG".
    icc_profile: what colours rgb means; None for sRGB. text: PNG text chunks.
    exif, xmp: as in the file, but with the orientation reset to 1, since rgb is turned already.
    jpeg_quality: a JPEG's own quality, estimated. notes: a line for each thing not read, or not written
    back, as it was.
    """

    rgb: Tensor
    alpha: Tensor | None = None
    mode: str = "rgb"
    format: str = ""
    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    jpeg_quality: int | None = None
    notes: tuple[str, ...] = ()


def check_batch(image: Tensor) -> None:
    """Raise ImageError unless image is floating, of shape (B, 3, H, W), and not empty."""
    if not isinstance(image, Tensor):
        raise ImageError(f"expected a (B, 3, H, W) float tensor in [0, 1], got {type(image).__name__}")
    if image.ndim != 4 or image.shape[1] != 3 or image.numel() == 0 or not image.is_floating_point():
        raise ImageError(f"expected (B, 3, H, W) float in [0, 1], got {tuple(image.shape)} {image.dtype}")


def from_pil(image: Image.Image) -> Tensor:
    """Shape (1, 3, H, W), float32 in [0, 1]. Alpha is dropped, and the EXIF orientation not applied."""
    try:
        return _tensors(image, depth=16)[0]
    except ValueError as error:
        raise ImageError(f"cannot take PIL mode {image.mode} ({error}); convert it to RGB first") from error


def to_pil(rgb: Tensor) -> Image.Image:
    """rgb: shape (1, 3, H, W), floating, in [0, 1]; what lies beyond is clipped. Rounds to 8 bits."""
    return _from_levels(_levels(rgb).permute(1, 2, 0), "RGB")


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
    except _DAMAGE as error:
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
    with suppress(*_DAMAGE):
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
        pixels, note = _srgb_from_cmyk(image, profile)
        notes.append(note)
        profile = None  # it would misread RGB values
    if orientation in _TURNS and not isinstance(image, TiffImageFile):
        pixels = pixels.transpose(Image.Transpose(_TURNS[orientation]))
    rgb, alpha = _tensors(pixels, depth)
    if inverted and image.mode.startswith("I;16"):  # "white is zero"; PIL sees to it in the other modes
        rgb = 1 - rgb

    block = None
    with suppress(*_DAMAGE):
        block = _exif_bytes(exif)
    if block is None and image.info.get("exif"):
        notes.append("the EXIF block is empty or damaged, and not kept")
    xmp = image.info.get("xmp") or image.info.get(_XMP_KEY) or b""
    xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    dpi = _dpi(image.info.get("dpi"))
    text: tuple[tuple[str, str], ...] = ()
    if isinstance(image, PngImageFile):  # ImageMagick's raw profiles are EXIF, ICC and XMP once more
        text = tuple(chunk for chunk in image.text.items() if not chunk[0].startswith((_XMP_KEY, "Raw prof")))
    return Picture(
        rgb=rgb,
        alpha=alpha,
        mode=kind,
        format="JPEG" if image.format == "MPO" else image.format or "",
        icc_profile=profile,
        exif=block,
        xmp=re.sub(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[2-8]", rb"\g<1>1", xmp) or None,
        dpi=dpi[::-1] if dpi and orientation in (5, 6, 7, 8) else dpi,
        text=text,
        jpeg_quality=_jpeg_quality(image) if isinstance(image, JpegImageFile) else None,
        notes=tuple(notes),
    )


def _tensors(image: Image.Image, depth: int) -> tuple[Tensor, Tensor | None]:
    """(1, 3, H, W) float32 in [0, 1], and (H, W) uint8 or None. depth: the bits of a 16-bit grey mode."""
    if image.mode in ("I", "F"):
        raise ValueError("32-bit values have no known range")
    if image.mode.startswith("I;16"):
        grey = torch.frombuffer(bytearray(image.convert("I").tobytes()), dtype=torch.int32)
        grey = grey.view(image.height, image.width)
        hidden = image.info.get("transparency")
        alpha = None if hidden is None else (grey != hidden).to(torch.uint8) * 255
        return (grey / (2**depth - 1)).expand(1, 3, -1, -1).contiguous(), alpha
    mode = "RGBA" if image.has_transparency_data else "RGB"
    levels = torch.frombuffer(bytearray(image.convert(mode).tobytes()), dtype=torch.uint8)
    levels = levels.view(image.height, image.width, len(mode)).permute(2, 0, 1).contiguous()  # (3 or 4, H, W)
    return levels[:3].unsqueeze(0) / 255, levels[3].clone() if mode == "RGBA" else None


def _levels(rgb: Tensor, weights: tuple[float, ...] | None = None) -> Tensor:
    """rgb to uint8, shape (3, H, W); or its weighted sum over the channels, shape (H, W)."""
    check_batch(rgb)
    if rgb.shape[0] != 1:
        raise ImageError(f"expected one image (1, 3, H, W), got a batch of {rgb.shape[0]}; pass them singly")
    if not torch.isfinite(rgb).all():
        raise ImageError("the image holds NaN or infinite values; restore it in full precision (float32)")
    values = rgb.detach()[0].cpu().float().clamp(0, 1)  # (3, H, W)
    if weights is not None:
        values = torch.einsum("c,chw->hw", torch.tensor(weights), values).clamp(0, 1)
    return values.mul(255).round().to(torch.uint8)


def _from_levels(levels: Tensor, mode: str) -> Image.Image:
    """levels: shape (H, W) or (H, W, C), uint8. The way by a buffer needs no numpy."""
    data = bytearray(levels.numel())
    torch.frombuffer(data, dtype=torch.uint8).copy_(levels.flatten())
    return Image.frombytes(mode, (levels.shape[1], levels.shape[0]), bytes(data))


def _srgb_from_cmyk(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str]:
    if profile:
        with suppress(ImageCms.PyCMSError, OSError, ImportError):
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            if converted is not None:
                return converted, "CMYK is converted to sRGB through its profile"
    return image.convert("RGB"), "CMYK is converted to RGB without a profile: the colours are approximate"


def _exif_bytes(exif: Image.Exif) -> bytes | None:
    """The thumbnail is left out too (by PIL): it would show the degraded picture."""
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


def _jpeg_quality(image: JpegImageFile) -> int | None:
    """The lowest libjpeg quality whose luminance table is as fine, on the whole, as the image's."""

    def fineness(quality: int) -> int:
        buffer = io.BytesIO()
        Image.new("L", (1, 1)).save(buffer, "JPEG", quality=quality)
        with Image.open(buffer) as probe:
            return -sum(probe.quantization[0]) if isinstance(probe, JpegImageFile) else 0

    own = image.quantization.get(0)
    return min(100, 1 + bisect_left(range(1, 101), -sum(own), key=fineness)) if own else None


def _encode(rgb: Tensor, source: Picture, format: str) -> bytes:
    image = _from_levels(_levels(rgb, _LUMA), "L") if source.mode == "grey" else to_pil(rgb)
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
            info.add_itxt(_XMP_KEY, xmp.decode("utf-8", "replace"))
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
    image = _from_levels(alpha.cpu(), "L")
    return image if (w, h) == (width, height) else image.resize((width, height), Image.Resampling.BICUBIC)
