"""HEIC, the photographs of phones, by libheif: 8 bits per channel, or 10, which count as 16 here.

libheif is an extra, and loaded only for such a file.
"""

import io
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

from restorekit.image.pixels import MODES, raw_bytes
from restorekit.image.values import PEAKS

__all__ = ["BITS", "INSTALL", "bits_of_avif", "encode_heif", "is_heif", "read_heif", "size_of"]

INSTALL = "pip install 'restorekit[heic]'"
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_CHANNELS = {mode: channels for channels, mode in MODES.items()}
BITS = 10  # as they are written; the most that phones write and show


class Decoded(NamedTuple):
    """values: shape (H, W, C), uint8 or uint16, upright. bits: per channel in the file. info: metadata, as PIL
    names it. several: whether the file holds further pictures."""

    values: Tensor
    bits: int
    info: dict[str, Any]
    several: bool


def is_heif(header: bytes) -> bool:
    """Tell whether a file that begins so is HEIC; AVIF, which PIL reads, is not. header: its first 32 bytes."""
    return header[4:8] == b"ftyp" and header[8:12] in _BRANDS and b"avi" not in header[8:]


def bits_of_avif(start: bytes) -> int:
    """Bits per channel, of which PIL gives 8 only. start: some thousand bytes of an AVIF file."""
    box = start.find(b"av1C")
    flags = start[box + 6] if 0 <= box < len(start) - 6 else 0
    return 12 if flags & 0x60 == 0x60 else 10 if flags & 0x40 else 8


def read_heif(file: BinaryIO, check_size: Callable[[int, int], None]) -> Decoded:
    """The main picture, if check_size lets its width and height pass. ImportError without libheif."""
    import pillow_heif

    file.seek(0)
    found = pillow_heif.open_heif(file, convert_hdr_to_8bit=False, hdr_to_16bit=True)
    image = found[found.primary_index]
    check_size(*image.size)
    mode, _, wide = image.mode.partition(";")
    if mode == "I":  # PIL's name for wide grey
        mode, wide = "L", "16"
    if mode not in _CHANNELS:
        raise ValueError(f"pixels of kind {image.mode}")
    width, height = image.size
    kind = torch.uint16 if wide else torch.uint8
    stored = torch.frombuffer(bytearray(image.data), dtype=kind)
    rows = stored.view(height, image.stride // kind.itemsize)  # some have bytes beyond their pixels
    values = rows[:, : width * _CHANNELS[mode]].reshape(height, width, _CHANNELS[mode])
    info: dict[str, Any] = image.info
    bits = int(info.get("bit_depth", 8))
    if wide:
        white = (2**bits - 1) << (16 - bits)  # the lower bits are empty
        values = ((values.to(torch.int64) * PEAKS[16] + white // 2) // white).to(torch.uint16)
    return Decoded(values, bits, info, len(found) > 1)


def size_of(file: BinaryIO) -> tuple[int, int]:
    """Width and height of the main picture, of which nothing is decoded. ImportError without libheif."""
    import pillow_heif

    found = pillow_heif.open_heif(file)
    width, height = found[found.primary_index].size
    return width, height


def encode_heif(values: Tensor, *, icc: bytes | None, exif: bytes, xmp: bytes, quality: int) -> bytes:
    """values: shape (H, W, C), uint8, or uint16 for 10 bits. quality: 1 to 100; 100 keeps every value.

    Below it colour is sampled 4:2:0, since few devices decode anything else.
    """
    import pillow_heif

    mode = MODES[values.shape[2]]
    if values.dtype == torch.uint16:
        mode += ";16"
        levels = (values.to(torch.int64) * (2**BITS - 1) + PEAKS[16] // 2) // PEAKS[16]
        values = (levels << (16 - BITS)).to(torch.uint16)
    image = pillow_heif.from_bytes(mode, (values.shape[1], values.shape[0]), raw_bytes(values))
    if icc:
        image.info["icc_profile"], image.info["icc_profile_type"] = icc, "prof"
    buffer = io.BytesIO()
    lossless = quality == 100
    image.save(
        buffer,
        quality=-1 if lossless else quality,
        chroma=444 if lossless else 420,
        exif=exif or None,
        xmp=xmp or None,
        **({"matrix_coefficients": 0} if lossless else {}),
    )
    return buffer.getvalue()
