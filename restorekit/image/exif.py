"""EXIF: what speaks of the photograph is kept, what speaks of the old file is not.

A block is laid out anew when it is written, so nothing in it may count bytes: the maker note, of the camera's own
making, does (its pointers count from the block's or the file's beginning, and some go to previews behind the
picture), and goes. So do thumbnails, which would show the degraded picture. Exif 3.0, CIPA DC-008.
"""

from contextlib import suppress

from PIL import ExifTags, Image

from restorekit.image.damage import DAMAGE

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
_SIZES = (0xA002, 0xA003)  # width and height, said once more in the Exif directory


def loaded(block: bytes) -> Image.Exif:
    """The EXIF in block, empty where it is damaged."""
    exif = Image.Exif()
    with suppress(*DAMAGE):
        exif.load(block)
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
        if thumbnail and exif.get_ifd(ExifTags.IFD.IFD1):
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
    return (exif.tobytes() if exif else None), tuple(dict.fromkeys(gone))


def sized(block: bytes | None, width: int, height: int) -> Image.Exif:
    """The EXIF in block, with the size of the picture as it is written."""
    exif = Image.Exif()
    if block:
        exif.load(block)
        details = exif.get_ifd(ExifTags.IFD.Exif)
        for tag, length in zip(_SIZES, (width, height), strict=True):
            if tag in details:
                details[tag] = length
    return exif
