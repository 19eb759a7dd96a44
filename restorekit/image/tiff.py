"""TIFF by its directories: what they say of pages PIL cannot open, and pages written at any depth.

A page is a directory of tags and its strips of rows. Ours follow each other in the file:
header, directory 1, strips 1, directory 2, strips 2, ...
"""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2
from PIL.TiffTags import BYTE, LONG, SHORT, UNDEFINED
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.image.pixels import raw_bytes

_MAGIC, _BIG_MAGIC = (b"II*\0", b"MM\0*"), b"II+\0"
_LIMIT = 2**32 - 1  # offsets have 32 bits
_STRIP = 2**18  # bytes, about, before compression
_EFFORT = 1  # of zlib: on photographs more takes thrice the time for a twentieth of the size
_DEFLATE, _DIFFERENCES, _FLOATING = 8, 2, 3
_GREY, _RGB, _CMYK = 1, 2, 5
_MULTIPLIED, _ALPHA = 1, 2  # of ExtraSamples: opacity, with or without the colours multiplied by it
_PREVIEW = 1  # bit of NewSubfileType
SUBFILE, BITS, PHOTOMETRIC, CHANNELS, EXTRA, SAMPLES = 254, 258, 262, 277, 338, 339
XMP, ICC = 700, 34675


@dataclass(frozen=True)
class Directory:
    """A page's tags. index: from 0, as PIL counts. offset: of the directory, in bytes. big: a BigTIFF's."""

    index: int
    offset: int
    big: bool
    tags: ImageFileDirectory_v2

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, as stored."""
        return int(self.tags[256]), int(self.tags[257])

    @property
    def preview(self) -> bool:
        return bool(self.tags.get(SUBFILE, 0) & _PREVIEW)

    @property
    def bits(self) -> int:
        return int(max(self.tags.get(BITS, (1,))))

    @property
    def floating(self) -> bool:
        return _FLOATING in self.tags.get(SAMPLES, (1,))

    @property
    def beyond_pil(self) -> bool:
        """Whether PIL would cut its values to 8 bits, or refuse it, though it is plain grey or RGB."""
        plain = self.tags.get(PHOTOMETRIC) in (0, _GREY, _RGB)
        deep = self.bits == 16 and self.tags.get(CHANNELS, 1) > 1 and set(self.tags.get(SAMPLES, (1,))) == {1}
        return plain and (self.floating or deep)

    @property
    def white_is_zero(self) -> bool:
        return self.tags.get(PHOTOMETRIC) == 0

    @property
    def colours(self) -> int:
        """Channels of colour, of grey or RGB."""
        return 3 if self.tags.get(PHOTOMETRIC) == _RGB else 1

    @property
    def has_alpha(self) -> bool:
        """Whether the first channel beyond colour is opacity; one of no stated meaning is not."""
        return self.tags.get(EXTRA, (0,))[0] in (_MULTIPLIED, _ALPHA)

    @property
    def has_more(self) -> bool:
        """Whether there are channels beyond colour and alpha."""
        return self.tags.get(CHANNELS, 1) > self.colours + self.has_alpha


def directories(file: BinaryIO) -> tuple[Directory, ...]:
    """The pages of a TIFF; none for another file."""
    file.seek(0)
    head = file.read(16)
    big = head[:4] == _BIG_MAGIC
    if head[:4] not in _MAGIC and not big:
        return ()
    head = head if big else head[:8]
    found: dict[int, Directory] = {}
    offset = ImageFileDirectory_v2(head).next
    while offset and offset not in found:  # a damaged file may run in circles
        tags = ImageFileDirectory_v2(head)
        file.seek(offset)
        tags.load(file)
        found[offset] = Directory(len(found), offset, big, tags)
        offset = tags.next
    return tuple(found.values())


@dataclass(frozen=True)
class Page:
    """A page encoded: tags, of which those of the strips' places count from the directory's end, and strips."""

    tags: ImageFileDirectory_v2
    strips: bytes


def encode_page(
    values: Tensor, exif: Image.Exif, *, icc: bytes | None, xmp: bytes, dpi: tuple[float, float] | None, inks: bool
) -> Page:
    """values: shape (H, W, C), uint8, uint16 or float32; C = 1 or 3, 4 for inks (CMYK), and one for alpha."""
    height, width, channels = values.shape
    colours = 4 if inks else 3 if channels >= 3 else 1
    bits, floating = 8 * values.element_size(), values.is_floating_point()
    rows = max(1, _STRIP // (width * channels * bits // 8))
    strips = [_compressed(values[top : top + rows]) for top in range(0, height, rows)]

    tags = ImageFileDirectory_v2()
    for tag in exif:
        known = tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
        tags[tag] = exif.get_ifd(tag) if known else exif[tag]
    photometric = {1: _GREY, 3: _RGB, 4: _CMYK}[colours]
    offsets, lengths = [0], [len(strip) for strip in strips]
    for length in lengths[:-1]:
        offsets.append(offsets[-1] + length)
    for tag, kind, value in (
        (256, LONG, width),
        (257, LONG, height),
        (BITS, SHORT, (bits,) * channels),
        (259, SHORT, _DEFLATE),
        (PHOTOMETRIC, SHORT, photometric),
        (273, LONG, tuple(offsets)),
        (CHANNELS, SHORT, channels),
        (278, LONG, rows),
        (279, LONG, tuple(lengths)),
        (284, SHORT, 1),  # channels beside each other
        (317, SHORT, 1 if floating else _DIFFERENCES),
        (SAMPLES, SHORT, (_FLOATING if floating else 1,) * channels),
    ):
        tags.tagtype[tag] = kind
        tags[tag] = value
    if channels > colours:
        tags[EXTRA] = _ALPHA
    for tag, kind, data in ((XMP, BYTE, xmp), (ICC, UNDEFINED, icc)):
        if data:
            tags.tagtype[tag] = kind
            tags[tag] = data
    if dpi:
        tags[282], tags[283], tags[296] = IFDRational(dpi[0]), IFDRational(dpi[1]), 2  # per inch
    return Page(tags, b"".join(strips))


def join(pages: Iterable[Page]) -> bytes:
    """A TIFF of these pages."""
    data = bytearray(b"II*\0" + struct.pack("<L", 8))
    link = None
    for page in pages:
        if link is not None:
            struct.pack_into("<L", data, link, len(data))
        directory = page.tags.tobytes(len(data))
        (count,) = struct.unpack_from("<H", directory)
        link = len(data) + 2 + 12 * count
        data += directory + page.strips + bytes(len(page.strips) % 2)
        if len(data) > _LIMIT:
            raise ImageError("a TIFF cannot hold more than 4 GB; write PNG, or fewer pages")
    return bytes(data)


def _compressed(rows: Tensor) -> bytes:
    """rows: shape (h, W, C). Integers as differences to the pixel on the left, which deflate better."""
    if not rows.is_floating_point():
        whole = rows.int()
        whole[:, 1:] -= rows[:, :-1].int()
        rows = (whole & (2 ** (8 * rows.element_size()) - 1)).to(rows.dtype)
    return zlib.compress(raw_bytes(rows), _EFFORT)
