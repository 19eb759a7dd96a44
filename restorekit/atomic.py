"""One name, one writer: renaming without replacement, locks that end with their process, claims on outputs.

No pixel is touched here.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

__all__ = ["TEMPORARY", "Claim", "lock", "move_to_new", "sweep"]

TEMPORARY = (".restorekit-", ".tmp")  # prefix and suffix of a file that is being written, and of a claim
STALE = 3600.0  # seconds after which a temporary file is left over, where the file system knows no locks
_HERE, _NO_REPLACE, _EXCLUSIVE = -100, 1, 4  # AT_FDCWD and RENAME_NOREPLACE of Linux; RENAME_EXCL of macOS
_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM)


def move_to_new(temporary: Path, target: Path) -> None:
    """Move a file to a name that must be free; FileExistsError where it is not.

    By a rename that does not replace, where the system has one; else by a hard link. FAT and some network drives
    have neither: there the name is taken by an empty file first, and a process that dies between the two steps
    leaves it empty. An empty output is therefore not a finished one.
    """
    if rename_to_new(temporary, target):
        return
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


def rename_to_new(source: Path, target: Path) -> bool:
    """Rename without replacing, in one step; False where system or file system cannot. FileExistsError."""
    if os.name == "nt":
        os.rename(source, target)  # which does not replace there
        return True
    rename = _exclusive_rename()
    if rename is None:
        return False
    number = rename(os.fsencode(source), os.fsencode(target))
    if number in _CANNOT:
        return False
    if number:
        raise OSError(number, os.strerror(number), str(target))
    return True


@cache
def _exclusive_rename() -> Callable[[bytes, bytes], int] | None:
    """The C library's, as source and target to an error number; None where it has none."""
    try:
        library: Any = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            found, arguments = library.renamex_np, lambda a, b: (a, b, ctypes.c_uint(_EXCLUSIVE))
        else:
            found, arguments = library.renameat2, lambda a, b: (_HERE, a, _HERE, b, ctypes.c_uint(_NO_REPLACE))
    except (AttributeError, OSError, TypeError):
        return None

    def rename(source: bytes, target: bytes) -> int:
        return 0 if found(*arguments(source, target)) == 0 else ctypes.get_errno()

    return rename


def lock(file: IO[bytes]) -> bool | None:
    """Lock an open file, until it is closed or the process ends: True if the lock is ours, False if another has
    it, None where the file system knows no locks."""
    try:
        import fcntl
    except ImportError:
        return _lock_on_windows(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _lock_on_windows(file: IO[bytes]) -> bool | None:
    try:
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except PermissionError:
        return False
    except (ImportError, OSError):
        return None
    return True


def sweep(folder: Path) -> None:
    """Remove what writers that were killed left half written in folder; those at work are left alone."""
    prefix, suffix = TEMPORARY
    with suppress(OSError):
        for path in list(folder.glob(f"{prefix}*{suffix}")):
            with suppress(OSError):
                with open(path, "rb+") as file:  # network drives lock only what is open for writing
                    owned = lock(file)
                    if owned is None:
                        owned = time.time() - os.fstat(file.fileno()).st_mtime > STALE
                    if owned and os.name != "nt":
                        path.unlink()
                if owned and os.name == "nt":  # where an open file stays
                    path.unlink()


class Claim:
    """A file's name, taken for the time of the work on it, so that another run does not do the same work.

    A lock on a small file beside it, which ends with the process: a run that is killed leaves no claim. Where the
    file system knows no locks, every claim is granted.
    """

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path, self.file = path, file

    @classmethod
    def on(cls, output: Path) -> Claim | None:
        """The claim on an output whose folder is there; None where another run has it. OSError."""
        name = hashlib.sha256(os.fsencode(output.name)).hexdigest()[:16]
        path = output.parent / name.join(TEMPORARY)
        while True:
            file = open(path, "ab+")  # noqa: SIM115 - it stays open while the claim is held
            owned = lock(file)
            if owned is False:
                file.close()
                return None
            if owned is None or _is(path, file):
                return cls(path, file)
            file.close()  # whoever had it took it away in between

    def release(self) -> None:
        """Give the name back. Does nothing the second time."""
        if self.file.closed:
            return
        if os.name == "nt":
            self.file.close()
        with suppress(OSError):
            self.path.unlink()
        self.file.close()


def _is(path: Path, file: IO[bytes]) -> bool:
    """Tell whether the path still names this open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except OSError:
        return False
