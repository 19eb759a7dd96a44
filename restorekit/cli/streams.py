"""Pictures from and to files, or standard input and output: one, or the pages of a TIFF."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from restorekit.cli.terminal import let_go
from restorekit.errors import ImageError
from restorekit.files import FORMATS
from restorekit.jobs import STREAM, make_folder

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.image import Picture

T = TypeVar("T")
LIMIT = 2 << 30  # bytes that are taken from standard input: more than a picture of the most pixels has in 16 bits
PIECE = 1 << 20


def read_picture(source: Path) -> Picture:
    """Read a file of one page, or standard input to its end."""
    from restorekit.image import read_image

    return _read(source, read_image)


def read_pictures(source: Path) -> tuple[Picture, ...]:
    """Read all pages of a file, or of standard input to its end."""
    from restorekit.image import read_pages

    return _read(source, read_pages)


def write_picture(output: Path, rgb: Tensor, source: Picture, *, overwrite: bool) -> tuple[str, ...]:
    """Write one page. rgb: (1, 3, H, W), in [0, 1]; else as write_pictures."""
    return write_pictures(output, [(rgb, source)], overwrite=overwrite, quality=None)


def write_pictures(
    output: Path, pages: Sequence[tuple[Tensor, Picture]], *, overwrite: bool, quality: int | None
) -> tuple[str, ...]:
    """Write to a file, or to standard output in the format of the source. A line for each thing it cannot hold.

    pages: rgb, (1, 3, H, W) in [0, 1], and its source. quality: 1 to 100; None is the source's own.
    """
    from restorekit.image import write_pages

    if output != STREAM:
        make_folder(output)
        return write_pages(output, pages, overwrite=overwrite, quality=quality)
    extension = extension_of(pages[0][1])
    with tempfile.TemporaryDirectory(prefix="restorekit-") as folder:
        path = Path(folder) / f"restored{extension}"
        notes = write_pages(path, pages, quality=quality)
        if sys.stdout is None:
            raise ImageError("standard output is closed; send it to a file, or name one with -o")
        try:
            sys.stdout.buffer.write(path.read_bytes())
            sys.stdout.buffer.flush()
        except OSError as error:
            let_go(sys.stdout)
            raise ImageError(
                f"cannot write to standard output: {error.strerror or error}; see where it is sent to"
            ) from error
    return notes


def extension_of(source: Picture) -> str:
    """The extension of the format that a picture came in, or .png."""
    return next((e for e, name in FORMATS.items() if name == source.format), ".png")


def _taken_in(stream: BinaryIO, path: Path) -> int:
    """Copy a stream into a file, piece by piece; bytes there were. ImageError above LIMIT."""
    size = 0
    try:
        with path.open("wb") as file:
            while piece := stream.read(PIECE):
                size += len(piece)
                if size > LIMIT:
                    raise ImageError(
                        f"standard input brings more than {LIMIT / 2**30:.3g} GB; save it as a file and name that"
                    )
                file.write(piece)
    except OSError as error:
        raise ImageError(
            f"cannot take in standard input: {error.strerror or error}; free some space in {tempfile.gettempdir()}"
        ) from error
    return size


def _read(source: Path, read: Callable[[Path], T]) -> T:
    if source != STREAM:
        return read(source)
    if sys.stdin is None:
        raise ImageError("standard input is closed; pipe a picture into it")
    with tempfile.TemporaryDirectory(prefix="restorekit-") as folder:
        path = Path(folder) / "standard input"
        if not _taken_in(sys.stdin.buffer, path):
            raise ImageError("standard input is empty; pipe a picture into it")
        try:
            return read(path)
        except ImageError as error:
            raise ImageError(str(error).replace(str(path), "standard input")) from error
