"""Fit the judges of bases by what they change: `python -m restorekit.training.evidence PHOTOS --out WEIGHTS`.

Pictures are drawn as people have them, degraded by up to five of the kinds that have a basis or by none, and read
as in use. Where a key is unsure of its basis, the basis is tried on the crops, and what it changes is remembered
(`restorekit.model.evidence`), with what it is worth: the decibels between the picture restored with it and without
it, once beside what keys and amounts found of the others, as in use, and once beside the right ones. A read-out is
fitted to both. A picture counts as much as there is to win or lose, and one that the lens has spared four times
that, for much of what people have is soft and meant to be. What looks like rain, lines, is drawn instead.

On held-out photographs it is said how much the key loses and how much the judge with it, which leaves to the key
what it is not sure of. A basis gets one only where that is plainly less.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Generator, Tensor

from restorekit.composition import Compose
from restorekit.degradation import Degradation
from restorekit.model.basis import EVIDENCE
from restorekit.model.key import BasisKey, write_key
from restorekit.model.weights import write_sums
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.running.restorer import Restorer
from restorekit.training.labelled_pictures import SOFTEST, by_share
from restorekit.training.looks import Looks
from restorekit.training.pairs import as_file
from restorekit.training.parallel import gathered
from restorekit.training.photos import Photos, random_patches, softened
from restorekit.training.pieces import write_whole
from restorekit.training.readout import fit_several
from restorekit.training.stripes import lined
from restorekit.weighing.looks import look_twice, read_query
from restorekit.weighing.tries import TRIED, evidence_for, may_be_tried, weight_by_change

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
LINED = 0.25  # of all, with rain or without it: fences, blinds and tiled walls, which photographs seldom show
SIDES = (176, 224, 288, 352)  # px of a picture
MIDDLE = 128  # px of it that decibels are of
ARRAYS = 0.2  # share of the pictures that no file has rounded
MOST, UNTOUCHED = 6.0, 60.0  # dB that a picture counts at most, and that are as good as no difference
LEAST = 0.03  # dB that it counts beside
SPARED = 4.0  # times that a picture counts that the lens has spared
PLAINLY = 0.9  # of what the key loses
UNSURE = -3.0  # logit of a key from which on its basis is tried: more to learn from than what is asked in use
KEYS = -2  # place of the key's logit among what a judge reads
JUDGES = 5  # fitted, whose mean has the say: one alone differs from the next by a tenth of what is lost


@dataclass(frozen=True)
class Trial:
    """A try of a basis on one picture, of which its key was unsure.

    basis: its name.
    numbers: what a judge reads, (JUDGE_LENGTH,).
    spared: whether the picture counts SPARED times: the basis is of the lens, and it has not what that removes.
    ends: PSNR with it at 1 and without it, dB; first beside what the keys found of the others, then beside the
        right others.
    weight: by its key.
    """

    basis: str
    numbers: Tensor
    spared: bool
    ends: tuple[tuple[float, float], ...]
    weight: float


@torch.no_grad()
def tried(
    restorer: Restorer, photos: Sequence[Tensor], seed: int, bases: Collection[str] | None = None
) -> list[Trial]:
    """Draw a picture and try the bases on it that its keys are unsure of.

    restorer: with the bases of all that is in SETS.
    photos: uint8, (3, H, W) each.
    seed: of the picture.
    bases: names of those to try; None for all.
    """
    generator = Generator().manual_seed(seed)
    degradations = {name: restorer.catalog.degradation(name) for name in restorer.keys}
    clean, image, names = draw(photos, degradations, generator)
    view = restorer.encoder.view(image)
    if bool(view.blank[0]):
        return []
    first = restorer.encoder.query_of(view)[0]
    keys = {name: key for name, key in restorer.keys.items() if key.length <= len(first)}
    halves, second = look_twice(
        restorer.encoder, keys, restorer.origins, view, first, restorer.remove, restorer.judges, image
    )
    weights = {**read_query(first, keys, second).weights, **halves.given}
    top, left = ((n - MIDDLE) // 2 for n in clean.shape[2:])
    middles = [picture[..., top : top + MIDDLE, left : left + MIDDLE] for picture in (image, clean)]

    def psnr(weights: Mapping[str, float]) -> float:
        restored = restorer.remove(middles[0], weights).clamp(0, 1)
        return min(UNTOUCHED, -10 * math.log10(max(float((restored - middles[1]).square().mean()), 1e-12)))

    found = []
    for name, key in keys.items():
        if (bases is not None and name not in bases) or not may_be_tried(name, restorer.origins, halves.found):
            continue
        numbers = evidence_for(halves, name, key, first, second, UNSURE)
        if numbers is not None:
            others = (weights, dict.fromkeys(names, 1.0))
            ends = tuple((psnr({**beside, name: 1.0}), psnr({**beside, name: 0.0})) for beside in others)
            spared = name in restorer.origins.optical and name not in names
            found.append(Trial(name, numbers, spared, ends, weights[name]))
    return found


def draw(
    photos: Sequence[Tensor], degradations: dict[str, Degradation], generator: Generator
) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Draw a clean picture, (1, 3, s, s), the same degraded, and by what. degradations: by name."""
    dice = torch.rand(6, generator=generator).tolist()
    names = [name for name in by_share(SETS, generator).split("+") if name in degradations]
    sparse = [name for name, degradation in degradations.items() if degradation.sparse]
    names += sparse if dice[0] < RAINY else []
    side = SIDES[int(dice[1] * len(SIDES))]
    clean = random_patches(photos, 1, side, generator, emphasis=0.0)
    if dice[5] < LINED:
        clean = lined(clean, generator)
    if dice[2] < SOFTENED and all(degradations[name].late for name in names):
        clean = softened(clean, 1 + dice[3] * (SOFTEST - 1))
    image = clean
    if names:
        image = Compose.draw([degradations[name] for name in names], clean.shape, generator).apply(clean)
    return clean, image if dice[4] < ARRAYS else as_file(image, generator), tuple(names)


