"""PNG of 16 bits per channel, which PIL writes for grey only.

Each byte is sent as its difference to that of the pixel on the left (filter 1, "Sub").
PNG (Third Edition), W3C, https://www.w3.org/TR/png-3/
"""

import struct
import zlib
from collections.abc import Iterator

import torch
from torch import Tensor

from restorekit.image.pixels import bands, raw_bytes

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels: grey, with alpha, RGB, with alpha
_EFFORT = 4  # of zlib: in the low bytes of 16 there is little to find


def encode_png16(values: Tensor, like: bytes) -> bytes:
    """values: shape (H, W, C), uint16. like: a PNG whose chunks are taken over, but for size and pixels."""
    height, width, channels = values.shape
    out = bytearray(_SIGNATURE)
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
    """rows: shape (h, W, C), uint16. Big-endian, each row behind the number of its filter."""
    h, width, channels = rows.shape
    little = torch.frombuffer(raw_bytes(rows), dtype=torch.uint8)
    pixels = little.view(h, width * channels, 2).flip(-1).reshape(h, width, 2 * channels)
    out = torch.ones(h, 1 + 2 * channels * width, dtype=torch.uint8)
    differences = out[:, 1:].view(h, width, 2 * channels)
    differences.copy_(pixels)
    differences[:, 1:] -= pixels[:, :-1]  # modulo 256
    return raw_bytes(out)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(_SIGNATURE)
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        yield data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        place += length + 12


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
