"""Pictures that somebody sends: one file's way as in any run, in a folder that is gone afterwards.

upload -> header, within the limit? -> open, restore, write -> bytes
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorekit.errors import ImageError
from restorekit.files import FORMATS
from restorekit.work.faults import in_one_line
from restorekit.work.inspection import inspect_picture
from restorekit.work.jobs import Job
from restorekit.work.pipeline import Pipeline
from restorekit.work.request import Options
from restorekit.work.streams import read_picture

if TYPE_CHECKING:
    from restorekit.image.header import Header
    from restorekit.running.restorer import Restorer

__all__ = ["Product", "StoppedError", "TooLargeError", "Upload", "inspect_upload", "restore_upload"]


class TooLargeError(ImageError):
    """A picture has more pixels than are taken."""


class StoppedError(Exception):
    """Nobody wants the result any more."""


@dataclass(frozen=True)
class Upload:
    """A file that somebody sent.

    path: place of its bytes, alone in a folder of its own.
    name: name that the sender gave it, for messages and records.
    most: pixels that it may have, or be enlarged to; None is any number.
    masks: of a picture, by name of the basis, empty for that of all.
    """

    path: Path
    name: str = "the picture"
    most: int | None = None
    masks: Mapping[str, Upload] = field(default_factory=dict)

    @contextmanager
    def named(self) -> Iterator[None]:
        """Around the work on it: errors name it as the sender does, in one line."""
        try:
            yield
        except (TooLargeError, StoppedError):
            raise
        except Exception as error:
            ours = in_one_line(Job(self.path), error)
            # An error of a kind keeps it; others come out of here as those of a program's fault.
            text = str(ours).replace(str(self.path), self.name).replace(f"{self.path.parent}{os.sep}", "")
            raise type(ours)(text) from error

    def header(self, scale: int = 1) -> Header:
        """Format and size, within the limit. TooLargeError beyond it. scale: times the size, of the result."""
        from restorekit.image.header import read_header

        found = read_header(self.path, name=self.name)
        pixels = found.pixels * scale**2
        if self.most is not None and pixels > self.most:
            enlarged = f" when enlarged {scale} times" if scale > 1 else ""
            remedy = "shrink it, or enlarge it less" if scale > 1 else "shrink it, or cut it into pieces"
            raise TooLargeError(
                f"{self.name} has {pixels / 1e6:.3g} million pixels{enlarged}, and at most "
                f"{self.most / 1e6:.3g} million are taken; {remedy}"
            )
        return found


@dataclass(frozen=True)
class Product:
    """A restored picture as a file.

    data: the file.
    format: by PIL's name for it, such as "JPEG".
    record: the findings, as `restore --json` prints them, without an output.
    """

    data: bytes
    format: str
    record: Mapping[str, Any]


def restore_upload(
    restorer: Restorer,
    upload: Upload,
    options: Options,
    *,
    ending: str = "",
    missing: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Product:
    """Restore a file that somebody sent.

    options: wishes; those for loading a restorer are of no account any more.
    ending: of the format of the result, such as ".png"; empty for the file's own.
    missing: a line for each basis that could not be used, for the record.
    progress: told how many tiles are done, and of how many; it may raise StoppedError to end the work.
    """
    if options.feather and not upload.masks:
        raise ImageError("feather softens the edges of masks; send one as the field mask of a form")
    for mask in upload.masks.values():
        with mask.named():
            mask.header()
    options = replace(options, masks={name: str(mask.path) for name, mask in upload.masks.items()})
    with upload.named():
        format = upload.header(options.scale).format
        ending = ending or next(e for e, name in FORMATS.items() if name == format)
        output = upload.path.with_name(f"result{ending}")
        job = Job(upload.path, output)
        pipeline = Pipeline(restorer, options, missing=missing, progress=progress)
        report = pipeline.write(job, pipeline.restore(job, pipeline.open(job)))
        data = output.read_bytes()
    record = {**report.record, "input": upload.name}
    if upload.masks:
        record["masks"] = {name: mask.name for name, mask in upload.masks.items()}
    del record["output"]
    return Product(data, FORMATS[ending], record)


def inspect_upload(restorer: Restorer, upload: Upload, *, missing: Sequence[str] = ()) -> dict[str, Any]:
    """Tell what a file that somebody sent suffers from, as `inspect --json` prints it.

    missing: a line for each basis that could not be used, for the record.
    """
    if upload.masks:
        raise ImageError("an inspection has no masks; leave them out")
    with upload.named():
        upload.header()
        report = inspect_picture(restorer, Job(upload.path), read_picture(upload.path), missing)
    return {**report.record, "input": upload.name}
