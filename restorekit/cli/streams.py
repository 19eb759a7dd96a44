"""Pictures from and to files, or standard input and output: one, or the pages of a TIFF."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from restorekit.errors import ImageError
from restorekit.files import FORMATS
from restorekit.jobs import STREAM, make_folder

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.image import Picture

T = TypeVar("T")


def read_picture(source: Path) -> Picture:
    """From a file, or from standard input to its end; of one page."""
    from restorekit.image import read_image

    return _read(source, read_image)


def read_pictures(source: Path) -> tuple[Picture, ...]:
    """Likewise, with all its pages."""
    from restorekit.image import read_pages

    return _read(source, read_pages)


def write_picture(output: Path, rgb: Tensor, source: Picture, *, overwrite: bool) -> tuple[str, ...]:
    """As write_pictures, one page. rgb: (1, 3, H, W), in [0, 1]."""
    return write_pictures(output, [(rgb, source)], overwrite=overwrite, quality=None)


def write_pictures(
    output: Path, pages: Sequence[tuple[Tensor, Picture]], *, overwrite: bool, quality: int | None
) -> tuple[str, ...]:
    """To a file, or to standard output in the format of the source. A line for each thing that it cannot hold.

    pages: rgb, (1, 3, H, W) in [0, 1], and its source. quality: 1 to 100; None is the source's own.
    """
    from restorekit.image import write_pages

    if output != STREAM:
        make_folder(output)
        return write_pages(output, pages, overwrite=overwrite, quality=quality)
    extension = next((e for e, name in FORMATS.items() if name == pages[0][1].format), ".png")
    with tempfile.TemporaryDirectory(prefix="restorekit-") as folder:
        path = Path(folder) / f"restored{extension}"
        notes = write_pages(path, pages, quality=quality)
        sys.stdout.buffer.write(path.read_bytes())
        sys.stdout.buffer.flush()
    return notes


def _read(source: Path, read: Callable[[Path], T]) -> T:
    if source != STREAM:
        return read(source)
    data = sys.stdin.buffer.read()
    if not data:
        raise ImageError("standard input is empty; pipe a picture into it")
    with tempfile.TemporaryDirectory(prefix="restorekit-") as folder:
        path = Path(folder) / "standard input"
        path.write_bytes(data)
        try:
            return read(path)
        except ImageError as error:
            raise ImageError(str(error).replace(str(path), "standard input")) from error
