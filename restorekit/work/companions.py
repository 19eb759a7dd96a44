"""Files beside a picture that are no picture of it: maps and reports."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from restorekit.errors import ImageError
from restorekit.files import write_atomically
from restorekit.work.jobs import SEPARATORS, STREAM, Job, make_folder, names_several

__all__ = ["Companions"]


@dataclass(frozen=True)
class Companions:
    """Places of one companion per picture.

    out: a file for one picture, else a folder.
    ending: of the names in a folder, such as ".map.png".
    single: whether out is a file.
    overwrite: replace files that exist.
    """

    out: str
    ending: str
    single: bool
    overwrite: bool = False

    @classmethod
    def of(cls, option: str, out: str, inputs: Sequence[str], ending: str, *, overwrite: bool) -> Companions:
        """Read an option's word.

        option: its name, for errors.
        out: a file, or a folder where it is one, ends in a slash, or the inputs may name several pictures.
        inputs: files, folders and patterns.
        ending: of the files.
        """
        suffix = Path(ending).suffix
        folder = out.endswith(SEPARATORS) or os.path.isdir(out)
        if not folder and names_several(inputs):
            if Path(out).suffix.lower() == suffix:
                raise ImageError(f"{option} {out} is one file, but there may be several images; name a folder")
            folder = True
        if not folder and Path(out).suffix.lower() != suffix:
            raise ImageError(f"{option} {out} ends in no {suffix}; name a file that does, or a folder/")
        return cls(out, ending, not folder, overwrite)

    def place(self, job: Job) -> Path:
        """The companion's path for one picture; the tree that pictures were found in is mirrored."""
        if self.single:
            return Path(self.out)
        name = "standard-input" if job.source == STREAM else job.source.name
        inside = job.source.relative_to(job.below).parent if job.below else Path()
        return Path(self.out) / inside / f"{name}{self.ending}"

    def check(self, job: Job) -> None:
        """Raise the ImageError that writing one would end with, if it is there already."""
        path = self.place(job)
        if not self.overwrite and os.path.lexists(path):
            raise ImageError(f"{path} exists; pass --overwrite or name another")

    def write(self, job: Job, data: bytes) -> Path:
        """Write one, whole or not at all; its path."""
        path = self.place(job)
        make_folder(path)
        write_atomically(path, data, overwrite=self.overwrite)
        return path
