"""A later basis's key and gauge: a small network on the frozen encoder's queries and the pictures' statistics.

    logit, severity = key(q)        loss = mean share log(1 + exp(-y logit)) + mean share (severity - fraction)^2

y is 1 with the degradation and -1 without it. A basis that is installed must not touch pictures that lack its
degradation: so the bias is then moved, on photographs that the fit has not seen, to where at most FALSE_ALARMS of
the pictures without it get a weight above HARMFUL: of the clean ones, of those with each other degradation, and of
those with something stranger.

Some degradations are the same but for their name: a faded print is hazy, an underexposed picture dark. A kind that
a key, fitted without it, takes for its own in most pictures is its `kin`: nothing that it has to be told from. And
some photographs have it by nature: mist, or night. Those without the degradation that a key, fitted on other
photographs, finds worse than a good part of those with it, are left out, if they are few; else the key is no good.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.model.encoder import STRETCH, weights_of
from restorekit.model.key import LIMIT, BasisKey, Hidden
from restorekit.training.looks import Looks

__all__ = [
    "ENOUGH",
    "FALSE_ALARMS",
    "HARMFUL",
    "UNITS",
    "Judgement",
    "fit",
    "fit_key",
    "fit_several",
    "floor_of",
    "groups_without",
    "kin_of",
    "logit_of",
    "rarely_above",
    "told_apart",
]

UNITS = 32  # of the hidden layer
STEPS, BATCH, RATE = 800, 512, 6e-3
DECAY = 0.03
BLURRED = 0.3  # noise on the standardised queries, of which there are few
PRESENT = 0.25  # share of the pictures with the degradation in the loss
KIN = 0.5  # of the pictures of a kind look like it
NATURAL, MOST_NATURAL = 0.25, 0.05  # share of those with it that it is worse than; share of the pictures, at most
FLAT = 1e-4  # deviation of a value that tells nothing
ABSENT = 0.15  # share of a picture without the degradation in the error of the severity
FALSE_ALARMS = 0.01
TAIL, FEWEST = 0.05, 5  # share of a group of pictures that makes its tail, and their number at least
HARMFUL = 0.05  # weight from which on a picture without the degradation counts as a false alarm
SUREST = 4.0  # times the fitted slope, at most
MARGIN = 0.05  # of the logit, for what rounding to 16 bits does to key and bias
# Share of the pictures with the degradation that a key has to find, mild ones and those with others beside it
# included: many a photograph shows real haze, or a real night. One that finds fewer is hardly of use: it is left
# out, and the basis is at the user's command only.
ENOUGH = 0.33


@dataclass(frozen=True)
class Judgement:
    """The quality of a key on photographs that were not used to fit it.

    accuracy: mean of `found` and what is left by the false alarms.
    found: share of the pictures with the degradation that get at least half of its basis.
    false_alarms: share of those without it that get more than HARMFUL of it.
    queries: pictures looked at in all.
    kin: degradations that look the same.
    natural: share of the pictures without it that have it by nature, and were left out.
    allowed: false alarms that it may give.
    """

    accuracy: float
    found: float
    false_alarms: float
    queries: int
    kin: tuple[str, ...] = ()
    natural: float = 0.0
    allowed: float = FALSE_ALARMS

    @property
    def good(self) -> bool:
        """True where the basis may ship with the key."""
        return self.found >= ENOUGH and self.false_alarms <= self.allowed

    @classmethod
    def of_record(cls, figures: Mapping[str, Any]) -> Judgement:
        """The quality that `record` wrote."""
        return cls(**{**figures, "kin": tuple(figures.get("kin", ()))})

    def record(self) -> dict[str, Any]:
        """The figures for `basis.json`."""
        values = asdict(self)
        kin = values.pop("kin")
        if self.allowed == FALSE_ALARMS:
            del values["allowed"]
        return {name: round(value, 4) for name, value in values.items()} | ({"kin": list(kin)} if kin else {})


def fit_key(
    fitted: Looks, held_out: Looks, strangers: Collection[str] = (), allowed: float = FALSE_ALARMS
) -> tuple[BasisKey, Judgement]:
    """Fit key and gauge to `fitted`, set the bias on `held_out`, and judge the key there.

    strangers: degradations that may be the same as the new one but for their name.
    allowed: share of the pictures without the degradation that may get a weight.
    """
    kin = kin_of(fitted, strangers)
    fitted, held_out = told_apart(fitted, kin), told_apart(held_out, kin)
    keys = fit(held_out), fit(fitted)  # each for the others' photographs
    count = len(held_out.fractions) + len(fitted.fractions)
    by_nature = [natural(looks, key) for looks, key in zip((fitted, held_out), keys, strict=True)]
    fitted, held_out = (only(looks, ~mask) for looks, mask in zip((fitted, held_out), by_nature, strict=True))
    key = fit(fitted) if bool(by_nature[0].any()) else keys[1]
    slope = steepness(key.logit(held_out.queries), held_out, strangers, allowed)
    assert key.hidden is not None
    hidden = replace(key.hidden, up=on_disk(key.hidden.up * slope))
    key = replace(key, key=on_disk(key.key * slope), bias=torch.zeros(()), hidden=hidden)
    bias = logit_of(HARMFUL) - MARGIN - floor_of(key.logit(held_out.queries), held_out, strangers, allowed)
    key = replace(key, bias=on_disk_below(bias))
    left_out = float(by_nature[1].float().sum() / (by_nature[1].sum() + (held_out.fractions == 0).sum()))
    return key, replace(judged(key, held_out, count), kin=kin, natural=left_out, allowed=allowed)


def natural(looks: Looks, key: BasisKey) -> Tensor:
    """Mask, (N,), of the pictures that have the degradation by nature, as a key from other photographs sees it."""
    scores, there = key.logit(looks.queries), looks.fractions > 0
    worse = ~there & (scores > scores[there].quantile(NATURAL))
    few = float(worse.sum()) <= MOST_NATURAL * float((~there).sum())
    return worse if few else torch.zeros_like(worse)


def kin_of(looks: Looks, strangers: Collection[str]) -> tuple[str, ...]:
    """Names of the strangers that look like the new degradation to a key that was fitted without them."""
    named = {name for names in looks.others for name in names} & set(strangers)
    if not named:
        return ()
    key = fit(told_apart(looks, tuple(named)))
    positive = key.logit(looks.queries) > 0
    return tuple(
        sorted(n for n, group in groups_without(looks).items() if n in named and share(positive, group) > KIN)
    )


def share(mask: Tensor, group: Tensor) -> float:
    """Share of a group that a mask holds; both (N,), bool."""
    return float(mask[group].float().mean())


def told_apart(looks: Looks, names: Collection[str]) -> Looks:
    """The looks at pictures that have none of the named degradations beside the new one."""
    return only(looks, torch.tensor([not set(named) & set(names) for named in looks.others]))


def only(looks: Looks, kept: Tensor) -> Looks:
    """The looks at the pictures of a mask, (N,)."""
    others = tuple(named for named, keep in zip(looks.others, kept.tolist(), strict=True) if keep)
    return Looks(looks.queries[kept], looks.fractions[kept], others)


def fit_several(looks: Looks, count: int, units: int = UNITS, worth: Tensor | None = None) -> BasisKey:
    """Fit keys that begin differently and learn in different orders, and let one answer with their mean.

    count: of the keys.
    Other arguments as in `fit`.
    """
    keys = [fit(looks, units, worth, seed) for seed in range(count)]
    layers = [key.hidden for key in keys if key.hidden is not None]
    down, shift, up, rise = (torch.cat([getattr(h, n) for h in layers]) for n in ("down", "shift", "up", "rise"))
    hidden = replace(layers[0], down=down, shift=shift, up=on_disk(up / count), rise=on_disk(rise / count))
    key, bias, gauge = (
        on_disk(torch.stack([getattr(key, name) for key in keys]).mean(0)) for name in ("key", "bias", "gauge")
    )
    return BasisKey(key, bias, gauge, hidden=hidden)


def fit(looks: Looks, units: int = UNITS, worth: Tensor | None = None, seed: int = 0) -> BasisKey:
    """Fit key and gauge. The same looks give the same key.

    units: of the hidden layer; 0 for a straight key.
    worth: of the right answer for each picture, (N,), and the gauge is left out; None makes pictures with and
        without the degradation worth what PRESENT says.
    seed: of the layer that it begins with and of the order of the pictures.
    """
    generator = torch.Generator().manual_seed(seed)
    queries, present = looks.queries.float(), (looks.fractions > 0).float()
    count, length = queries.shape
    mean, deviation = queries.mean(0), queries.std(0, correction=0)
    mean, gain = on_disk(mean), on_disk(torch.where(deviation > FLAT, 1 / deviation.clamp_min(FLAT), 0.0))
    inputs = ((queries - mean) * gain).clamp(-LIMIT, LIMIT)
    shares = torch.where(
        present > 0, PRESENT / present.mean().clamp_min(1e-6), (1 - PRESENT) / (1 - present.mean()).clamp_min(1e-6)
    )
    asked = float(worth is None)
    shares = shares if worth is None else worth / worth.mean()
    start = Hidden(
        mean,
        gain,
        torch.randn(units, length, generator=generator) / length**0.5,
        torch.zeros(units),
        torch.randn(units, generator=generator) / max(1, units) ** 0.5,
        torch.zeros(units),
    )
    moving = [t.requires_grad_() for t in (start.down, start.shift, start.up, start.rise)]
    key, bias, gauge = (torch.zeros(size, requires_grad=True) for size in ((length,), (), (length + 1,)))
    optimiser = torch.optim.AdamW([*moving, key, bias, gauge], lr=RATE, weight_decay=DECAY)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    for _ in range(STEPS):
        chosen = torch.randint(count, (BATCH,), generator=generator)
        seen = inputs[chosen] + BLURRED * torch.randn(BATCH, length, generator=generator)
        inside = start.units(seen)
        logits = seen @ key + inside @ start.up + bias
        severities = seen @ gauge[:-1] + gauge[-1] + inside @ start.rise
        wrong = F.binary_cross_entropy_with_logits(logits, present[chosen], reduction="none")
        off = (severities - looks.fractions[chosen]).square() * torch.where(present[chosen] > 0, 1.0, ABSENT)
        loss = (shares[chosen] * wrong).mean() + asked * off.mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        rates.step()
    down, shift, up, rise = (on_disk(t.detach()) for t in moving)
    hidden = Hidden(mean, gain, down, shift, up, rise)
    key, bias, gauge = (on_disk(t.detach()) for t in (key, bias, gauge))
    return BasisKey(key, bias, gauge, hidden=hidden)


def on_disk(tensor: Tensor) -> Tensor:
    """The values that a file of weights holds."""
    return tensor.half().float()


def on_disk_below(value: float) -> Tensor:
    """The largest value of a file of weights, (), that is not above this one."""
    held = np.float16(value)
    return torch.tensor(float(np.nextafter(held, np.float16(-np.inf)) if float(held) > value else held))


def floor_of(
    scores: Tensor, looks: Looks, strangers: Collection[str] = (), allowed: float = FALSE_ALARMS
) -> float:
    """The score, (N,), that no more than `allowed` of the pictures without the degradation are above: of the clean
    ones, of those with each other degradation, and of those with any of the strangers."""
    groups = dict(groups_without(looks))
    strange = torch.zeros(len(scores), dtype=torch.bool)  # few of each: together
    for name in set(groups) & set(strangers):
        strange |= groups.pop(name)
    return max(rarely_above(scores[group], allowed) for group in (*groups.values(), strange) if bool(group.any()))


def rarely_above(scores: Tensor, allowed: float = FALSE_ALARMS) -> float:
    """The value, of scores (N,), that no more than `allowed` of them are above: counted, and, since few of them
    show none as rare as that, reckoned from the mean excess of the largest, as if they fell off exponentially.

    Pickands, "Statistical inference using extreme order statistics", 1975, https://doi.org/10.1214/aos/1176343003
    """
    ranked = scores.sort(descending=True).values
    count = min(max(FEWEST, int(max(TAIL, allowed) * len(ranked))), len(ranked) - 1)
    excess = float((ranked[:count] - ranked[count]).mean()) if count else 0.0
    reckoned = float(ranked[count]) + excess * max(0.0, math.log(max(count, 1) / len(ranked) / allowed))
    return max(float(ranked[int(allowed * len(ranked))]), reckoned)


def steepness(
    scores: Tensor, looks: Looks, strangers: Collection[str] = (), allowed: float = FALSE_ALARMS
) -> float:
    """Factor of the scores, (N,): 1 as fitted, or more where that is needed for three of four pictures with the
    degradation to get all of the weight."""
    room = float(scores[looks.fractions > 0].quantile(0.25)) - floor_of(scores, looks, strangers, allowed)
    return min(max(1.0, (logit_of(1.0) - logit_of(HARMFUL)) / max(room, 1e-6)), SUREST)


def logit_of(weight: float) -> float:
    """The logit at which `weights_of` gives this weight, in [0, 1]."""
    share = (weight + STRETCH) / (1 + 2 * STRETCH)
    return math.log(share / (1 - share))


def groups_without(looks: Looks) -> Mapping[str, Tensor]:
    """Masks, (N,), of the pictures without the degradation, by what else they have."""
    absent = looks.fractions == 0
    names = sorted({name for named in looks.others for name in named})
    masks = {name: torch.tensor([name in named for named in looks.others]) & absent for name in names}
    return {name: mask for name, mask in masks.items() if bool(mask.any())}


def judged(key: BasisKey, looks: Looks, queries: int) -> Judgement:
    """Judge a key.

    key: to be judged.
    looks: pictures that were not used to fit it.
    queries: pictures looked at in all.
    """
    weights = weights_of(key.logit(looks.queries))
    with_it = looks.fractions > 0
    found = float((weights[with_it] >= 0.5).float().mean())
    alarms = float((weights[~with_it] > HARMFUL).float().mean())
    return Judgement((found + 1 - alarms) / 2, found, alarms, queries)
