"""Format and size of a picture file by its header alone: no pixel is decoded, whatever the file claims to hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from restorekit.errors import ImageError
from restorekit.image import heif, kinds, tiff
from restorekit.image.decoder import decoding, unknown

__all__ = ["Header", "read_header"]


@dataclass(frozen=True)
class Header:
    """A file's claims.

    format: by PIL's name for it, such as "JPEG".
    sizes: width and height of each page, px, as stored.
    """

    format: str
    sizes: tuple[tuple[int, int], ...]

    @property
    def pixels(self) -> int:
        """Number of pixels of all pages."""
        return sum(width * height for width, height in self.sizes)


def read_header(path: Path, *, name: str | None = None) -> Header:
    """Read what a file claims to be.

    name: of the file in messages, if not its path.

    Raises UnknownKindError for what is no picture of a kind that is read, ImageError for a header that is damaged.
    """
    shown = Path(name or path)
    with decoding(shown), path.open("rb") as file:
        start = file.read(kinds.START)
        kind = kinds.kind_of(start)
        if not kind:
            raise unknown(shown, kinds.foreign(start))
        file.seek(0)
        try:
            sizes = _sizes(file, kind)
        except ImportError:  # libheif's
            raise ImageError(f"{shown} is HEIC; {heif.INSTALL} to read it") from None
        if not sizes:
            raise OSError("no directory of tags")
        return Header(kind, sizes)


def _sizes(file: BinaryIO, kind: str) -> tuple[tuple[int, int], ...]:
    if kind == "TIFF":
        return tuple(page.size for page in tiff.directories(file))
    if kind == "HEIF":
        return (heif.size_of(file),)
    with Image.open(file, formats=(kind,)) as image:
        return (image.size,)
