"""Image files as files: which names count, and writing one whole or not at all.

No pixel is touched here, so that a command can refuse a bad path before it imports anything heavy.
"""

import errno
import os
import secrets
import shutil
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from restorekit.errors import ImageError

FORMATS = {
    ".avif": "AVIF",
    ".bmp": "BMP",
    ".heic": "HEIF",
    ".heif": "HEIF",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
EXTENSIONS = tuple(FORMATS)
TEMPORARY = (".restorekit-", ".tmp")  # prefix and suffix of a file that is being written


def list_images(folder: str | os.PathLike[str], *, recursive: bool = False) -> list[Path]:
    """The images of a folder, by extension, sorted. Hidden files and folders are passed over."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageError(f"{folder} is not a folder; name an existing folder of images")
    try:
        found = sorted(
            path
            for path in (folder.rglob("*") if recursive else folder.iterdir())
            if path.suffix.lower() in FORMATS
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
            and path.is_file()
        )
    except OSError as error:
        raise ImageError(f"cannot list {folder}: {error.strerror}; check its permissions") from error
    if not found:
        below = " or below it" if recursive else ""
        raise ImageError(f"no images in {folder}{below}; as images count {' '.join(EXTENSIONS)}")
    return found


def check_output(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Raise the ImageError that writing to path would end with, as far as it can be told beforehand."""
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


def write_atomically(path: Path, data: bytes, *, overwrite: bool) -> None:
    """Write data beside its place, then move it there: a reader sees the old file or the new, never a half.

    Without overwrite a file that exists is never replaced, not even one that appeared a moment ago.
    """
    target = Path(os.path.realpath(path)) if overwrite else path  # a link is followed, not replaced
    temporary = target.parent / secrets.token_hex(8).join(TEMPORARY)
    try:
        with open(temporary, "xb") as file:
            _lock(file)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            if target.exists():
                shutil.copymode(target, temporary)
            os.replace(temporary, target)
        else:
            _move_to_new(temporary, target)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "free some space" if full else "check the folder's permissions or choose another -o"
        raise ImageError(f"cannot write {path}: {error.strerror or error}; {remedy}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what writers that were killed left half written in folder; those at work are left alone."""
    prefix, suffix = TEMPORARY
    with suppress(OSError):
        for path in list(folder.glob(f"{prefix}*{suffix}")):
            with suppress(OSError), open(path, "rb") as file:
                if _lock(file):
                    path.unlink()


def _lock(file: IO[bytes]) -> bool:
    """Whether the lock is ours, which ends with the file or the process. Windows needs none: it does not remove
    a file that is open."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        pass
    return True


def _move_to_new(temporary: Path, target: Path) -> None:
    """Unlike a rename, a hard link fails where a file exists; but FAT and some network drives have none."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        open(target, "xb").close()  # fails where a file exists; from here on the name is ours
        try:
            os.replace(temporary, target)
        except OSError:
            target.unlink()
            raise


def _exists(path: Path) -> ImageError:
    return ImageError(f"{path} exists; pass --overwrite or choose another -o")
