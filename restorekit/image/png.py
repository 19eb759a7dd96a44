"""PNG by its chunks: what PIL does not read or write of them, and 16 bits per channel.

Chunks that say what the colours mean (gAMA, cHRM, sRGB, cICP, sBIT and their like) go from file to file as they
are, since the values do; of unknown ones those that are marked as safe to copy (the fourth letter is small).
PNG (Third Edition), W3C, https://www.w3.org/TR/png-3/
"""

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import torch
from torch import Tensor

from restorekit.image.pixels import bands, raw_bytes

__all__ = ["Chunks", "encode_png16", "smaller", "survey", "with_chunks"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LARGEST_TEXT = 2**26  # bytes of a text or profile unpacked; more is no text
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels: grey, with alpha, RGB, with alpha
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by colour type
_EFFORT = 4  # of zlib: in the low bytes of 16 there is little to find
_PIL_LIMIT = 2**20  # what PIL unpacks of a text or profile
_LENGTHS = {b"gAMA": (4,), b"cHRM": (32,), b"sRGB": (1,), b"cICP": (4,), b"sBIT": (1, 2, 3, 4), b"bKGD": (2, 6),
            b"mDCV": (24,), b"cLLI": (8,), b"mDCv": (24,), b"cLLi": (8,)}  # fmt: skip
_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
_OTHERWISE = (b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT")  # those of animations: with one frame they say nothing


@dataclass(frozen=True)
class Chunks:
    """The findings beside the pixels. kept: names and contents of chunks for another PNG. gone: names of those
    that would be untrue of it. text, icc: what PIL would refuse to unpack; large: the same chunks' places."""

    kept: tuple[tuple[bytes, bytes], ...] = ()
    gone: tuple[str, ...] = ()
    text: tuple[tuple[str, str], ...] = ()
    icc: bytes | None = None
    large: tuple[tuple[int, int], ...] = ()


def survey(file: BinaryIO) -> Chunks:
    """Look through a PNG's chunks without unpacking pixels; stops where the file is damaged."""
    kept: list[tuple[bytes, bytes]] = []
    gone: dict[str, None] = {}  # each once
    seen: set[bytes] = set()
    text, large, icc, total = [], [], None, 0
    for name, start, length in _walk(file):
        hint, safe = name[0] & 32, name[3] & 32  # small letters: needless for decoding, and safe to copy
        if name in _TEXTS:
            size, packed, key, content = _unpacked(name, _contents(file, start, length))
            total += size
            if total <= LARGEST_TEXT and not (packed and size > _PIL_LIMIT):
                continue
            large.append((start, start + length + 12))
            if total > LARGEST_TEXT:
                gone[f"a {'profile' if name == b'iCCP' else 'text'} of more than 64 MB"] = None
            elif name == b"iCCP":
                icc = content
            else:
                text.append((key.decode("latin-1"), content.decode("utf-8", "replace")))
        elif name in _LENGTHS:
            if length in _LENGTHS[name] and name not in seen:
                seen.add(name)
                kept.append((name, _contents(file, start, length)))
        elif name == b"pHYs":
            data = _contents(file, start, length)
            if data[8:9] == b"\0":  # the pixels' proportions, which are no resolution
                kept.append((name, data))
        elif hint and safe and name not in _OTHERWISE:
            kept.append((name, _contents(file, start, length)))
        elif hint and name not in _OTHERWISE:
            gone[f"the PNG chunk {name.decode('latin-1')}"] = None
    return Chunks(tuple(kept), tuple(gone), tuple(text), icc, tuple(large))


def smaller(file: BinaryIO, places: Sequence[tuple[int, int]]) -> BinaryIO:
    """The whole file but for some places. places: beginnings and ends, in order."""
    file.seek(0)
    data, out, last = file.read(), bytearray(), 0
    for start, end in places:
        out += data[last:start]
        last = end
    return io.BytesIO(bytes(out + data[last:]))


def fitting(kept: Sequence[tuple[bytes, bytes]], colour_type: int, bits: int) -> list[tuple[bytes, bytes]]:
    """The chunks as they are true of a PNG of this colour type, 8 or 16 bits deep."""
    out = []
    for name, data in kept:
        if name == b"sBIT":
            colours, wanted = _CHANNELS[colour_type] - (colour_type in (4, 6)), _CHANNELS[colour_type]
            own = data[: -1 if len(data) in (2, 4) else None]  # the last is alpha's
            own = own if len(own) == colours else bytes([max(own, default=bits)]) * colours
            last = data[-1:] if len(data) in (2, 4) else bytes([bits])
            data = bytes(min(bits, max(1, v)) for v in (own + last)[:wanted])
        elif name == b"bKGD":
            if len(data) != (2 if colour_type in (0, 4) else 6):
                continue
            if bits == 8 and any(data[::2]):  # of 16 bits
                data = b"".join(bytes([0, high]) for high in data[::2])
        out.append((name, data))
    return out


def with_chunks(data: bytes, kept: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The PNG with chunks put before its palette and pixels, and none of theirs twice."""
    names = {name for name, _ in kept}
    out = bytearray(SIGNATURE)
    for name, content in _chunks(data):
        if name not in names:
            out += _chunk(name, content)
        if name == b"IHDR":
            out += b"".join(_chunk(own, content) for own, content in fitting(kept, content[9], content[8]))
    return bytes(out)


def encode_png16(values: Tensor, like: bytes) -> bytes:
    """values: shape (H, W, C), uint16. like: a PNG whose chunks are taken over, but for size and pixels."""
    height, width, channels = values.shape
    out = bytearray(SIGNATURE)
    for name, data in _chunks(like):
        if name == b"IHDR":
            data = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0)
        elif name == b"IDAT":
            continue
        elif name == b"IEND":
            packer = zlib.compressobj(_EFFORT)
            for rows in bands(height, width):
                out += _chunk(b"IDAT", packer.compress(_filtered(values[rows])))
            out += _chunk(b"IDAT", packer.flush())
        out += _chunk(name, data)
    return bytes(out)


def _filtered(rows: Tensor) -> bytearray:
    """rows: shape (h, W, C), uint16. Big-endian, each row behind the number of its filter: 1, "Sub", by which
    each byte is sent as its difference to that of the pixel on the left."""
    h, width, channels = rows.shape
    little = torch.frombuffer(raw_bytes(rows), dtype=torch.uint8)
    pixels = little.view(h, width * channels, 2).flip(-1).reshape(h, width, 2 * channels)
    out = torch.ones(h, 1 + 2 * channels * width, dtype=torch.uint8)
    differences = out[:, 1:].view(h, width, 2 * channels)
    differences.copy_(pixels)
    differences[:, 1:] -= pixels[:, :-1]  # modulo 256
    return raw_bytes(out)


def _unpacked(name: bytes, data: bytes) -> tuple[int, bool, bytes, bytes]:
    """Size unpacked, at most 1 more than the largest; whether it was packed; key and content."""
    key, _, rest = data.partition(b"\0")
    packed = name != b"tEXt"
    if name == b"iTXt":
        packed = rest[:1] == b"\1"
        _, _, rest = rest[2:].partition(b"\0")  # the language
        _, _, rest = rest.partition(b"\0")  # the key translated
    elif packed:
        rest = rest[1:]
    if packed:
        try:
            rest = zlib.decompressobj().decompress(rest, LARGEST_TEXT + 1)
        except zlib.error:
            return 0, False, key, b""
    if name == b"zTXt" and len(rest) <= LARGEST_TEXT:
        rest = rest.decode("latin-1").encode()
    return len(rest), packed, key, rest


def _walk(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and length of each chunk."""
    place = len(SIGNATURE)
    while True:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return
        length, name = struct.unpack(">I4s", head)
        if not name.isalpha():
            return
        yield name, place, length
        if name == b"IEND":
            return
        place += length + 12


def _contents(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start + 8)
    return file.read(length)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(SIGNATURE)
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        yield data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        place += length + 12


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
