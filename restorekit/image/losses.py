"""Losses, the parts of a picture that a format cannot hold, said in lines; nothing goes silently."""

from restorekit.image import geo
from restorekit.image.heif import BITS
from restorekit.image.jpeg import WRITTEN
from restorekit.image.picture import Picture

__all__ = ["DEEPEST", "WITH_ALPHA", "WITH_INKS", "losses"]

FINE, COARSE = 95, 75  # JPEG quality: the default, and where artefacts are seen
DEEPEST = {"PNG": 16, "TIFF": 32, "HEIF": 16}  # bits per channel; 8 in the other formats
WITH_ALPHA = ("PNG", "WEBP", "TIFF", "AVIF", "HEIF")
WITH_INKS = ("JPEG", "TIFF")
_WITH_DPI = ("JPEG", "PNG", "TIFF", "BMP")
_WITH_IPTC = ("JPEG", "TIFF")
_WITH_COMMENTS = ("JPEG", "PNG")


def losses(source: Picture, format: str, quality: int | None, dropped: tuple[str, ...] = ()) -> tuple[str, ...]:
    """A line for each thing of source that does not come through into format.

    quality: as it was told. dropped: names of what was found not to fit.
    """
    lines = [*_of_pixels(source, format), *_of_coding(source, format, quality)]
    parts = dict.fromkeys((*_of_metadata(source, format), *dropped))
    if parts:
        lines.append(f"{format} cannot hold {', '.join(parts)}: not kept")
    if source.extras.gone:
        lines.append(f"not carried over into the new file: {', '.join(source.extras.gone)}")
    return tuple(lines)


def _of_pixels(source: Picture, format: str) -> list[str]:
    lines, deepest = [], DEEPEST.get(format, 8)
    if source.depth > deepest:
        came = "floating point" if source.depth == 32 else f"{source.depth} bits per channel"
        lines.append(f"{format} cannot hold {came}: written with {deepest}")
    elif source.depth == 16 and format == "HEIF" and source.format != "HEIF":
        lines.append(f"HEIC cannot hold 16 bits per channel: written with {BITS}")
    if source.alpha is not None and format not in WITH_ALPHA:
        lines.append(f"{format} cannot hold transparency: the colours beneath are shown")
    if source.mode == "cmyk" and format not in WITH_INKS:
        lines.append(f"{format} cannot hold CMYK: written in sRGB")
    return lines


def _of_coding(source: Picture, format: str, quality: int | None) -> list[str]:
    if format != "JPEG" or source.format != "JPEG" or quality is not None:
        return []
    if source.jpeg is None:
        return [f"the input is a lossless JPEG: written with losses, at quality {FINE}; PNG loses nothing"]
    if source.jpeg.quality < COARSE:
        return [
            f"written at JPEG quality {FINE}, since the input's {source.jpeg.quality} would put artefacts back; "
            "choose with --quality"
        ]
    if source.jpeg.sampling not in WRITTEN:
        return [f"colour was sampled {source.jpeg.sampling} in the input: written unsampled (4:4:4)"]
    return []


def _of_metadata(source: Picture, format: str) -> list[str]:
    extras, names = source.extras, []
    if format == "BMP":
        held = {"the EXIF block": source.exif, "XMP": source.xmp, "the colour profile": source.icc_profile}
        names += [name for name, there in held.items() if there]
    if source.text and format != "PNG":
        keys = ", ".join(key for key, _ in source.text[:3])
        names.append(f"PNG text ({keys}{' ...' if len(source.text) > 3 else ''})")
    if source.dpi and format not in _WITH_DPI:
        names.append("the resolution")
    if extras.comments and format not in _WITH_COMMENTS:
        names.append("the comment")
    if extras.iptc and format not in _WITH_IPTC:
        names.append("IPTC")
    if extras.tags and format != "TIFF":
        names.append(geo.NAME)
    copied = sorted({n.decode("latin-1") for n, _ in extras.chunks if n not in _COLOUR_OR_HINT})
    if copied and format != "PNG":
        names.append(f"PNG's {', '.join(copied)}")
    return names


# A profile says the colours; how many bits were meant, and what to show behind, is of no use elsewhere.
_COLOUR_OR_HINT = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"bKGD", b"sBIT", b"pHYs")
