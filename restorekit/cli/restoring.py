"""One file's way: its pictures read, restored and written. The same on this machine and on a cluster's."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from restorekit.cli.streams import read_pictures, write_pictures
from restorekit.cli.words import describe, rounded
from restorekit.errors import ImageError
from restorekit.files import check_pages
from restorekit.jobs import STREAM, Job
from restorekit.machine import keep_freed_memory, processors
from restorekit.mixing import MixingWeights
from restorekit.plugin.catalog import Catalog

if TYPE_CHECKING:
    import torch

    from restorekit.image import Picture
    from restorekit.restorer import RestorationResult, Restorer


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


@dataclass(frozen=True)
class Taken:
    """A file's pictures on their way, one but for a TIFF's pages, and the seconds they have taken so far."""

    pictures: Sequence[Picture]
    seconds: float
    results: Sequence[RestorationResult] = ()


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


def read(job: Job) -> Taken:
    started = time.perf_counter()
    pictures = read_pictures(job.source)
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
    started = time.perf_counter()
    results = []
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
        results.append(result)
    return Taken(taken.pictures, taken.seconds + time.perf_counter() - started, results)


def result_type(picture: Picture) -> torch.dtype:
    """What a restored picture is kept in: what it is written in, unless its grey is still to be made of it."""
    import torch

    return torch.uint16 if picture.mode == "grey" and picture.depth == 8 else picture.values.dtype


def write(catalog: Catalog, options: Options, job: Job, taken: Taken) -> Written:
    assert job.output is not None and taken.results
    started = time.perf_counter()
    pages = [
        (result.image, picture.stripped() if options.strip else picture)
        for picture, result in zip(taken.pictures, taken.results, strict=True)
    ]
    losses = write_pictures(job.output, pages, overwrite=options.overwrite, quality=options.quality)
    seconds = taken.seconds + time.perf_counter() - started
    found = [describe(result.weights[0], result.severities[0], catalog) for result in taken.results]
    if len(found) > 1:
        found = [f"page {number}: {text}" for number, text in enumerate(found, start=1)]
    records = [record_of(result) for result in taken.results]
    notes = [note for picture in taken.pictures for note in picture.notes]
    notes += [note for result in taken.results for note in result.notes]
    notes = list(dict.fromkeys([*notes, *losses]))  # what holds for all pages is said once
    record: dict[str, Any] = {
        "input": str(job.source),
        "output": str(job.output),
        **records[0],
        "seconds": round(seconds, 3),
        "notes": notes,
    }
    if len(records) > 1:
        record["pages"] = records  # what is beside it is the first page's
    return Written(f"{'; '.join(found)}  {seconds:.1f} s", record, notes)


def record_of(result: RestorationResult) -> dict[str, Any]:
    """What was found in one picture, and its size, for a program."""
    height, width = result.image.shape[-2:]
    return {
        "weights": rounded(result.weights[0].values),
        "severities": rounded(result.severities[0]),
        "size": [width, height],
    }
