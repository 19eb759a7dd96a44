"""EXIF: what speaks of the photograph is kept, what speaks of the old file is not.

A block is laid out anew when it is written, so nothing in it may count bytes: the maker note, of the camera's own
making, does (its pointers count from the block's or the file's beginning, and some go to previews behind the
picture), and goes. So do thumbnails, which would show the degraded picture. Exif 3.0, CIPA DC-008.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy

from PIL import ExifTags, Image
from PIL.TiffTags import BYTE, UNDEFINED

from restorekit.image.damage import DAMAGE

__all__ = ["block", "kept", "loaded", "orientation", "sized", "undefine"]

# Of the main directory. In a TIFF it also says how the pixels are stored, which would be untrue of, and may
# spoil, any other file.
_KEPT = {"ProcessingSoftware", "ImageDescription", "Make", "Model", "Orientation", "XResolution",
         "YResolution", "ResolutionUnit", "Software", "DateTime", "Artist", "HostComputer", "Rating",
         "RatingPercent", "Copyright", "ExifOffset", "GPSInfo", "XPTitle", "XPComment", "XPAuthor",
         "XPKeywords", "XPSubject"}  # fmt: skip
KEPT = frozenset(ExifTags.Base[name].value for name in _KEPT)
# How pixels are stored, or what is kept by another way: its loss is none.
SILENT = frozenset([
    *range(254, 260), *range(262, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 301, *range(317, 326),
    332, 334, 336, *range(338, 344), 347, *range(512, 522), *range(529, 533), 700, 33723, 34377, 34675,
    59932, 59933,
])  # fmt: skip
_NAMES = {330: "pictures within the picture (SubIFDs)", 37724: "Photoshop's layers", 50341: "the print settings"}
_MAKER_NOTE, _MAKER_NOTE_MOVED = ExifTags.Base.MakerNote.value, 0xEA1D
_UNDEFINED: dict[int, set[int]] = {  # by the directory's tag
    ExifTags.IFD.Exif: {0x8828, 0x9000, 0x9101, 0x9286, 0xA000, 0xA20C, 0xA300, 0xA301, 0xA302, 0xA40B},
    ExifTags.IFD.GPSInfo: {0x1B, 0x1C},
}
_SIZES = (0xA002, 0xA003)  # width and height, said once more in the Exif directory


def loaded(data: bytes) -> Image.Exif:
    """The EXIF in data, empty where it is damaged."""
    exif = Image.Exif()
    with suppress(*DAMAGE):
        exif.load(data)
    return exif


def orientation(exif: Image.Exif) -> int | None:
    """Orientation, 1 to 8; None where it is not said, or is none of these."""
    with suppress(*DAMAGE):
        value = exif.get(ExifTags.Base.Orientation)
        return value if value in range(1, 9) else None
    return None


def kept(
    exif: Image.Exif, claimed: frozenset[int] = frozenset(), *, thumbnail: bool = True
) -> tuple[bytes | None, tuple[str, ...]]:
    """The block that another file may have, orientation 1 in it, and names of what is left out.

    claimed: tags that are kept by another way. thumbnail: the directory behind the main one is of a thumbnail.
    Changes exif.
    """
    gone = []
    with suppress(*DAMAGE):
        # PIL before 13 would write the directory that it was asked for, even an empty one: a copy is asked.
        if thumbnail and deepcopy(exif).get_ifd(ExifTags.IFD.IFD1):
            gone.append("the thumbnail")
    for tag in sorted(set(exif) - KEPT):
        if tag not in SILENT and tag not in claimed:
            gone.append(_NAMES.get(tag, f"the tag {ExifTags.TAGS.get(tag, tag)}"))
        del exif[tag]
    for part in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if part in exif and not exif.get_ifd(part):
            del exif[part]
    details = exif.get_ifd(ExifTags.IFD.Exif) if ExifTags.IFD.Exif in exif else {}
    if details.pop(_MAKER_NOTE, None) is not None:
        gone.append("the camera's maker note")
    details.pop(_MAKER_NOTE_MOVED, None)
    if ExifTags.Base.Orientation in exif:
        exif[ExifTags.Base.Orientation] = 1
    return block(exif) or None, tuple(dict.fromkeys(gone))


def block(exif: Image.Exif) -> bytes:
    """The EXIF as a block of bytes; empty for none."""
    if not exif:
        return b""
    data = bytearray(exif.tobytes())
    head, order = 6, "<" if data[6:8] == b"II" else ">"
    (first,) = struct.unpack_from(f"{order}L", data, head + 4)
    undefine(data, head + first, head, order)
    return bytes(data)


def undefine(data: bytearray, directory: int, base: int, order: str) -> None:
    """Mark what Exif leaves undefined as undefined, where PIL, which forgets the types, took it for numbers.

    directory: place of the main one in data. base: place from which pointers count. order: struct's < or >.
    """
    for tag, _, at in list(_entries(data, directory, order)):
        if tag in _UNDEFINED:
            (pointer,) = struct.unpack_from(f"{order}L", data, at + 8)
            for inner, kind, entry in _entries(data, base + pointer, order):
                if inner in _UNDEFINED[tag] and kind == BYTE:
                    struct.pack_into(f"{order}H", data, entry + 2, UNDEFINED)


def _entries(data: bytes | bytearray, directory: int, order: str) -> Iterator[tuple[int, int, int]]:
    """Tag, type and place of each entry of a directory."""
    (count,) = struct.unpack_from(f"{order}H", data, directory)
    for at in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(f"{order}HH", data, at)
        yield tag, kind, at


def sized(data: bytes | None, width: int, height: int) -> Image.Exif:
    """The EXIF in data, with the size of the picture as it is written."""
    exif = Image.Exif()
    if data:
        exif.load(data)
        details = exif.get_ifd(ExifTags.IFD.Exif)
        for tag, length in zip(_SIZES, (width, height), strict=True):
            if tag in details:
                details[tag] = length
    return exif
