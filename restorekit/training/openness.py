"""Openness of the encoder: keys for degradations that its training has never seen.

Leave one out: none of `restorekit.training.other_kinds` was drawn when the encoder was trained, so each stands
for the degradation of a plugin to come. A key for it is fitted on the frozen encoder, with all the others and the
first party's as what it is to be told from, and asked on other photographs how many pictures with the degradation
it finds where it takes one in a hundred clean ones for it, and one in a hundred of every kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from restorekit.degradation import Degradation
from restorekit.model.encoder import DegradationEncoder
from restorekit.training.labelled_pictures import SOFT, SOFTEST
from restorekit.training.looks import CLEAN, Looks, side_for
from restorekit.training.other_kinds import strangers_to
from restorekit.training.pairs import as_file
from restorekit.training.photos import Photos, by_photograph, random_patches, softened
from restorekit.training.readout import FALSE_ALARMS, UNITS, fit, groups_without, kin_of, told_apart

__all__ = ["READINGS", "Found", "Pool", "openness", "pool_of"]

CLEANER = 6  # times as many clean pictures as of each kind
HELD_BACK = 4  # one photograph in so many is for the judgement
# By name: the length of query that a key reads, as a place in the encoder's `lengths`, and its hidden units.
READINGS = {"straight": (0, 0), "hidden": (0, UNITS), "statistics": (1, UNITS)}


@dataclass(frozen=True)
class Pool:
    """Queries of pictures with one thing wrong, or nothing. kinds: its name each. fractions: severities, (N,)."""

    queries: Tensor
    kinds: tuple[str, ...]
    fractions: Tensor

    def looks(self, name: str, length: int) -> Looks:
        """The pool as seen by a key for one kind, which reads queries of this length."""
        there = torch.tensor([kind == name for kind in self.kinds])
        others = tuple((CLEAN,) if kind == name else (kind,) for kind in self.kinds)
        return Looks(self.queries[:, :length], torch.where(there, self.fractions, 0.0), others)


@dataclass(frozen=True)
class Found:
    """Judgement of a key for one kind.

    kind: that it was fitted to.
    reading: name in READINGS.
    beside_clean: share of the pictures with it that are found where 1 % of the clean ones are taken for it.
    beside_all: share that is found where 1 % of the pictures of any kind are.
    taken_for_it: the kind that is most easily taken for it.
    kin: kinds that are the same but for their name, left out.
    """

    kind: str
    reading: str
    beside_clean: float
    beside_all: float
    taken_for_it: str
    kin: tuple[str, ...]


def openness(
    encoder: DegradationEncoder, fitted: Pool, judged: Pool, kinds: Sequence[str], strangers: Sequence[str]
) -> Iterator[Found]:
    """Fit a key to each kind, for every reading, and judge it.

    encoder: looked at the pools' pictures.
    fitted, judged: pools of different photographs.
    kinds: names of those that keys are fitted to.
    strangers: names that may be kin.
    """
    for kind in kinds:
        rivals = [name for name in strangers if name != kind]
        kin = kin_of(fitted.looks(kind, encoder.lengths[1]), rivals)
        for reading, (place, units) in READINGS.items():
            length = encoder.lengths[place]
            key = fit(told_apart(fitted.looks(kind, length), kin), units)
            looks = told_apart(judged.looks(kind, length), kin)
            scores, there = key.logit(looks.queries), looks.fractions > 0
            limits = {name: highest(scores[group]) for name, group in groups_without(looks).items()}
            worst = max(limits, key=lambda name: limits[name])
            clean, every = (float((scores[there] > limits[name]).float().mean()) for name in (CLEAN, worst))
            yield Found(kind, reading, clean, every, worst, kin)


def highest(scores: Tensor) -> float:
    """The score, of (N,), that FALSE_ALARMS of them are above."""
    ranked = scores.sort(descending=True).values
    return float(ranked[int(FALSE_ALARMS * len(ranked))])


def pool_of(
    encoder: DegradationEncoder,
    photos: Photos,
    degradations: Sequence[Degradation],
    count: int,
    generator: Generator,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Pool, Pool]:
    """Look at pictures with one degradation each, and at clean ones: a pool to fit keys to, and half as many of
    other photographs to judge them.

    encoder: looks.
    photos: the training ones are parted; the held-out ones are for the judgement.
    degradations: those of the first party; `strangers_to` them come besides.
    count: pictures of each in the first pool.
    generator: draws them.
    progress: told how many are done, of how many.
    """
    photographs = by_photograph(photos.training)
    parts = [[p for i, p in enumerate(photographs) if (i % HELD_BACK == 0) == held] for held in (False, True)]
    sources = [[copy for copies in part for copy in copies] for part in parts]
    sources[1].extend(photos.calibration)
    wanted: list[Degradation | None] = [None] * CLEANER + [*degradations, *strangers_to(degradations)]
    sizes = (count, max(1, count // 2))
    total, done, pools = len(wanted) * sum(sizes), 0, []
    for source, size in zip(sources, sizes, strict=True):
        queries, kinds, fractions = [], [], []
        for degradation in wanted:
            for _ in range(size):
                query, fraction = look(encoder, source, degradation, generator)
                queries.append(query)
                kinds.append(CLEAN if degradation is None else degradation.name)
                fractions.append(fraction)
                done += 1
                progress(done, total)
        pools.append(Pool(torch.cat(queries), tuple(kinds), torch.tensor(fractions)))
    return pools[0], pools[1]


@torch.inference_mode()
def look(
    encoder: DegradationEncoder, photos: Sequence[Tensor], degradation: Degradation | None, generator: Generator
) -> tuple[Tensor, float]:
    """The query, (1, D), of one picture, and the severity as a fraction of its scale; 0 for a clean one."""
    dice = torch.rand(3, generator=generator).tolist()
    image = random_patches(photos, 1, side_for(photos, dice[0]), generator, emphasis=0.0)
    if dice[1] < SOFT and (degradation is None or degradation.late):
        image = softened(image, 1 + dice[2] * (SOFTEST - 1))
    fraction = 0.0
    if degradation is not None:
        drawn = degradation.draw(image.shape, generator)
        image = degradation.apply(image, drawn)
        fraction = degradation.severity.fraction(float(drawn.severity[0]))
    return encoder.query(as_file(image, generator).clamp(0, 1), statistics=True), fraction
