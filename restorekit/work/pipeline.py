"""One file's way: its pictures opened, restored and written. The same on this machine and on a cluster's.

    report = pipeline.write(job, pipeline.restore(job, pipeline.open(job)))

A step gives the next one a value, or raises the error that ends the file's way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorekit.errors import ImageError
from restorekit.files import FORMATS, check_pages, check_size
from restorekit.machine import short_of_memory
from restorekit.work.explaining import report
from restorekit.work.jobs import STREAM, Job
from restorekit.work.listener import Report
from restorekit.work.looks import look_record, said_look
from restorekit.work.manifest import Journal
from restorekit.work.request import Options
from restorekit.work.streams import named, read_pictures, write_bytes, write_encoded, write_pictures
from restorekit.work.words import describe, rounded

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.image import Encoded, Pages, Picture
    from restorekit.running.restorer import RestorationResult, Restorer

__all__ = ["COPIED", "Opened", "Page", "Pipeline", "Restored"]

COPIED = "nothing to restore: copied byte for byte"


@dataclass(frozen=True)
class Opened:
    """A file's pictures, one but for a TIFF's pages, and the seconds they have taken so far."""

    pictures: Pages
    seconds: float


@dataclass(frozen=True)
class Page:
    """A restored picture.

    result: with an image of no pixels once the page is encoded.
    record: the findings and the size, for a program.
    encoded: of a page among several, so that the pixels of one are in memory at a time.
    report: HTML about the file's first picture, where one is wanted.
    """

    result: RestorationResult
    record: Mapping[str, Any]
    encoded: Encoded | None = None
    report: bytes = b""


@dataclass(frozen=True)
class Restored:
    """A file's restored pages, the pictures they came from, the notes of reading them, and the seconds so far."""

    pictures: Pages
    pages: Sequence[Page]
    notes: Sequence[str]
    seconds: float


