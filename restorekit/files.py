"""Image files as files: which names count, what formats hold, and writing one whole or not at all.

No pixel is touched here, so that a command can refuse a bad path before it imports anything heavy.
"""

import errno
import os
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from restorekit.atomic import TEMPORARY, lock, move_to_new
from restorekit.errors import ImageError

__all__ = [
    "EXTENSIONS",
    "FORMATS",
    "LARGEST_SIDE",
    "Found",
    "check_output",
    "check_pages",
    "check_size",
    "is_finished",
    "list_images",
    "look_through",
    "write_atomically",
]

FORMATS = {  # of a format's extensions the first is given to what has none
    ".avif": "AVIF",
    ".bmp": "BMP",
    ".dib": "BMP",
    ".heic": "HEIF",
    ".heif": "HEIF",
    ".hif": "HEIF",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".jfi": "JPEG",
    ".jif": "JPEG",
    ".pjpeg": "JPEG",
    ".pjp": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
EXTENSIONS = tuple(FORMATS)
# Pixels a side that the libraries write and read again; libjpeg keeps below the 65 535 of the format.
LARGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383, "AVIF": 32_768, "HEIF": 65_528}


@dataclass(frozen=True)
class Found:
    """Contents of a folder.

    images: sorted.
    others: files and folders that are passed over: hidden ones, folders that are links or cannot be read, and
        without `recursive` all folders.
    """

    images: tuple[Path, ...]
    others: tuple[Path, ...] = ()


def look_through(folder: str | os.PathLike[str], *, recursive: bool = False) -> Found:
    """The images of a folder, by extension, and everything else in it."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageError(f"{folder} is not a folder; name an existing folder of images")
    unread: list[OSError] = []
    images: list[Path] = []
    others: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=unread.append):
        below = [n for n in folders if recursive and not n.startswith(".") and not Path(place, n).is_symlink()]
        others += [Path(place, name) for name in folders if name not in below]
        folders[:] = below
        for name in names:
            path = Path(place, name)
            taken = path.suffix.lower() in FORMATS and not name.startswith(".") and path.is_file()
            (images if taken else others).append(path)
    for error in unread:
        if Path(error.filename or folder) == folder:
            raise ImageError(f"cannot list {folder}: {error.strerror}; check its permissions") from error
        others.append(Path(error.filename))
    return Found(tuple(sorted(images)), tuple(sorted(others)))


def list_images(folder: str | os.PathLike[str], *, recursive: bool = False) -> list[Path]:
    """The images of a folder, by extension, sorted. Hidden files and folders are passed over."""
    found = list(look_through(folder, recursive=recursive).images)
    if not found:
        below = " or below it" if recursive else ""
        raise ImageError(f"no images in {folder}{below}; as images count {' '.join(EXTENSIONS)}")
    return found


def is_finished(output: Path) -> bool:
    """Tell whether a file is there and holds something. Outputs are written whole or not at all, but on a file
    system with neither hard links nor a rename that does not replace, a killed run may leave an empty one."""
    try:
        return output.is_file() and output.stat().st_size > 0
    except OSError:
        return False


def check_output(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Raise the ImageError that writing to a path would end with, if it can be told beforehand.

    overwrite: let the file exist.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        came = f"extension {path.suffix}" if path.suffix else "a name without extension"
        raise ImageError(f"cannot write {path}: {came}; use one of {' '.join(EXTENSIONS)}")
    if FORMATS[path.suffix.lower()] == "HEIF" and find_spec("pillow_heif") is None:
        raise ImageError(
            f"cannot write {path}: HEIC needs pip install 'restorekit[heic]'; or choose another format"
        )
    if path.is_dir():
        raise ImageError(f"{path} is a folder; choose another -o")
    if not path.parent.is_dir():
        raise ImageError(f"cannot write {path}: there is no folder {path.parent}; create it first")
    if not os.access(path.parent, os.W_OK):
        raise ImageError(f"cannot write {path}: the folder {path.parent} is read-only; choose another -o")
    if not overwrite and os.path.lexists(path):
        raise _exists(path)


def check_pages(path: str | os.PathLike[str], count: int) -> None:
    """Raise an ImageError unless the format of path holds that many pages."""
    if count != 1 and FORMATS[Path(path).suffix.lower()] != "TIFF":
        raise ImageError(f"cannot write {path}: it holds one picture, not {count} pages; name a .tif with -o")


def check_size(path: str | os.PathLike[str], width: int, height: int) -> None:
    """Raise an ImageError unless the format of path holds a picture of that size, px."""
    format = FORMATS[Path(path).suffix.lower()]
    largest = LARGEST_SIDE.get(format)
    if largest is not None and max(width, height) > largest:
        raise ImageError(
            f"cannot write {path}: {format} holds {largest} pixels a side, not {width}x{height}; "
            "choose PNG or TIFF with -o"
        )


def write_atomically(path: Path, data: bytes, *, overwrite: bool) -> None:
    """Write data beside its place, then move it there: a reader sees the old file or the new, never a half.

    Without overwrite a file that exists is never replaced, not even one that appeared a moment ago.
    """
    target = Path(os.path.realpath(path)) if overwrite else path  # a link is followed, not replaced
    temporary: Path | None = None
    try:
        temporary, file = _temporary(target.parent)
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if os.name != "nt":
                _move(temporary, target, overwrite)  # while it is locked: no sweeper takes it for left over
        if os.name == "nt":  # where an open file cannot be moved
            _move(temporary, target, overwrite)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "free some space" if full else "check the folder's permissions or choose another -o"
        raise ImageError(f"cannot write {path}: {error.strerror or error}; {remedy}") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _temporary(folder: Path) -> tuple[Path, IO[bytes]]:
    """A new file in folder, open for writing, and locked where there are locks."""
    while True:
        path = folder / secrets.token_hex(8).join(TEMPORARY)
        file = open(path, "xb")  # noqa: SIM115 - the caller closes it
        if lock(file) is not False and path.exists():
            return path, file
        file.close()  # a sweeper was between the two calls


def _move(temporary: Path, target: Path, overwrite: bool) -> None:
    if not overwrite:
        move_to_new(temporary, target)
        return
    if target.exists():
        shutil.copymode(target, temporary)
    os.replace(temporary, target)


def _exists(path: Path) -> ImageError:
    return ImageError(f"{path} exists; pass --overwrite or choose another -o")
