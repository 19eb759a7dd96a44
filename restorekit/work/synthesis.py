"""Synthesis of test pictures: clean ones degraded, the same from the same seed."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from restorekit.composition import Compose, Step
from restorekit.degradation import Degradation
from restorekit.errors import ImageError
from restorekit.work.jobs import Job
from restorekit.work.listener import Report
from restorekit.work.streams import read_picture, write_picture

if TYPE_CHECKING:
    from torch import Generator

__all__ = ["SEEDS", "Wish", "degrade_picture"]

SEEDS = 2**32  # what torch's generator tells apart on a CPU


@dataclass(frozen=True)
class Wish:
    """One degradation that is asked for, with its severity and which of its kinds."""

    degradation: Degradation
    severity: float
    kind: str


def degrade_picture(job: Job, wishes: Sequence[Wish], seed: int, *, overwrite: bool) -> Report:
    """Degrade one picture from file to file.

    wishes: in physical order.
    seed: each degradation draws from it by itself.
    """
    assert job.output is not None  # by plan
    started = time.perf_counter()
    picture = read_picture(job.source)
    shape = tuple(picture.values.shape)
    composite = Compose(tuple(draw(wish, shape, seed) for wish in wishes))
    losses = write_picture(job.output, composite.apply(picture.rgb), picture, overwrite=overwrite)
    notes = [*picture.notes, *losses]
    seconds = time.perf_counter() - started
    applied, words = [], []
    for wish, step in zip(wishes, composite.steps, strict=True):
        name, severity = wish.degradation.name, float(step.realisation.severity[0])
        applied.append({"name": name, "severity": round(severity, 4), "kind": wish.kind})
        words.append(f"{name} {wish.kind} ({wish.degradation.severity.describe(severity)})")
    record = {
        "input": str(job.source),
        "output": str(job.output),
        "degradations": applied,
        "seed": seed,
        "seconds": round(seconds, 3),
        "size": [shape[3], shape[2]],
        "notes": notes,
    }
    return Report(f"{'  '.join(words)}  seed {seed}", record, notes)


def draw(wish: Wish, shape: Sequence[int], seed: int) -> Step:
    """The realisation that the seed gives, whatever else is asked for."""
    try:
        return Step.draw(wish.degradation, shape, generator_for(wish.degradation, seed), wish.severity, wish.kind)
    except ValueError as error:
        raise ImageError(f"{error}; choose a severity nearer to {wish.degradation.severity.typical:g}") from None


def generator_for(degradation: Degradation, seed: int) -> Generator:
    """A generator per degradation, so that no two draw the same numbers from one seed."""
    import torch

    return torch.Generator().manual_seed((seed + zlib.crc32(degradation.name.encode())) % SEEDS)
