"""The kinds of file that are read, told by their first bytes, never by their names.

Pillow would open some forty formats, a few of which run other programs or unpack a few bytes into gigabytes; only
those that the README promises are let through. Others are named, so that a person knows what to convert.
"""

from restorekit.image.heif import is_heif

__all__ = ["READ", "START", "foreign", "kind_of"]

READ = "JPEG, PNG, WebP, TIFF, BMP, AVIF and HEIC"
START = 4096  # bytes that are looked at before anyone decodes

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BEGINNINGS = (
    (b"\xff\xd8", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"BM", "BMP"),
    *((magic, "TIFF") for magic in _TIFF),
)
_BOX = {b"avif": "AVIF", b"avis": "AVIF"}  # by the brand of an ISO media file
_FOREIGN = (
    (b"GIF8", "a GIF"),
    (b"8BPS", "a Photoshop document"),
    (b"%PDF", "a PDF"),
    (b"%!PS", "a PostScript drawing"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript drawing"),
    (b"\xd7\xcd\xc6\x9a", "a WMF drawing"),
    (b"gimp xcf", "a GIMP document"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\1\0", "an icon"),
    (b"\0\0\2\0", "an icon"),
    (b"icns", "an icon"),
    (b"DDS ", "a DDS texture"),
    (b"v/1\1", "OpenEXR"),
    (b"#?RADIANCE", "a Radiance picture"),
    (b"SIMPLE  =", "FITS"),
    (b"\x0a\5\1", "a PCX"),
    *((b"P%d" % n, "a PNM") for n in range(1, 8)),
    (b"Pf\n", "a PFM"),
    (b"PF\n", "a PFM"),
    (b"FUJIFILMCCD-RAW", "a camera's raw file"),
)


def kind_of(start: bytes) -> str:
    """The format, by the name that PIL has for it, or HEIF; empty for one that is not read.

    start: the first bytes of the file, 32 or more if it has so many.
    """
    if is_heif(start[:32]):
        return "HEIF"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[4:8] == b"ftyp" and b"avi" in start[8:32]:
        return _BOX.get(start[8:12], "AVIF")
    return next((kind for magic, kind in _BEGINNINGS if start.startswith(magic)), "")


def foreign(start: bytes) -> str:
    """A name for a well-known format that is not read, such as "a GIF"; empty for anything else."""
    if b"<svg" in start[:1024].lower():
        return "an SVG drawing"
    if start[4:8] == b"ftyp":
        return "a video, or a camera's raw file"
    return next((name for magic, name in _FOREIGN if start.startswith(magic)), "")
