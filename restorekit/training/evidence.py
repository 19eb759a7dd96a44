"""Fit the judges of bases by what they change: `python -m restorekit.training.evidence PHOTOS --out WEIGHTS`.

Pictures are drawn as people have them, degraded by up to five of the kinds that have a basis or by none, and read
as in use. Where a key is unsure of its basis, the basis is tried on the crops, and what it changes is remembered
(`restorekit.model.evidence`), with what it is worth: the decibels between the right bases with it and without it.
A read-out is fitted to those. A picture counts as much as there is to win or lose, and one without the degradation
four times that, for most pictures that people have are such.

On held-out photographs it is said how much the key loses and how much the judge with it, which leaves to the key
what it is not sure of. A basis gets one only where that is plainly less.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Generator, Tensor

from restorekit.composition import Compose
from restorekit.degradation import Degradation
from restorekit.model.basis import EVIDENCE
from restorekit.model.key import BasisKey, write_key
from restorekit.model.weights import write_sums
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.running.restorer import Restorer
from restorekit.training.labelled_pictures import SOFTEST
from restorekit.training.looks import Looks
from restorekit.training.pairs import as_file
from restorekit.training.photos import Photos, random_patches, softened
from restorekit.training.readout import fit
from restorekit.weighing.looks import evidence_for, look_twice, may_be_tried, read_query, weight_by_change

__all__ = ["SETS", "Trial", "judge_of", "lost", "main", "trials", "tried"]

# What happens to a picture, and how often; in RAINY of them what is sparse happens too.
SETS = {
    "": 0.20,
    "blur": 0.12,
    "lowres": 0.04,
    "noise": 0.13,
    "jpeg": 0.13,
    "noise+jpeg": 0.06,
    "blur+noise": 0.10,
    "blur+jpeg": 0.10,
    "blur+noise+jpeg": 0.06,
    "lowres+jpeg": 0.03,
    "lowres+noise": 0.01,
    "blur+lowres+noise+jpeg": 0.02,
}
RAINY = 0.4
SOFTENED = 0.5  # of those with nothing but noise and JPEG: what cameras make is soft at its full size
SIDES = (176, 224, 288, 352)  # px of a picture
MIDDLE = 128  # px of it that decibels are of
ARRAYS = 0.2  # share of the pictures that no file has rounded
MOST, UNTOUCHED = 6.0, 60.0  # dB that a picture counts at most, and that are as good as no difference
LEAST = 0.03  # dB that it counts beside
SPARED = 4.0  # times that a picture without the degradation counts
PLAINLY = 0.9  # of what the key loses
UNSURE = -5.5  # logit of a key from which on its basis is tried: more to learn from than what is asked in use
TOLD = 30.0  # seconds between two lines


@dataclass(frozen=True)
class Trial:
    """A try of a basis on one picture, of which its key was unsure.

    basis: its name.
    numbers: what a judge reads, (JUDGE_LENGTH,).
    present: whether the picture has what it removes.
    with_it, without: PSNR of the right bases with it and without it, dB.
    weight: by its key.
    """

    basis: str
    numbers: Tensor
    present: bool
    with_it: float
    without: float
    weight: float


@torch.no_grad()
def tried(restorer: Restorer, photos: Sequence[Tensor], seed: int) -> list[Trial]:
    """Draw a picture and try the bases on it that its keys are unsure of.

    restorer: with the bases of all that is in SETS.
    photos: uint8, (3, H, W) each.
    seed: of the picture.
    """
    generator = Generator().manual_seed(seed)
    degradations = {name: restorer.catalog.degradation(name) for name in restorer.keys}
    clean, image, names = draw(photos, degradations, generator)
    view = restorer.encoder.view(image)
    if bool(view.blank[0]):
        return []
    first = restorer.encoder.query_of(view)[0]
    keys = {name: key for name, key in restorer.keys.items() if key.length <= len(first)}
    halves, second = look_twice(restorer.encoder, keys, restorer.origins, view, first, restorer.remove)
    reading = read_query(first, keys, second)
    top, left = ((n - MIDDLE) // 2 for n in clean.shape[2:])
    middles = [picture[..., top : top + MIDDLE, left : left + MIDDLE] for picture in (image, clean)]

    @cache
    def psnr(bases: frozenset[str]) -> float:
        restored = restorer.remove(middles[0], dict.fromkeys(bases, 1.0)) if bases else middles[0]
        error = float((restored.clamp(0, 1) - middles[1]).square().mean())
        return min(UNTOUCHED, -10 * math.log10(max(error, 1e-12)))

    right, found = frozenset(names), []
    beside = halves.found if right & set(restorer.origins.late) else {}  # not where texture is taken for noise
    for name, key in keys.items():
        if not may_be_tried(name, restorer.origins, beside):
            continue
        numbers = evidence_for(halves, name, key, first, second, UNSURE)
        if numbers is not None:
            ends = psnr(right | {name}), psnr(right - {name})
            found.append(Trial(name, numbers, name in right, *ends, reading.weights[name]))
    return found


def draw(
    photos: Sequence[Tensor], degradations: dict[str, Degradation], generator: Generator
) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Draw a clean picture, (1, 3, s, s), the same degraded, and by what. degradations: by name."""
    dice = torch.rand(5, generator=generator).tolist()
    chosen = list(SETS)[int(torch.multinomial(torch.tensor(list(SETS.values())), 1, generator=generator))]
    names = [name for name in chosen.split("+") if name in degradations]
    sparse = [name for name, degradation in degradations.items() if degradation.sparse]
    names += sparse if dice[0] < RAINY else []
    side = SIDES[int(dice[1] * len(SIDES))]
    clean = random_patches(photos, 1, side, generator, emphasis=0.0)
    if dice[2] < SOFTENED and all(degradations[name].late for name in names):
        clean = softened(clean, 1 + dice[3] * (SOFTEST - 1))
    image = clean
    if names:
        image = Compose.draw([degradations[name] for name in names], clean.shape, generator).apply(clean)
    return clean, image if dice[4] < ARRAYS else as_file(image, generator), tuple(names)


