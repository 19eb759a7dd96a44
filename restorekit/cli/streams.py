"""Pictures from and to files, or standard input and output."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from restorekit.errors import ImageError
from restorekit.files import FORMATS
from restorekit.jobs import STREAM, make_folder

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.image import Picture


def read_picture(source: Path) -> Picture:
    """From a file, or from standard input to its end."""
    from restorekit.image import read_image

    if source != STREAM:
        return read_image(source)
    data = sys.stdin.buffer.read()
    if not data:
        raise ImageError("standard input is empty; pipe a picture into it")
    with tempfile.TemporaryDirectory(prefix="restorekit-") as folder:
        path = Path(folder) / "standard input"
        path.write_bytes(data)
        try:
            return read_image(path)
        except ImageError as error:
            raise ImageError(str(error).replace(str(path), "standard input")) from error


def write_picture(output: Path, rgb: Tensor, source: Picture, *, overwrite: bool) -> None:
    """To a file, or to standard output in the format of the source. rgb: (1, 3, H, W), in [0, 1]."""
    from restorekit.image import write_image

    if output != STREAM:
        make_folder(output)
        write_image(output, rgb, source=source, overwrite=overwrite)
        return
    extension = next((e for e, name in FORMATS.items() if name == source.format), ".png")
    with tempfile.TemporaryDirectory(prefix="restorekit-") as folder:
        path = Path(folder) / f"restored{extension}"
        write_image(path, rgb, source=source)
        sys.stdout.buffer.write(path.read_bytes())
        sys.stdout.buffer.flush()
