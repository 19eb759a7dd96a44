"""Files made by hand, with what PIL itself cannot write."""

import struct
import zlib
from pathlib import Path
from typing import Any

import torch
from PIL import ExifTags, Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_PROFILE = bytes(16) + b"GRAY" + bytes(108)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
ORIENTATION = ExifTags.Base.Orientation


def noise(width: int = 13, height: int = 9, mode: str = "RGB") -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    generator = torch.Generator().manual_seed(0)
    levels = torch.randint(0, 256, (height * width * bands,), dtype=torch.uint8, generator=generator)
    return Image.frombytes(mode, (width, height), bytes(levels.tolist()))


def exif_block(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ExifImageWidth.value: 13}
    exif[ExifTags.IFD.GPSInfo] = {1: "N"}
    return exif


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(path: Path, bits: int, colour_type: int, width: int, row: bytes, *chunks: tuple[bytes, bytes]) -> Path:
    """A PNG of one row, of any depth and colour type. chunks: name and data of those before the pixels."""
    header = struct.pack(">IIBBBBB", width, 1, bits, colour_type, 0, 0, 0)
    parts = ((b"IHDR", header), *chunks, (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, data) for name, data in parts))
    return path


def png16(path: Path, colour_type: int, values: list[int], *chunks: tuple[bytes, bytes]) -> Path:
    """A PNG of one row of 16-bit pixels, which PIL itself cannot write."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    row = struct.pack(f">{len(values)}H", *values)
    return png(path, 16, colour_type, len(values) // channels, row, *chunks)


def cmyk_profile(*, back: bool = True) -> bytes:
    """A small ICC profile: black ink takes the light from paper evenly, any other ink takes all.

    back: with a table from colours to inks, by black alone.
    """
    ramp, identity = bytes(range(256)), struct.pack(">9i", *(65536 if i % 4 == 0 else 0 for i in range(9)))

    def table(inputs: int, outputs: int, corners: bytes) -> bytes:
        head = b"mft1" + bytes([0, 0, 0, 0, inputs, outputs, 2, 0]) + identity
        return (head + ramp * inputs + corners + ramp * outputs).ljust(4)

    to_lab = b"".join(bytes([0 if i else 255, 128, 128]) for i in range(16))
    to_inks = b"".join(bytes([0, 0, 0, 0 if i & 4 else 255]) for i in range(8))
    tables = [(b"A2B0", table(4, 3, to_lab))] + [(b"B2A0", table(3, 4, to_inks))] * back
    directory, data = struct.pack(">I", len(tables)), b""
    for name, content in tables:
        directory += struct.pack(">4sII", name, 132 + 12 * len(tables) + len(data), len(content))
        data += content
    head = struct.pack(">8xI4s4s4s12x4s28x3i", 0x02400000, b"prtr", b"CMYK", b"Lab ", b"acsp", 63190, 65536, 54061)
    body = head.ljust(128, b"\0")[4:] + directory + data
    return struct.pack(">I", len(body) + 4) + body
