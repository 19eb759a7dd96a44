"""One file's way: its pictures read, restored and written. The same on this machine and on a cluster's."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from restorekit.cli.manifest import Journal
from restorekit.cli.streams import named, read_pictures, write_bytes, write_encoded, write_pictures
from restorekit.cli.words import describe, rounded
from restorekit.errors import ImageError
from restorekit.files import FORMATS, check_pages, check_size
from restorekit.jobs import STREAM, Job
from restorekit.machine import keep_freed_memory, processors, short_of_memory
from restorekit.mixing import MixingWeights
from restorekit.plugin.catalog import ANY, Catalog

if TYPE_CHECKING:
    from restorekit.image import Encoded, Pages
    from restorekit.restorer import RestorationResult, Restorer


COPIED = "nothing to restore: copied byte for byte"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Wishes that hold for all pictures of a run; the fields as `restorekit restore` has them."""

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
    """The outcome for a file: what was found, for a person; a record, for a program; notes, for both."""

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


def facts(restorer: Restorer, options: Options) -> dict[str, Any]:
    """Makers of the pixels of a run, for its manifest: weights, precision, device, bases, options."""
    from restorekit.device import name_of_precision

    return {
        "fingerprint": fingerprint(restorer),
        "precision": name_of_precision(restorer.dtype),
        "device": str(restorer.device),
        "bases": list(restorer.bases),
        "options": asdict(options),
    }


def slow_precision(restorer: Restorer) -> str:
    """A word on a precision that this machine computes slowly; empty if it does not."""
    from restorekit.device import name_of_precision, slower_than_fp32

    if not slower_than_fp32(restorer.dtype, restorer.device):
        return ""
    name = name_of_precision(restorer.dtype)
    return f"this processor has no instructions for {name}: it may be ten times slower than --precision fp32"


def left_out(restorer: Restorer, options: Options | None = None) -> tuple[str, ...]:
    """A line for each basis that a picture may need and that could not be used; none where the options name the
    bases that are wanted, and no others."""
    if options is not None and not options.blind:
        return ()
    lines = []
    for failure in restorer.failures:
        if failure.basis and failure.basis not in restorer.bases:
            one = f"basis {failure.basis}"
            lines.append(
                f"done without {f'the bases of plugin {failure.plugin}' if failure.basis == ANY else one}: {failure.reason}"
            )
    return tuple(dict.fromkeys(lines))


def read(job: Job, options: Options) -> Taken:
    """Open a file's pictures and read the first, if what becomes of it fits into the output."""
    started = time.perf_counter()
    pictures = read_pictures(job.source, salvage=options.salvage)
    if job.output is not None:
        output = named(job.output, pictures.format, "standard output")
        check_pages(output, len(pictures))
        if len(pictures) == 1:  # further pages are a TIFF's, which holds any size
            height, width = pictures[0].values.shape[-2:]
            check_size(output, width * options.scale, height * options.scale)
    return Taken(pictures, time.perf_counter() - started)


def work(
    restorer: Restorer,
    options: Options,
    job: Job,
    taken: Taken,
    progress: Callable[[int, int], None] | None = None,
) -> Taken:
    from restorekit.image import encode
    from restorekit.image.pil import working_type

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
                dtype=working_type(picture),
                progress=progress,
                visible=picture.visible,
            )
        except (MemoryError, RuntimeError) as error:
            if not short_of_memory(error):
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


def write(
    catalog: Catalog,
    options: Options,
    job: Job,
    taken: Taken,
    journal: Journal | None = None,
    missing: Sequence[str] = (),
) -> Written:
    """Write a file's pictures. journal: is told what the record will say, before anything is written. missing: a
    line for each basis that could not be used, for the record."""
    assert job.output is not None and taken.results
    started = time.perf_counter()
    copied = nothing_done(options, job, taken)
    records = taken.records
    notes = [] if copied else list(taken.notes)
    notes += [note for result in taken.results for note in result.notes]
    record: dict[str, Any] = {
        "input": str(job.source),
        "output": str(job.output),
        **records[0],
        "copied": copied,
        "seconds": round(taken.seconds, 3),
        "notes": [*dict.fromkeys(notes), *missing],
    }
    if len(records) > 1:
        record["pages"] = records  # what is beside it is the first page's
    if journal is not None and job.output != STREAM:
        journal.begin(record)
    losses: tuple[str, ...] = ()
    if copied:
        write_bytes(job.output, taken.pictures.own_bytes(), overwrite=options.overwrite)
    elif taken.encoded:
        name = named(job.output, taken.pictures.format)
        losses = write_encoded(job.output, name, taken.encoded, overwrite=options.overwrite)
    else:
        picture = taken.pictures[0].stripped() if options.strip else taken.pictures[0]
        page = (taken.results[0].image, picture)
        losses = write_pictures(job.output, [page], overwrite=options.overwrite, quality=options.quality)
    seconds = taken.seconds + time.perf_counter() - started
    found = [describe(result.weights[0], result.severities[0], catalog) for result in taken.results]
    if copied:
        found = [COPIED]
    elif len(found) > 1:
        found = [f"page {number}: {text}" for number, text in enumerate(found, start=1)]
    notes = list(dict.fromkeys([*notes, *losses]))  # what holds for all pages is said once
    record |= {"seconds": round(seconds, 3), "notes": [*notes, *missing]}
    return Written(f"{'; '.join(found)}  {seconds:.1f} s", record, notes)


def nothing_done(options: Options, job: Job, taken: Taken) -> bool:
    """Tell whether every weight is 0 and nothing else is asked for, so that the file itself is the result."""
    pictures = taken.pictures
    assert job.output is not None
    as_it_was = options.scale == 1 and options.quality is None and not options.strip and not pictures.salvaged
    same_format = job.output == STREAM or FORMATS[job.output.suffix.lower()] == pictures.format
    return as_it_was and same_format and not any(result.weights[0].active for result in taken.results)


def record_of(result: RestorationResult) -> dict[str, Any]:
    """Findings in one picture, and its size, for a program."""
    height, width = result.image.shape[-2:]
    return {
        "weights": rounded(result.weights[0].values),
        "severities": rounded(result.severities[0]),
        "size": [width, height],
    }
