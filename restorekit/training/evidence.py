"""Fit the judges of bases by what they change: `python -m restorekit.training.evidence PHOTOS --out WEIGHTS`.

Pictures are drawn as people have them, degraded by up to four of the kinds that have a basis, and read as in use.
Where a key is unsure of its basis, the basis is tried on the crops, and what it changes is remembered
(`restorekit.model.evidence`), with what it is worth: the decibels between the right bases with it and without it.
The judge is fitted to those, a picture counting as much as there is to win or lose; its bias is the one that loses
least on held-out photographs.

Only what happened before the sensor and the file wants a judge. On 1,300 pictures judges of noise and JPEG lost as
much as their keys; those of rain, blur and low resolution lost 0.17, 0.16 and 0.07 dB for 0.46, 0.29 and 0.10.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from torch import Generator, Tensor

from restorekit.composition import Compose
from restorekit.degradation import Degradation
from restorekit.model.basis import EVIDENCE
from restorekit.model.encoder import weights_of
from restorekit.model.key import BasisKey, write_key
from restorekit.model.weights import write_sums
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.running.restorer import Restorer
from restorekit.training.labelled_pictures import SOFT, SOFTEST
from restorekit.training.looks import Looks
from restorekit.training.pairs import as_file
from restorekit.training.photos import Photos, random_patches, softened
from restorekit.training.readout import fit
from restorekit.weighing.looks import evidence_for, look_twice, read_query

__all__ = ["SETS", "Trial", "judge_of", "lost", "main", "trials", "tried"]

# What happens to a picture, and how often; in RAINY of them what is sparse happens too.
SETS = {
    "": 0.07,
    "noise": 0.17,
    "jpeg": 0.17,
    "noise+jpeg": 0.12,
    "blur+noise": 0.12,
    "blur+jpeg": 0.09,
    "lowres+jpeg": 0.09,
    "lowres+noise": 0.02,
    "blur+noise+jpeg": 0.06,
    "blur+lowres+noise+jpeg": 0.03,
    "blur": 0.03,
    "lowres": 0.03,
}
RAINY = 0.25
SIDES = (176, 224, 288, 352)  # px of a picture
MIDDLE = 128  # px of it that decibels are of
ARRAYS = 0.2  # share of the pictures that no file has rounded
MOST, UNTOUCHED = 6.0, 60.0  # dB that a picture counts at most, and that are as good as no difference
LEAST = 0.03  # dB that it counts beside
SHIFTS = [n / 10 for n in range(-10, 26)]  # of a logit, that are tried
TOLD = 30.0  # seconds between two lines


@dataclass(frozen=True)
class Trial:
    """A try of a basis on one picture, of which its key was unsure.

    basis: its name.
    numbers: what a judge reads, (JUDGE_LENGTH,).
    with_it, without: PSNR of the right bases with it and without it, dB.
    weight: by its key.
    """

    basis: str
    numbers: Tensor
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
    weights = read_query(first, keys, second).weights
    top, left = ((n - MIDDLE) // 2 for n in clean.shape[2:])
    middles = [picture[..., top : top + MIDDLE, left : left + MIDDLE] for picture in (image, clean)]

    @cache
    def psnr(bases: frozenset[str]) -> float:
        restored = restorer.remove(middles[0], dict.fromkeys(bases, 1.0)) if bases else middles[0]
        error = float((restored.clamp(0, 1) - middles[1]).square().mean())
        return min(UNTOUCHED, -10 * math.log10(max(error, 1e-12)))

    found = []
    for name, key in keys.items():
        if name in restorer.origins.late:
            continue
        numbers = evidence_for(halves, name, key, first, second)
        if numbers is not None:
            right = frozenset(names)
            ends = psnr(right | {name}), psnr(right - {name})
            found.append(Trial(name, numbers, *ends, weights[name]))
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
    if dice[2] < SOFT and all(degradations[name].late for name in names):
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
    """Fit the judge of one basis to the ones, set its bias on the others, and say what is lost there by the key
    and by the judge, in dB."""
    gain = torch.tensor([trial.with_it - trial.without for trial in training])
    looks = Looks(torch.stack([t.numbers for t in training]), (gain > 0).float(), ((),) * len(training))
    judge = fit(looks, worth=LEAST + gain.abs().clamp(max=MOST))
    logits = judge.logit(torch.stack([trial.numbers for trial in held_out]))
    costs = {shift: lost(held_out, weights_of(logits - shift).tolist()) for shift in SHIFTS}
    best = min(costs, key=lambda shift: costs[shift])
    figures = {
        "pictures": len(training) + len(held_out),
        "lost_by_key": round(lost(held_out, [trial.weight for trial in held_out]), 3),
        "lost_by_judge": round(costs[best], 3),
    }
    return replace(judge, bias=(judge.bias - best).half().float()), figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+", help="folders of clean photographs, not of screens")
    parser.add_argument("--out", type=Path, required=True, help="folder of weights, with one for each basis")
    parser.add_argument("--limit", type=int, help="number of photographs to read")
    parser.add_argument("--pictures", type=int, default=1800, help="number of pictures to draw")
    parser.add_argument("--held-out", type=int, default=400, help="and of held-out photographs")
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
        write_key(folder / EVIDENCE, judge)
        write_sums(folder)
        print(json.dumps({"basis": name, **figures}), flush=True)


if __name__ == "__main__":
    main()
