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


def segment(marker: int, content: bytes) -> bytes:
    """A segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg(path: Path, image: Image.Image, *segments: bytes, behind: bytes = b"", **options: Any) -> Path:
    """A JPEG with segments put behind its first marker, and bytes behind its end."""
    image.save(path, "JPEG", **options)
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"".join(segments) + data[2:] + behind)
    return path


def odd_sampling(path: Path, sampling: str) -> Path:
    """A JPEG sampled as PIL cannot write it: its blocks are those of a usual one, arranged otherwise."""
    usual, factors, size = {"4:1:1": ("4:2:0", 0x41, (32, 8)), "4:4:0": ("4:2:2", 0x12, (8, 16))}[sampling]
    noise(16, 16 if usual == "4:2:0" else 8).save(path, "JPEG", quality=90, subsampling=usual)
    data = bytearray(path.read_bytes())
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = struct.pack(">HH", size[1], size[0])
    data[start + 6] = factors
    path.write_bytes(data)
    return path


def lossless_jpeg(path: Path, width: int, height: int) -> Path:
    """A JPEG of one grey, coded without loss: every difference is 0, a code of one bit."""
    frame = struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0)
    codes = bytes([0, 1, *[0] * 15, 0])
    scan = bytes([1, 1, 0, 1, 0, 0])
    body = segment(0xC3, frame) + segment(0xC4, codes) + segment(0xDA, scan) + bytes(-(-width * height // 8))
    path.write_bytes(b"\xff\xd8" + body + b"\xff\xd9")
    return path


def photoshop(*resources: tuple[int, bytes]) -> bytes:
    """Photoshop's image resources: numbers and contents."""
    return b"".join(
        b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)
        for number, data in resources
    )


def tiff(path: Path, data: bytes, tags: dict[int, tuple[str, Any]]) -> Path:
    """A little-endian TIFF of one strip, as told. tags: struct's letter and values, by number."""
    kinds = {"B": 1, "s": 2, "H": 3, "I": 4, "d": 12}
    tags = {273: ("I", (8,)), 279: ("I", (len(data),)), **tags}
    entries, more = b"", b""
    place = 8 + len(data) + len(data) % 2
    start = place + 2 + 12 * len(tags) + 4
    for number, (letter, values) in sorted(tags.items()):
        packed = values if letter == "s" else struct.pack(f"<{len(values)}{letter}", *values)
        count = len(packed) if letter == "s" else len(values)
        where = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", start + len(more))
        entries += struct.pack("<HHI", number, kinds[letter], count) + where
        more += packed + bytes(len(packed) % 2) if len(packed) > 4 else b""
    head = b"II*\0" + struct.pack("<I", place) + data + bytes(len(data) % 2)
    path.write_bytes(head + struct.pack("<H", len(tags)) + entries + bytes(4) + more)
    return path


def plain_tags(width: int, height: int, channels: int, bits: int, **more: tuple[str, Any]) -> dict[int, Any]:
    """The tags that every TIFF has, for tiff(); more: tags by "t" and their numbers."""
    tags = {
        256: ("I", (width,)),
        257: ("I", (height,)),
        258: ("H", (bits,) * channels),
        259: ("H", (1,)),
        262: ("H", (2 if channels > 2 else 1,)),
        277: ("H", (channels,)),
        278: ("I", (height,)),
    }
    return tags | {int(name[1:]): value for name, value in more.items()}