def trials(
    restorer: Restorer,
    photos: Sequence[Tensor],
    count: int,
    bases: Collection[str] | None = None,
    tell: Callable[[str], None] = lambda line: None,
    path: Path | None = None,
) -> list[Trial]:
    """Try bases on pictures with seeds from 0 on, as many at once as there are threads.

    count: of the pictures.
    tell: told lines.
    path: file where trials are kept, every half minute, and gone on from; None for none.
    Other arguments as in `tried`.
    """
    return gathered(lambda seed: tried(restorer, photos, seed, bases), count, path, tell, keep, kept)


def keep(path: Path, some: Sequence[Trial], done: int) -> None:
    """Write trials, and how many pictures were drawn for them; whole, or as it was before."""
    names = sorted({trial.basis for trial in some})
    marks = [[names.index(trial.basis), trial.spared, trial.weight] for trial in some]
    tensors = {
        "numbers": torch.stack([trial.numbers for trial in some]),
        "ends": torch.tensor([trial.ends for trial in some], dtype=torch.float64),
        "marks": torch.tensor(marks, dtype=torch.float64),
        "done": torch.tensor(done),
    }
    write_whole(path, save(tensors, {"bases": " ".join(names)}))


def kept(path: Path) -> tuple[list[Trial], int]:
    """Read what `keep` wrote."""
    with safe_open(path, "pt") as file:
        names = file.metadata()["bases"].split(" ")
        numbers, ends, marks, done = (file.get_tensor(name) for name in ("numbers", "ends", "marks", "done"))
    found = [
        Trial(names[int(name)], row, bool(spared), tuple((with_it, without) for with_it, without in pairs), weight)
        for row, pairs, (name, spared, weight) in zip(numbers, ends.tolist(), marks.tolist(), strict=True)
    ]
    return found, int(done)


def lost(some: Sequence[Trial], weights: Sequence[float]) -> float:
    """Mean of the decibels by which weights of one basis are behind the better of 0 and 1, beside the others that
    were found."""
    total = 0.0
    for trial, weight in zip(some, weights, strict=True):
        off = [10 ** (-end / 20) for end in trial.ends[0]]
        total += max(trial.ends[0]) + 20 * math.log10(off[1] + (off[0] - off[1]) * weight)
    return total / max(1, len(some))


def judge_of(training: Sequence[Trial], held_out: Sequence[Trial]) -> tuple[BasisKey, dict[str, float]]:
    """Fit the judge of one basis to the ones; and the dB lost on the others, by the key and with the judge."""
    each = [(trial, with_it - without) for trial in training for with_it, without in trial.ends]
    gain = torch.tensor([value for _, value in each])
    looks = Looks(torch.stack([trial.numbers for trial, _ in each]), (gain > 0).float(), ((),) * len(each))
    spared = torch.tensor([SPARED if trial.spared else 1.0 for trial, _ in each])
    judge = fit_several(looks, JUDGES, worth=spared * (LEAST + gain.abs().clamp(max=MOST)))
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
    parser.add_argument("--bases", nargs="+", help="names of the bases to judge; all that have a key if left out")
    parser.add_argument("--limit", type=int, help="number of photographs to read")
    parser.add_argument("--pictures", type=int, default=4000, help="number of pictures to draw")
    parser.add_argument("--held-out", type=int, default=600, help="and of held-out photographs")
    parser.add_argument("--run", type=Path, help="folder where trials are kept, and gone on from")
    parser.add_argument("--threads", type=int, help="pictures at once")
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    restorer = Restorer.from_pretrained(device="cpu", catalog=build_catalog(load_plugins()))
    if unknown := sorted(set(chosen.bases or ()) - set(restorer.keys)):
        parser.error(f"no key of {', '.join(unknown)}; there are those of {', '.join(restorer.keys)}")
    photos = Photos.load(chosen.photos, min(SIDES), chosen.limit)
    parts = {"training": (photos.training, chosen.pictures), "held_out": (photos.calibration, chosen.held_out)}
    lots = [
        trials(
            restorer, some, count, chosen.bases, lambda line: print(line, flush=True),
            chosen.run and chosen.run / f"{part}.safetensors",
        )
        for part, (some, count) in parts.items()
    ]  # fmt: skip
    for name in sorted({trial.basis for trial in lots[0]}):
        folder = chosen.out / name
        training, held_out = ([trial for trial in lot if trial.basis == name] for lot in lots)
        judge, figures = judge_of(training, [trial for trial in held_out if trial.numbers[KEYS] > TRIED])
        kept = figures["lost_by_judge"] < PLAINLY * figures["lost_by_key"]
        if kept:
            write_key(folder / EVIDENCE, judge)
            write_sums(folder)
        print(json.dumps({"basis": name, **figures, "kept": kept}), flush=True)


if __name__ == "__main__":
    main()
