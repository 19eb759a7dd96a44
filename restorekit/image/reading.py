"""From a file to Pictures: whole and upright, or refused in one line.

    name -> kind, by the first bytes -> the decoder of that kind -> Picture

The pages of a TIFF are read one by one, when they are asked for: a small file may claim a thousand large ones.
"""

import io
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, overload

from PIL import Image

from restorekit.errors import ImageError
from restorekit.image import jpeg, kinds, tiff
from restorekit.image.decoder import DamagedError, decoding, unknown
from restorekit.image.formats import read_heif, read_other, read_page
from restorekit.image.picture import Picture

__all__ = ["Pages", "read_image", "read_pages"]

_DENSEST = 2000  # pixels in a byte, over all pages; a white fax has some 1700
_PAGES_LOST = "the file is cut short or damaged among its pages: some may be missing"
_SALVAGED = "the file is damaged or cut short: what could be read was taken; what could not is blank or grey"


def read_image(path: str | os.PathLike[str], *, salvage: bool = False) -> Picture:
    """Read a file of one picture: JPEG, PNG, WebP, TIFF, BMP, AVIF or HEIC, whatever its name.

    16-bit colour and floating point are read in full by libvips, HEIC by libheif, where they are installed. A
    damaged, truncated, animated or many-paged file is refused with an ImageError, never half read; salvage takes
    what can be read of a damaged one, with a note.
    """
    pages = read_pages(path, salvage=salvage)
    if len(pages) > 1:
        raise ImageError(f"{path} holds {len(pages)} pages; save one of them as PNG and give that")
    return pages[0]


def read_pages(path: str | os.PathLike[str], *, salvage: bool = False, name: str | None = None) -> "Pages":
    """Open a TIFF of any number of pages, or another file of one picture. Else as read_image.

    name: of the file in messages, if not its path.
    """
    return Pages(Path(path), salvage=salvage, name=name)


class Pages(Sequence[Picture]):
    """The pictures of an open file, in order: the first read at once, any other whenever it is asked for.

    path: of the file, or its name. salvage: as in read_image. salvaged: whether it turned out damaged, so far.
    format: its format, by PIL's name for it, such as "JPEG".
    """

    def __init__(self, path: Path, *, salvage: bool = False, name: str | None = None) -> None:
        self.path, self.salvage = Path(name or path), salvage
        self.salvaged = False
        with decoding(self.path):
            if path.is_dir():
                raise ImageError(f"{self.path} is a folder; name one image file in it")
            if path.stat().st_size == 0:
                raise ImageError(f"{self.path} is empty (0 bytes) or no regular file; copy or download it again")
            self._file: BinaryIO = path.open("rb")
        try:
            self._kind, self._pages, self._notes = self._planned()
            self._first: Picture | None = self._read(0)
            self.format = self._first.format
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        return len(self._pages)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | Sequence[Picture]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        if number or self._first is None:
            return self._read(number)
        found = self._first
        if len(self) > 1:
            self._first = None  # of many pages none is held
        return found

    def own_bytes(self) -> bytes:
        """The file itself."""
        self._file.seek(0)
        return self._file.read()

    def _read(self, number: int) -> Picture:
        try:
            with decoding(self.path):
                return self._decoded(number, salvage=False)
        except DamagedError:
            if not self.salvage:
                raise
        with decoding(self.path, salvage=True):
            found = self._decoded(number, salvage=True)
        self.salvaged = True
        return replace(found, notes=(_SALVAGED, *found.notes), salvaged=True)

    def _decoded(self, number: int, *, salvage: bool) -> Picture:
        page = self._pages[number]
        if page is not None:
            found = read_page(self._file, self.path, page, salvage=salvage)
        elif self._kind == "HEIF":
            found = read_heif(self._file, self.path)
        else:
            found = read_other(self._whole(salvage), self.path, self._kind, salvage=salvage)
        return replace(found, notes=(*found.notes, *self._notes)) if number == 0 and self._notes else found

    def _planned(self) -> tuple[str, Sequence[tiff.Directory | None], tuple[str, ...]]:
        """The format, the directory of each page of a TIFF, None for another file's picture, and notes."""
        with decoding(self.path):
            self._file.seek(0)
            start = self._file.read(kinds.START)
        kind = kinds.kind_of(start)
        if not kind and self.salvage and b"\xff\xd8\xff" in start:
            kind = "JPEG"  # behind something else
        if not kind:
            raise unknown(self.path, kinds.foreign(start))
        return (kind, *self._directories()) if kind == "TIFF" else (kind, (None,), ())

    def _whole(self, salvage: bool) -> BinaryIO:
        """The file, or a damaged one so that its decoder can begin."""
        if not salvage:
            return self._file
        data = self.own_bytes()
        return io.BytesIO(jpeg.mended(data) if self._kind == "JPEG" else data)

    def _directories(self) -> tuple[Sequence[tiff.Directory], tuple[str, ...]]:
        """The pages of a TIFF, and notes."""
        notes: tuple[str, ...] = ()
        try:
            with decoding(self.path):
                found = tiff.directories(self._file)
                sizes = [page.size for page in found]
        except DamagedError:
            if not self.salvage:
                raise
            with decoding(self.path, salvage=True):
                found = tiff.directories(self._file, salvage=True)
                sizes = [page.size for page in found]
            self.salvaged, notes = True, (_PAGES_LOST,)
        if not found:
            with decoding(self.path, salvage=self.salvage):
                raise OSError("no directory of tags")
        if found[0].preview:
            raise ImageError(
                f"{self.path} shows only a preview, like a camera's raw file; develop it to PNG first"
            )
        pages = [page for page in found if not page.preview]
        self._refuse_bomb(sizes)
        if len(pages) < len(found):
            notes += ("the small copies among its pages are left out",)
        return pages, notes

    def _refuse_bomb(self, sizes: Sequence[tuple[int, int]]) -> None:
        claimed = sum(width * height for width, height in sizes)
        limit = max(2 * (Image.MAX_IMAGE_PIXELS or claimed), _DENSEST * os.fstat(self._file.fileno()).st_size)
        if claimed > limit and len(sizes) > 1:  # of one page its reader sees to it
            raise ImageError(
                f"{self.path} claims {claimed // 1_000_000} million pixels in {len(sizes)} pages, which no file "
                "of its size can hold; save its pages as files of their own"
            )

    def __del__(self) -> None:
        file: Any = getattr(self, "_file", None)
        if file is not None:
            file.close()
