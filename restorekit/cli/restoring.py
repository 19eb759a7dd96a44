"""One file's way: its pictures read, restored and written. The same on this machine and on a cluster's."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from restorekit.cli.streams import named, read_pictures, write_bytes, write_encoded, write_pictures
from restorekit.cli.words import describe, rounded
from restorekit.errors import ImageError
from restorekit.files import FORMATS, check_pages
from restorekit.jobs import STREAM, Job
from restorekit.machine import keep_freed_memory, processors
from restorekit.mixing import MixingWeights
from restorekit.plugin.catalog import Catalog

if TYPE_CHECKING:
    import torch

    from restorekit.image import Encoded, Pages, Picture
    from restorekit.restorer import RestorationResult, Restorer


COPIED = "nothing to restore: copied byte for byte"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What holds for all pictures of a run; the fields as `restorekit restore` has them."""

    device: str
    precision: str
    seed: int | None
    chosen: Mapping[str, float]
    blind: bool
    scale: int
    steps: int
    tile: int | None
    ensemble: bool
    overwrite: bool
    quality: int | None
    strip: bool
    salvage: bool = False


@dataclass(frozen=True)
class Taken:
    """A file's pictures on their way, one but for a TIFF's pages, and the seconds they have taken so far.

    results, records: one for each picture that is restored. encoded: each of several pages, whose pixels are let
    go then, so that one is in memory at a time. notes: of the pictures.
    """

    pictures: Pages
    seconds: float
    results: Sequence[RestorationResult] = ()
    records: Sequence[Mapping[str, Any]] = ()
    encoded: Sequence[Encoded] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Written:
    """What became of a file: what was found, for a person; a record, for a program; notes, for both."""

    found: str
    record: Mapping[str, Any]
    notes: Sequence[str]


def load(catalog: Catalog, options: Options, threads: int | None = None) -> Restorer:
    """The restorer, once it is certain that it has the chosen bases. threads: None is one per processor."""
    import torch

    from restorekit.restorer import Restorer

    keep_freed_memory()
    # In a container torch counts the machine's processors, and its threads would wait for each other.
    torch.set_num_threads(threads or min(torch.get_num_threads(), processors()))
    restorer = Restorer.from_pretrained(device=options.device, precision=options.precision, catalog=catalog)
    MixingWeights(dict.fromkeys(restorer.bases, 0.0)).override(options.chosen)
    if options.seed is not None:
        torch.manual_seed(options.seed)
    return restorer


def fingerprint(restorer: Restorer) -> str:
    """One sha256 for all weights together, which `sha256sums` lists one by one."""
    listed = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(restorer.provenance().items()))
    return hashlib.sha256(listed.encode()).hexdigest()


def read(job: Job, *, salvage: bool = False) -> Taken:
    started = time.perf_counter()
    pictures = read_pictures(job.source, salvage=salvage)
    if job.output is not None and job.output != STREAM:
        check_pages(job.output, len(pictures))
    return Taken(pictures, time.perf_counter() - started)


def work(
    restorer: Restorer,
    options: Options,
    job: Job,
    taken: Taken,
    progress: Callable[[int, int], None] | None = None,
) -> Taken:
    from restorekit.image import encode

    assert job.output is not None
    started = time.perf_counter()
    notes: list[str] = []
    results, records, encoded = [], [], []
    for picture in taken.pictures:
        try:
            result = restorer.restore(
                picture.values,
                weights=options.chosen,
                blind=options.blind,
                scale=options.scale,
                steps=options.steps,
                tile=options.tile,
                ensemble=options.ensemble,
                dtype=result_type(picture),
                progress=progress,
            )
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):  # torch's own are RuntimeErrors
                raise
            height, width = (n * options.scale for n in picture.values.shape[-2:])
            raise ImageError(
                f"{job.source}: not enough memory for {width}x{height}; try --tile 512 or --device cpu"
            ) from error
        records.append(record_of(result))
        notes += picture.notes
        if len(taken.pictures) > 1:
            name = named(job.output, picture.format)
            source = picture.stripped() if options.strip else picture
            encoded.append(encode(name, result.image, source, quality=options.quality))
            result = replace(result, image=result.image.new_empty(1, 3, 0, 0))
        results.append(result)
    seconds = taken.seconds + time.perf_counter() - started
    return Taken(taken.pictures, seconds, results, records, encoded, notes)


def result_type(picture: Picture) -> torch.dtype:
    """What a restored picture is kept in: what it is written in, unless its grey is still to be made of it."""
    import torch

    return torch.uint16 if picture.mode == "grey" and picture.depth == 8 else picture.values.dtype


def write(catalog: Catalog, options: Options, job: Job, taken: Taken) -> Written:
    assert job.output is not None and taken.results
    started = time.perf_counter()
    copied = nothing_done(options, job, taken)
    notes: list[str] = []
    if copied:
        write_bytes(job.output, taken.pictures.own_bytes(), overwrite=options.overwrite)
    elif taken.encoded:
        name = named(job.output, taken.pictures.format)
        notes += [*taken.notes, *write_encoded(job.output, name, taken.encoded, overwrite=options.overwrite)]
    else:
        picture = taken.pictures[0].stripped() if options.strip else taken.pictures[0]
        page = (taken.results[0].image, picture)
        losses = write_pictures(job.output, [page], overwrite=options.overwrite, quality=options.quality)
        notes += [*taken.notes, *losses]
    seconds = taken.seconds + time.perf_counter() - started
    found = [describe(result.weights[0], result.severities[0], catalog) for result in taken.results]
    if copied:
        found = [COPIED]
    elif len(found) > 1:
        found = [f"page {number}: {text}" for number, text in enumerate(found, start=1)]
    records = taken.records
    notes += [note for result in taken.results for note in result.notes]
    notes = list(dict.fromkeys(notes))  # what holds for all pages is said once
    record: dict[str, Any] = {
        "input": str(job.source),
        "output": str(job.output),
        **records[0],
        "copied": copied,
        "seconds": round(seconds, 3),
        "notes": notes,
    }
    if len(records) > 1:
        record["pages"] = records  # what is beside it is the first page's
    return Written(f"{'; '.join(found)}  {seconds:.1f} s", record, notes)


def nothing_done(options: Options, job: Job, taken: Taken) -> bool:
    """Tell whether every weight is 0 and nothing else is asked for, so that the file itself is the result."""
    pictures = taken.pictures
    assert job.output is not None
    as_it_was = options.scale == 1 and options.quality is None and not options.strip and not pictures.salvaged
    same_format = job.output == STREAM or FORMATS[job.output.suffix.lower()] == pictures.format
    return as_it_was and same_format and not any(result.weights[0].active for result in taken.results)


def record_of(result: RestorationResult) -> dict[str, Any]:
    """What was found in one picture, and its size, for a program."""
    height, width = result.image.shape[-2:]
    return {
        "weights": rounded(result.weights[0].values),
        "severities": rounded(result.severities[0]),
        "size": [width, height],
    }