def trials(
    restorer: Restorer, photos: Sequence[Tensor], seeds: range, tell: Callable[[str], None] = lambda line: None
) -> list[Trial]:
    """Try bases on as many pictures as there are seeds, as many at once as there are threads. tell: told lines."""
    found: list[Trial] = []
    told = started = time.monotonic()
    with ThreadPoolExecutor(torch.get_num_threads(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for done, some in enumerate(pool.map(lambda seed: tried(restorer, photos, seed), seeds), 1):
            found += some
            if time.monotonic() - told > TOLD:
                told = time.monotonic()
                tell(f"{done}/{len(seeds)} pictures, {told - started:.0f} s")
    return found


def lost(some: Sequence[Trial], weights: Sequence[float]) -> float:
    """Mean of the decibels by which weights of one basis are behind the better of 0 and 1."""
    total = 0.0
    for trial, weight in zip(some, weights, strict=True):
        ends = [10 ** (-value / 20) for value in (trial.without, trial.with_it)]
        reached = -20 * math.log10(ends[0] + (ends[1] - ends[0]) * weight)
        total += max(trial.with_it, trial.without) - reached
    return total / max(1, len(some))


def judge_of(training: Sequence[Trial], held_out: Sequence[Trial]) -> tuple[BasisKey, dict[str, float]]:
    """Fit the judge of one basis to the ones; and the dB lost on the others, by the key and with the judge."""
    gain = torch.tensor([trial.with_it - trial.without for trial in training])
    looks = Looks(torch.stack([t.numbers for t in training]), (gain > 0).float(), ((),) * len(training))
    spared = torch.tensor([1.0 if trial.present else SPARED for trial in training])
    judge = fit(looks, worth=spared * (LEAST + gain.abs().clamp(max=MOST)))
    said = [weight_by_change(judge, trial.numbers) for trial in held_out]
    weights = [trial.weight if weight is None else weight for trial, weight in zip(held_out, said, strict=True)]
    figures = {
        "pictures": len(training),
        "held_out": len(held_out),
        "lost_by_key": round(lost(held_out, [trial.weight for trial in held_out]), 3),
        "lost_by_judge": round(lost(held_out, weights), 3),
    }
    return judge, figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+", help="folders of clean photographs, not of screens")
    parser.add_argument("--out", type=Path, required=True, help="folder of weights, with one for each basis")
    parser.add_argument("--limit", type=int, help="number of photographs to read")
    parser.add_argument("--pictures", type=int, default=4000, help="number of pictures to draw")
    parser.add_argument("--held-out", type=int, default=600, help="and of held-out photographs")
    parser.add_argument("--threads", type=int, help="pictures at once")
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    restorer = Restorer.from_pretrained(device="cpu", catalog=build_catalog(load_plugins()))
    photos = Photos.load(chosen.photos, min(SIDES), chosen.limit)
    seeds = (range(chosen.pictures), range(chosen.pictures, chosen.pictures + chosen.held_out))
    lots = [
        trials(restorer, some, these, lambda line: print(line, flush=True))
        for some, these in zip((photos.training, photos.calibration), seeds, strict=True)
    ]
    for name in sorted({trial.basis for trial in lots[0]}):
        folder = chosen.out / name
        judge, figures = judge_of(*([trial for trial in lot if trial.basis == name] for lot in lots))
        kept = figures["lost_by_judge"] < PLAINLY * figures["lost_by_key"]
        if kept:
            write_key(folder / EVIDENCE, judge)
            write_sums(folder)
        print(json.dumps({"basis": name, **figures, "kept": kept}), flush=True)


if __name__ == "__main__":
    main()
