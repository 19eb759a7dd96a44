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
from restorekit.image.damage import DAMAGE
from restorekit.image.exif import undefine
from restorekit.image.pixels import raw_bytes

__all__ = ["Directory", "Page", "directories", "encode_page", "join"]

_MAGIC, _BIG_MAGIC = (b"II*\0", b"MM\0*"), (b"II+\0", b"MM\0+")
_LIMIT = 2**32 - 1  # offsets have 32 bits
_STRIP = 2**18  # bytes, about, before compression
_EFFORT = 1  # of zlib: on photographs more takes thrice the time for a twentieth of the size
_DEFLATE, _DIFFERENCES, _FLOATING = 8, 2, 3
_GREY, _RGB, _CMYK = 1, 2, 5
_MULTIPLIED, _ALPHA = 1, 2  # of ExtraSamples: opacity, with or without the colours multiplied by it
_PREVIEW = 1  # bit of NewSubfileType
SUBFILE, BITS, PHOTOMETRIC, CHANNELS, EXTRA, SAMPLES = 254, 258, 262, 277, 338, 339
COMPRESSION, PLANAR, TILE_WIDTH = 259, 284, 322
XMP, IPTC, PHOTOSHOP, ICC = 700, 33723, 34377, 34675
_COLOURS = {_RGB: 3, _CMYK: 4, 6: 3, 8: 3, 9: 3, 10: 3}  # channels, by photometric interpretation
_RAW = (32803, 34892)  # a sensor's mosaic, or what was made of it
_COMPRESSIONS = {34712: "JPEG 2000", 34887: "LERC", 34925: "LZMA", 50000: "ZSTD", 50001: "WebP", 50002: "JPEG XL",
                 52546: "JPEG XL"}  # fmt: skip


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
        if not {256, 257} <= set(self.tags):
            raise OSError("its list of tags is cut short")
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
        """True if PIL would cut its values to 8 bits, or refuse it, though it is plain grey or RGB."""
        plain = self.tags.get(PHOTOMETRIC) in (0, _GREY, _RGB)
        deep = self.bits == 16 and self.channels > 1 and set(self.tags.get(SAMPLES, (1,))) == {1}
        return plain and (self.floating or deep)

    @property
    def plain(self) -> bool:
        """True if it is grey or RGB, of 8 bits, as libvips would read it too."""
        return self.tags.get(PHOTOMETRIC) in (_GREY, _RGB) and self.bits == 8 and not self.libvips_errs

    @property
    def channels(self) -> int:
        return int(self.tags.get(CHANNELS, 1))

    @property
    def planar(self) -> bool:
        """True if each channel is stored on its own, one behind the other."""
        return self.channels > 1 and self.tags.get(PLANAR, 1) == 2

    @property
    def libvips_errs(self) -> bool:
        """True if libvips would refuse it or read wrong values: of planes in tiles, of half precision, of grey."""
        half = self.floating and self.bits == 16
        return self.planar and (TILE_WIDTH in self.tags or half or self.colours == 1)

    @property
    def pil_errs(self) -> bool:
        """True if PIL would read wrong values: it takes planes of 16 bits for planes of 8."""
        return self.planar and self.bits > 8 and self.tags.get(COMPRESSION, 1) == 1

    @property
    def fault(self) -> str:
        """The reason why nobody can read its values right, with the remedy; empty if there is none."""
        depths, kinds = set(self.tags.get(BITS, (1,))), set(self.tags.get(SAMPLES, (1,)))
        if self.tags.get(PHOTOMETRIC) in _RAW:
            return "is a camera's raw file; develop it to PNG first"
        if kinds & {5, 6}:
            return "holds complex numbers; save their magnitude, with 16 bits or 8"
        if 2 in kinds:
            return "holds signed whole numbers, of no known range; scale them to 16 bits or 8, unsigned"
        if len(depths) > 1:
            bits = ", ".join(str(n) for n in self.tags.get(BITS, ()))
            return f"has channels of different depth ({bits} bits); save it with 8 or 16 bits per channel"
        if self.floating and self.bits not in (16, 32):
            return f"holds floating-point values of {self.bits} bits; save it with 32"
        if not self.floating and self.bits > 16:
            return f"has {self.bits}-bit values of no known range; scale them to 16 bits or 8"
        return ""

    @property
    def layout(self) -> str:
        """The way its values are stored, for a person."""
        number = int(self.tags.get(COMPRESSION, 1))
        packed = f", compression {_COMPRESSIONS.get(number, number)}" if number != 1 else ""
        apart = ", each channel on its own" if self.planar else ""
        several = "channels" if self.channels > 1 else "channel"
        meaning = f"photometric interpretation {self.tags.get(PHOTOMETRIC)}"
        return f"{self.channels} {several} of {self.bits} bits, {meaning}{packed}{apart}"

    @property
    def white_is_zero(self) -> bool:
        return self.tags.get(PHOTOMETRIC) == 0

    @property
    def colours(self) -> int:
        """Channels of colour: 1 of grey or of a palette, 3 of RGB, 4 of CMYK."""
        return _COLOURS.get(self.tags.get(PHOTOMETRIC, _GREY), 1)

    @property
    def has_alpha(self) -> bool:
        """True if the first channel beyond colour is opacity; one of no stated meaning is not."""
        return self.tags.get(EXTRA, (0,))[0] in (_MULTIPLIED, _ALPHA)

    @property
    def has_more(self) -> bool:
        """True if there are channels beyond colour and alpha."""
        return self.channels > self.colours + self.has_alpha


def directories(file: BinaryIO, *, salvage: bool = False) -> tuple[Directory, ...]:
    """The pages of a TIFF; none for another file. salvage: stop where the file is damaged."""
    file.seek(0)
    head = file.read(16)
    big = head[:4] in _BIG_MAGIC
    if head[:4] not in _MAGIC and not big:
        return ()
    head = head if big else head[:8]
    found: dict[int, Directory] = {}
    offset = ImageFileDirectory_v2(head).next
    while offset and offset not in found:  # a damaged file may run in circles
        tags = ImageFileDirectory_v2(head)
        file.seek(offset)
        try:
            tags.load(file)
            if salvage and not {256, 257} <= set(tags):
                break
        except DAMAGE:
            if not salvage:
                raise
            break
        found[offset] = Directory(len(found), offset, big, tags)
        offset = tags.next
    return tuple(found.values())


@dataclass(frozen=True)
class Page:
    """A page encoded: tags, of which those of the strips' places count from the directory's end, and strips."""

    tags: ImageFileDirectory_v2
    strips: bytes


def encode_page(
    values: Tensor,
    exif: Image.Exif,
    *,
    icc: bytes | None,
    xmp: bytes,
    dpi: tuple[float, float] | None,
    inks: bool,
    iptc: bytes = b"",
    more: Iterable[tuple[int, int, object]] = (),
) -> Page:
    """values: shape (H, W, C), uint8, uint16 or float32; C = 1 or 3, 4 for inks (CMYK), and one for alpha.

    more: numbers, types and values of other tags.
    """
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
    for tag, kind, data in ((XMP, BYTE, xmp), (IPTC, UNDEFINED, iptc), (ICC, UNDEFINED, icc), *more):
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
        directory = bytearray(page.tags.tobytes(len(data)))
        undefine(directory, 0, -len(data), "<")
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