class Pipeline:
    """The steps of one file's way with one restorer.

    missing: a line for each basis that could not be used, for the records.
    journal: is told what a record will say, before anything is written.
    progress: told how many tiles of a picture are done, and of how many.
    """

    def __init__(
        self,
        restorer: Restorer,
        options: Options,
        *,
        missing: Sequence[str] = (),
        journal: Journal | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.restorer = restorer
        self.options = options
        self.missing = missing
        self.journal = journal
        self.progress = progress
        self.masks = read_masks(options.masks)

    def open(self, job: Job) -> Opened:
        """Open a file's pictures and read the first, if what becomes of it fits into the output."""
        started = time.perf_counter()
        if self.options.report is not None:
            self.options.report.check(job)
        pictures = read_pictures(job.source, salvage=self.options.salvage)
        output = named(target(job), pictures.format, "standard output")
        check_pages(output, len(pictures))
        if len(pictures) == 1:  # further pages are a TIFF's, which holds any size
            height, width = pictures[0].values.shape[-2:]
            check_size(output, width * self.options.scale, height * self.options.scale)
        return Opened(pictures, time.perf_counter() - started)

    def restore(self, job: Job, opened: Opened) -> Restored:
        """Restore the pictures, one after the other."""
        started = time.perf_counter()
        notes: list[str] = []
        pages: list[Page] = []
        for picture in opened.pictures:
            page = self.page(job, picture)
            if self.options.report is not None and not pages:
                page = replace(page, report=report(self.restorer, self.options, job, picture, page.result))
            notes += picture.notes
            pages.append(self.encoded(job, picture, page) if len(opened.pictures) > 1 else page)
        return Restored(opened.pictures, pages, notes, opened.seconds + time.perf_counter() - started)

    def page(self, job: Job, picture: Picture) -> Page:
        """Restore one picture."""
        from restorekit.image.pil import working_type

        options = self.options
        try:
            result = self.restorer.restore(
                picture.values,
                weights=options.chosen,
                blind=options.blind,
                wish=options.wish,
                mask=self.masks,
                scale=options.scale,
                steps=options.steps,
                tile=options.tile,
                ensemble=options.ensemble,
                guidance=options.guidance,
                look=options.look,
                seed=options.seed or 0,
                dtype=working_type(picture),
                progress=self.progress,
                visible=picture.visible,
            )
        except (MemoryError, RuntimeError) as error:
            if not short_of_memory(error):
                raise
            height, width = (n * options.scale for n in picture.values.shape[-2:])
            raise ImageError(
                f"{job.source}: not enough memory for {width}x{height}; try --tile 512 or --device cpu"
            ) from error
        return Page(result, record_of(result))

    def encoded(self, job: Job, picture: Picture, page: Page) -> Page:
        """Encode a page for the output, and let its pixels go."""
        from restorekit.image import encode

        name = named(target(job), picture.format)
        data = encode(name, page.result.image, self.source(picture), quality=self.options.quality)
        result = replace(page.result, image=page.result.image.new_empty(1, 3, 0, 0))
        return replace(page, result=result, encoded=data)

    def write(self, job: Job, restored: Restored) -> Report:
        """Write the pictures."""
        started = time.perf_counter()
        output, copied = target(job), self.needs_nothing(job, restored)
        records = [page.record for page in restored.pages]
        notes = [] if copied else list(restored.notes)
        notes += [note for page in restored.pages for note in page.result.notes]
        record: dict[str, Any] = {
            "input": str(job.source),
            "output": str(output),
            **records[0],
            **self.asked(restored),
            "copied": copied,
            "seconds": round(restored.seconds, 3),
            "notes": [*dict.fromkeys(notes), *self.missing],
        }
        if len(records) > 1:
            record["pages"] = records  # what is beside it is the first page's
        if self.journal is not None and output != STREAM:
            self.journal.begin(record)
        losses = self.put(job, restored, copied=copied)
        if self.options.report is not None:
            record["report"] = str(self.options.report.write(job, restored.pages[0].report))
        seconds = restored.seconds + time.perf_counter() - started
        notes = list(dict.fromkeys([*notes, *losses]))  # what holds for all pages is said once
        record |= {"seconds": round(seconds, 3), "notes": [*notes, *self.missing]}
        found = COPIED if copied else "; ".join(self.findings(restored))
        return Report(f"{found}  {seconds:.1f} s", record, notes)

    def asked(self, restored: Restored) -> dict[str, Any]:
        """The wish and the masks, for a program, and the look where something was restored; empty where nothing is
        asked for."""
        said = {"wish": self.options.wish.record(), "masks": dict(self.options.masks)}
        active = any(page.result.weights[0].active for page in restored.pages)
        look = look_record(self.options) if active else {}
        return {**{name: part for name, part in said.items() if part}, **look}

    def put(self, job: Job, restored: Restored, *, copied: bool) -> tuple[str, ...]:
        """Write the file, and tell what it cannot hold, a line each. copied: byte for byte, as it was."""
        output, overwrite = target(job), self.options.overwrite
        if copied:
            write_bytes(output, restored.pictures.own_bytes(), overwrite=overwrite)
            return ()
        encoded = [page.encoded for page in restored.pages if page.encoded is not None]
        if encoded:
            name = named(output, restored.pictures.format)
            return write_encoded(output, name, encoded, overwrite=overwrite)
        pages = [(restored.pages[0].result.image, self.source(restored.pictures[0]))]
        return write_pictures(output, pages, overwrite=overwrite, quality=self.options.quality)

    def needs_nothing(self, job: Job, restored: Restored) -> bool:
        """Tell whether every weight is 0 and nothing else is asked for, so that the file itself is the result."""
        options, pictures, output = self.options, restored.pictures, target(job)
        as_it_was = options.scale == 1 and options.quality is None and not options.strip and not pictures.salvaged
        same_format = output == STREAM or FORMATS[output.suffix.lower()] == pictures.format
        return as_it_was and same_format and not any(page.result.weights[0].active for page in restored.pages)

    def findings(self, restored: Restored) -> Iterator[str]:
        """The weights and severities of each page, for a person."""
        for number, page in enumerate(restored.pages, start=1):
            text = describe(page.result.weights[0], page.result.severities[0], self.restorer.catalog)
            if page.result.weights[0].active and (look := said_look(self.options)):
                text += f"  {look}"
            yield f"page {number}: {text}" if len(restored.pages) > 1 else text

    def source(self, picture: Picture) -> Picture:
        """The picture whose metadata go into the output."""
        return picture.stripped() if self.options.strip else picture


def target(job: Job) -> Path:
    """The output of a job that has one, as those of a plan have."""
    assert job.output is not None
    return job.output


def read_masks(files: Mapping[str, str]) -> dict[str, Tensor] | None:
    """Read masks, each file once, by name of the basis; None for none."""
    from restorekit.image.masks import read_mask

    read = {path: read_mask(path) for path in dict.fromkeys(files.values())}
    return {name: read[path] for name, path in files.items()} or None


def record_of(result: RestorationResult) -> dict[str, Any]:
    """Findings in one picture, and its size, for a program."""
    height, width = result.image.shape[-2:]
    return {
        "weights": rounded(result.weights[0].values),
        "severities": rounded(result.severities[0]),
        "size": [width, height],
    }
