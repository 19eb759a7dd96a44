"""Pictures from and to files, or standard input and output: one, or the pages of a TIFF."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO, TypeVar

from restorekit.errors import ImageError
from restorekit.files import FORMATS, check_output, write_atomically
from restorekit.work.jobs import STREAM, make_folder

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.image import Encoded, Pages, Picture

__all__ = [
    "let_go",
    "named",
    "read_picture",
    "read_pictures",
    "write_bytes",
    "write_encoded",
    "write_picture",
    "write_pictures",
]

T = TypeVar("T")
LIMIT = 2 << 30  # bytes that are taken from standard input: more than a picture of the most pixels has in 16 bits
PIECE = 1 << 20


def read_picture(source: Path) -> Picture:
    """Read a file of one page, or standard input to its end."""
    from restorekit.image import read_image

    return _read(source, read_image)


def read_pictures(source: Path, *, salvage: bool = False) -> Pages:
    """Open a file, or standard input to its end, of any number of pages. salvage: as far as a damaged one goes."""
    from restorekit.image import read_pages

    name = "standard input" if source == STREAM else None  # for what is said of later pages
    return _read(source, lambda path: read_pages(path, salvage=salvage, name=name))


def write_picture(output: Path, rgb: Tensor, source: Picture, *, overwrite: bool) -> tuple[str, ...]:
    """Write one page, as write_pictures does. rgb: (1, 3, H, W), in [0, 1]."""
    return write_pictures(output, [(rgb, source)], overwrite=overwrite, quality=None)


def write_pictures(
    output: Path, pages: Sequence[tuple[Tensor, Picture]], *, overwrite: bool, quality: int | None
) -> tuple[str, ...]:
    """Write to a file, or to standard output in the format of the source. A line for each thing it cannot hold.

    pages: rgb, (1, 3, H, W) in [0, 1], and its source. quality: 1 to 100; None is the source's own.
    """
    from restorekit.image import encode

    name = named(output, pages[0][1].format)
    encoded = [encode(name, *page, quality=quality) for page in pages]
    return write_encoded(output, name, encoded, overwrite=overwrite)


def write_encoded(output: Path, name: Path, pages: Sequence[Encoded], *, overwrite: bool) -> tuple[str, ...]:
    """Write pages that were encoded for the file name `name` to output. Their losses, each once."""
    from restorekit import image

    if output != STREAM:
        make_folder(output)
        return image.write_encoded(output, pages, overwrite=overwrite)
    with tempfile.TemporaryDirectory(prefix="restorekit-") as folder:
        path = Path(folder) / name.name
        notes = image.write_encoded(path, pages)
        _send(path.read_bytes())
    return notes


def named(output: Path, format: str, stem: str = "restored") -> Path:
    """The output, or for standard output a name that has the ending of the format."""
    if output != STREAM:
        return output
    return Path(f"{stem}{next((e for e, name in FORMATS.items() if name == format), '.png')}")


def write_bytes(output: Path, data: bytes, *, overwrite: bool) -> None:
    """Write a whole file as it is, or to standard output."""
    if output == STREAM:
        _send(data)
        return
    make_folder(output)
    check_output(output, overwrite=overwrite)
    write_atomically(output, data, overwrite=overwrite)


def let_go(stream: TextIO) -> None:
    """Send to nowhere what the stream still holds: it would fail once more when Python ends."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _send(data: bytes) -> None:
    """Write to standard output. ImageError where nobody takes it."""
    if sys.stdout is None:
        raise ImageError("standard output is closed; send it to a file, or name one with -o")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        let_go(sys.stdout)
        raise ImageError(
            f"cannot write to standard output: {error.strerror or error}; see where it is sent to"
        ) from error


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
    # Windows does not remove what is open, as further pages keep it.
    with tempfile.TemporaryDirectory(prefix="restorekit-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "standard input"
        if not _taken_in(sys.stdin.buffer, path):
            raise ImageError("standard input is empty; pipe a picture into it")
        try:
            return read(path)
        except ImageError as error:
            raise ImageError(str(error).replace(str(path), "standard input")) from error
