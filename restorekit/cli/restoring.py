"""One file's way: its pictures read, restored and written. The same on this machine and on a cluster's."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorekit.cli.manifest import Journal
from restorekit.cli.streams import extension_of, read_pictures, write_pictures
from restorekit.cli.words import describe, rounded
from restorekit.errors import ImageError
from restorekit.files import check_pages, check_size
from restorekit.jobs import STREAM, Job
from restorekit.machine import keep_freed_memory, processors, short_of_memory
from restorekit.mixing import MixingWeights
from restorekit.plugin.catalog import Catalog, Failure, Plugins

if TYPE_CHECKING:
    from restorekit.image import Picture
    from restorekit.restorer import RestorationResult, Restorer


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


@dataclass(frozen=True)
class Taken:
    """A file's pictures on their way, one but for a TIFF's pages, and the seconds they have taken so far."""

    pictures: Sequence[Picture]
    seconds: float
    results: Sequence[RestorationResult] = ()


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


def left_out(plugins: Plugins, restorer: Restorer, options: Options | None = None) -> tuple[str, ...]:
    """A line for each basis that a picture may need and that could not be used; none where the options name the
    bases that are wanted, and no others."""
    if options is not None and not options.blind:
        return ()
    loaded = {info.name for info in plugins.loaded}
    lines = []
    for failure in restorer.failures:
        name = failure.basis or _named_basis(failure)
        whole = failure.plugin not in loaded
        if (name or whole) and name not in restorer.bases:
            what = f"basis {name}" if name and name != _SOME else f"the bases of plugin {failure.plugin}"
            lines.append(f"done without {what}: {failure.reason}")
    return tuple(dict.fromkeys(lines))


_SOME = "?"


def _named_basis(failure: Failure) -> str:
    """The basis that a failure speaks of, if it speaks of one."""
    found = re.search(r"\bbasis '([^']+)'", failure.reason)
    if found:
        return found[1]
    return _SOME if re.search(r"register_(bases|degradations)", failure.reason) else ""


def read(job: Job, scale: int = 1) -> Taken:
    """Read a file's pictures, if what becomes of them fits into the output. scale: by which they are enlarged."""
    started = time.perf_counter()
    pictures = read_pictures(job.source)
    if job.output is not None and pictures:
        output = job.output if job.output != STREAM else Path(f"standard output{extension_of(pictures[0])}")
        check_pages(output, len(pictures))
        for picture in pictures:
            height, width = picture.values.shape[-2:]
            check_size(output, width * scale, height * scale)
    return Taken(pictures, time.perf_counter() - started)


def work(
    restorer: Restorer,
    options: Options,
    job: Job,
    taken: Taken,
    progress: Callable[[int, int], None] | None = None,
) -> Taken:
    from restorekit.image.pil import working_type

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
        results.append(result)
    return Taken(taken.pictures, taken.seconds + time.perf_counter() - started, results)


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
    pages = [
        (result.image, picture.stripped() if options.strip else picture)
        for picture, result in zip(taken.pictures, taken.results, strict=True)
    ]
    records = [record_of(result) for result in taken.results]
    notes = [note for picture in taken.pictures for note in picture.notes]
    notes += [note for result in taken.results for note in result.notes]
    record: dict[str, Any] = {
        "input": str(job.source),
        "output": str(job.output),
        **records[0],
        "seconds": round(taken.seconds, 3),
        "notes": [*dict.fromkeys(notes), *missing],
    }
    if len(records) > 1:
        record["pages"] = records  # what is beside it is the first page's
    if journal is not None and job.output != STREAM:
        journal.begin(record)
    losses = write_pictures(job.output, pages, overwrite=options.overwrite, quality=options.quality)
    seconds = taken.seconds + time.perf_counter() - started
    found = [describe(result.weights[0], result.severities[0], catalog) for result in taken.results]
    if len(found) > 1:
        found = [f"page {number}: {text}" for number, text in enumerate(found, start=1)]
    notes = list(dict.fromkeys([*notes, *losses]))  # what holds for all pages is said once
    record |= {"seconds": round(seconds, 3), "notes": [*notes, *missing]}
    return Written(f"{'; '.join(found)}  {seconds:.1f} s", record, notes)


def record_of(result: RestorationResult) -> dict[str, Any]:
    """Findings in one picture, and its size, for a program."""
    height, width = result.image.shape[-2:]
    return {
        "weights": rounded(result.weights[0].values),
        "severities": rounded(result.severities[0]),
        "size": [width, height],
    }
