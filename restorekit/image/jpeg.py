"""JPEG by its segments: what PIL does not tell of them, and comments and IPTC put back.

A JPEG is SOI, segments (marker, length, content), scans, EOI; cameras put more pictures behind the end, of which
segments before it tell the places (CIPA DC-007, "Multi-Picture Format"; Adobe and ISO 21496-1, gain maps).
"""

import io
import re
import struct
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from restorekit.image.picture import JpegCoding

__all__ = ["WRITTEN", "Segments", "coding", "mended", "photoshop_iptc", "survey", "with_segments"]

_COM, _APP13 = 0xFE, 0xED
_PHOTOSHOP, _RESOURCE = b"Photoshop 3.0\0", b"8BIM"
_IPTC, _IPTC_DIGEST = 0x0404, 0x0425
_THUMBNAILS = (0x0409, 0x040C)
_SAID_ELSEWHERE = (0x03ED, 0x040F, 0x0422, 0x0423, 0x0424, _IPTC_DIGEST)  # resolution, ICC, EXIF, XMP; a checksum
_LARGEST = 65_533  # bytes of a segment
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")  # but for those without content, which are within scans
_WRITTEN = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0"}  # those that PIL writes
_SAMPLINGS = {**_WRITTEN, (4, 1): "4:1:1", (1, 2): "4:4:0", (4, 2): "4:1:0", (1, 4): "4:4:1"}
WRITTEN = tuple(_WRITTEN.values())
_KNOWN = (  # segments that are read by PIL, or say nothing of the picture: marker and beginning
    (0xE0, b"JFIF\0"),
    (0xE1, b"Exif\0\0"),
    (0xE1, b"http://ns.adobe.com/xap/1.0/\0"),
    (0xE2, b"ICC_PROFILE\0"),
    (0xEE, b"Adobe"),
)
_NAMED = (
    (0xE0, b"JFXX\0", "the thumbnail"),
    (0xE1, b"http://ns.adobe.com/xmp/extension/\0", "the extended XMP"),
    (0xE2, b"MPF\0", "the list of further pictures"),
    (0xE2, b"urn:iso:std:iso:ts:21496:-1\0", "the gain map (HDR)"),
    (0xE2, b"FPXR\0", "the FlashPix data"),
    (0xEB, b"JP", "the content credentials (JUMBF)"),
    (0xEC, b"Ducky", ""),  # how Photoshop compressed it
)


@dataclass(frozen=True)
class Segments:
    """comments: as bytes. iptc: records of IPTC-IIM. gone: names of what another file would not have."""

    comments: tuple[bytes, ...] = ()
    iptc: bytes = b""
    gone: tuple[str, ...] = ()


def survey(file: BinaryIO) -> Segments:
    """Look through a JPEG's segments, and behind its end."""
    file.seek(0)
    data = file.read()
    comments, gone, photoshop, end = [], [], bytearray(), len(data)
    for marker, start, stop in _segments(data):
        content = data[start:stop]
        if marker == 0xD9:
            end = stop
        elif marker == _COM:
            comments.append(content)
        elif marker == _APP13 and content.startswith(_PHOTOSHOP):
            photoshop += content[len(_PHOTOSHOP) :]
        elif 0xE0 <= marker <= 0xEF and not any(marker == m and content.startswith(b) for m, b in _KNOWN):
            names = (name for m, b, name in _NAMED if marker == m and content.startswith(b))
            gone.append(next(names, f"the segment APP{marker - 0xE0}"))
    iptc, lost = photoshop_iptc(bytes(photoshop))
    behind = data[end:].strip(b"\0")
    if behind:
        gone.append(f"what follows the picture in the file ({len(behind)} bytes)")
    return Segments(tuple(comments), iptc, tuple(dict.fromkeys(name for name in (*gone, *lost) if name)))


def photoshop_iptc(resources: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The IPTC records in Photoshop's image resources, and names of what else is there."""
    place, iptc, gone = 0, b"", []
    while resources[place : place + 4] == _RESOURCE and place + 12 <= len(resources):
        (code,) = struct.unpack_from(">H", resources, place + 4)
        place += 6 + (resources[place + 6] + 2) // 2 * 2  # a name, its length before it, evened out
        if place + 4 > len(resources):
            break
        (size,) = struct.unpack_from(">I", resources, place)
        content = resources[place + 4 : place + 4 + size]
        place += 4 + size + size % 2
        if code == _IPTC:
            iptc += content
        elif code in _THUMBNAILS:
            gone.append("the thumbnail")
        elif code not in _SAID_ELSEWHERE:
            gone.append("Photoshop's own settings")
    return iptc, tuple(dict.fromkeys(gone))


def with_segments(data: bytes, comments: tuple[bytes, ...], iptc: bytes) -> bytes:
    """The JPEG with comments and IPTC put behind its other segments of that kind."""
    place = 2
    for marker, _, stop in _segments(data):
        if not 0xE0 <= marker <= 0xEF:
            break
        place = stop
    extra = bytearray()
    if iptc:
        content = _RESOURCE + struct.pack(">HHI", _IPTC, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)
        room = _LARGEST - len(_PHOTOSHOP)
        for at in range(0, len(content), room):
            extra += _segment(_APP13, _PHOTOSHOP + content[at : at + room])
    for comment in comments:
        extra += _segment(_COM, comment[:_LARGEST])
    return data[:place] + bytes(extra) + data[place:]


def coding(image: JpegImageFile) -> JpegCoding | None:
    """The compression of an image that is loaded; None for a lossless JPEG."""
    tables = tuple(tuple(image.quantization[n]) for n in sorted(image.quantization))
    if not tables:
        return None
    sampling = "4:4:4"
    if image.layers == 3:
        (_, *own, _), (_, *blue, _), (_, *red, _) = image.layer
        ratios = [(own[i] // c[i] if c[i] else 0) for c in (blue, red) for i in (0, 1)]
        same = ratios[:2] == ratios[2:]
        sampling = _SAMPLINGS.get((ratios[0], ratios[1]), "unusual") if same else "unusual"
    return JpegCoding(_quality(sum(tables[0])), sampling, tables)


def mended(data: bytes) -> bytes:
    """A damaged JPEG from its beginning, wherever that is, with nothing before its first segment."""
    start = data.find(b"\xff\xd8")
    if start < 0:
        return data
    first = data.find(b"\xff", start + 2)
    while 0 <= first < len(data) - 1 and data[first + 1] in (0x00, 0xFF):
        first = data.find(b"\xff", first + 1)
    return data[start : start + 2] + data[first:] if first >= 0 else data[start:]


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, beginning and end of the content of each segment; ends with EOI, or where it is damaged."""
    found = _MARKER.search(data, 2)
    while found is not None:
        marker, place = data[found.start() + 1], found.end()
        if marker == 0xD9:
            yield marker, place, place
            return
        if place + 2 > len(data):
            return
        stop = max(place + 2, place + struct.unpack_from(">H", data, place)[0])
        yield marker, place + 2, min(stop, len(data))
        found = _MARKER.search(data, stop)


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _quality(own: int) -> int:
    """The lowest libjpeg quality whose luminance table is as fine, on the whole, as one with this sum."""

    def fineness(quality: int) -> int:
        buffer = io.BytesIO()
        Image.new("L", (1, 1)).save(buffer, "JPEG", quality=quality)
        with Image.open(buffer) as probe:
            return -sum(probe.quantization[0]) if isinstance(probe, JpegImageFile) else 0

    return min(100, 1 + bisect_left(range(1, 101), -own, key=fineness))
