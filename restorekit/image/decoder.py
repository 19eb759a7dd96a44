"""Errors of every decoder as one line each, and PIL's one switch for damaged files, held.

That switch is global (`ImageFile.LOAD_TRUNCATED_IMAGES`). Threads that want it the same way share it, others wait
for their turn; when the last is done, it is as whoever owns the process had left it.
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError

from restorekit.errors import ImageError
from restorekit.image.damage import DAMAGE
from restorekit.image.kinds import READ
from restorekit.machine import short_of_memory

__all__ = ["SALVAGE", "DamagedError", "UnknownKindError", "decoding", "unknown"]

SALVAGE = "restore --salvage takes what can still be read"


class DamagedError(ImageError):
    """A file that is damaged or cut short."""


class UnknownKindError(ImageError):
    """A file that is no picture of a kind that is read."""


class _Switch:
    """PIL's switch. tolerant: as it stands while threads are inside."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._inside = 0
        self._tolerant = self._found = False

    @contextmanager
    def set(self, tolerant: bool) -> Iterator[None]:
        with self._turn:
            self._turn.wait_for(lambda: not self._inside or self._tolerant == tolerant)
            if not self._inside:
                self._found, self._tolerant = ImageFile.LOAD_TRUNCATED_IMAGES, tolerant
                ImageFile.LOAD_TRUNCATED_IMAGES = tolerant
            self._inside += 1
        try:
            yield
        finally:
            with self._turn:
                self._inside -= 1
                if not self._inside:
                    ImageFile.LOAD_TRUNCATED_IMAGES = self._found
                    self._turn.notify_all()


_SWITCH = _Switch()


@contextmanager
def decoding(path: Path, *, salvage: bool = False) -> Iterator[None]:
    """Hold the switch, and raise an ImageError that names path and the remedy for whatever a decoder raises.

    salvage: let truncated files pass.
    """
    try:
        with _SWITCH.set(salvage), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL warns of large pictures, which are no fault
            yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError(f"{path} does not exist; check the spelling and the working folder") from error
    except PermissionError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}; check its permissions") from error
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise ImageError(f"{path} has more than {limit} million pixels; cut or shrink it first") from error
    except (UnidentifiedImageError, MemoryError, *DAMAGE) as error:
        if short_of_memory(error):
            raise ImageError(f"{path}: not enough memory to read it; cut or shrink it first") from error
        known = not isinstance(error, UnidentifiedImageError)
        what = " ".join(str(error).split()) if known else "no decoder makes anything of it"
        if salvage:
            raise ImageError(f"{path} is too damaged to salvage anything ({what}); download it again") from error
        raise DamagedError(
            f"{path} is damaged or cut short ({what}); copy or download it again, or {SALVAGE}"
        ) from error


def unknown(path: Path, name: str) -> UnknownKindError:
    """The error for a file that is of none of the formats that are read. name: its format's, if known."""
    came = f"is {name}, which is not read" if name else "is not an image of a kind that is read"
    return UnknownKindError(f"{path} {came}; convert it to PNG first ({READ} are read)")
