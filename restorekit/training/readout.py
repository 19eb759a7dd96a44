"""A later basis's key and gauge: two convex read-outs of the frozen encoder's queries q, standardised.

    key, bias = argmin  mean log(1 + exp(-y (key . q + bias))) + DECAY / 2 |key|^2        y = 1 with it, -1 without
    gauge     = argmin  mean share (gauge . (q, 1) - fraction)^2 + DECAY |gauge|^2

Each has one optimum, which L-BFGS and a linear system find in no time. A basis that is installed must not touch
pictures that lack its degradation: so the bias is then moved, on photographs that the fit has not seen, to where
at most FALSE_ALARMS of the pictures without it get a weight above HARMFUL, among the clean ones and among those
with each other degradation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.model.basis import BasisKey
from restorekit.model.encoder import STRETCH, weights_of
from restorekit.training.looks import Looks

__all__ = [
    "DECAY",
    "ENOUGH",
    "FALSE_ALARMS",
    "HARMFUL",
    "Judgement",
    "fit_key",
    "groups_without",
    "logistic",
    "logit_of",
    "rarely_above",
    "ridge",
]

DECAY = 1e-3
ABSENT = 0.15  # share of a picture without the degradation in the gauge's error
FALSE_ALARMS = 0.01
TAIL, FEWEST = 0.05, 5  # share of a group of pictures that makes its tail, and their number at least
HARMFUL = 0.05  # weight from which on a picture without the degradation counts as a false alarm
SUREST = 4.0  # times the fitted slope, at most
MARGIN = 0.05  # of the logit, for what rounding to 16 bits does to key and bias
# Share of the pictures with the degradation that a key has to find, mild ones and those with others beside it
# included. One that finds fewer is hardly of use: it is left out, and the basis is at the user's command only.
ENOUGH = 0.5


@dataclass(frozen=True)
class Judgement:
    """The quality of a key on photographs that were not used to fit it.

    accuracy: mean of `found` and what is left by the false alarms.
    found: share of the pictures with the degradation that get at least half of its basis.
    false_alarms: share of those without it that get more than HARMFUL of it.
    queries: pictures looked at in all.
    """

    accuracy: float
    found: float
    false_alarms: float
    queries: int

    @property
    def good(self) -> bool:
        """True where the basis may ship with the key."""
        return self.found >= ENOUGH and self.false_alarms <= FALSE_ALARMS

    def record(self) -> dict[str, float]:
        """The figures for `basis.json`."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def fit_key(fitted: Looks, held_out: Looks) -> tuple[BasisKey, Judgement]:
    """Fit key and gauge to `fitted`, set the bias on `held_out`, and judge the key there."""
    present = fitted.fractions > 0
    weight = logistic(fitted.queries, present)
    gauge = ridge(fitted.queries, fitted.fractions, torch.where(present, 1.0, ABSENT))
    weight = on_disk(weight * steepness(held_out.queries @ weight, held_out))
    bias = logit_of(HARMFUL) - MARGIN - floor_of(held_out.queries @ weight, held_out)
    key = BasisKey(weight, on_disk(torch.tensor(bias)), on_disk(gauge))
    return key, judged(key, held_out, len(fitted.fractions) + len(held_out.fractions))


def on_disk(tensor: Tensor) -> Tensor:
    """The values that a file of weights holds."""
    return tensor.half().float()


def floor_of(scores: Tensor, looks: Looks) -> float:
    """The score, (N,), that no more than FALSE_ALARMS of the pictures without the degradation are above: of the
    clean ones, and of those with each other degradation."""
    return max(rarely_above(scores[group]) for group in groups_without(looks).values())


def rarely_above(scores: Tensor) -> float:
    """The value, of scores (N,), that no more than FALSE_ALARMS of them are above: counted, and, since few of them
    show none as rare as that, reckoned from the mean excess of the largest, as if they fell off exponentially.

    Pickands, "Statistical inference using extreme order statistics", 1975, https://doi.org/10.1214/aos/1176343003
    """
    ranked = scores.sort(descending=True).values
    count = min(max(FEWEST, int(TAIL * len(ranked))), len(ranked) - 1)
    excess = float((ranked[:count] - ranked[count]).mean()) if count else 0.0
    reckoned = float(ranked[count]) + excess * max(0.0, math.log(max(count, 1) / len(ranked) / FALSE_ALARMS))
    return max(float(ranked[int(FALSE_ALARMS * len(ranked))]), reckoned)


def steepness(scores: Tensor, looks: Looks) -> float:
    """Factor of the scores, (N,): 1 as fitted, or more where that is needed for three of four pictures with the
    degradation to get all of the weight."""
    room = float(scores[looks.fractions > 0].quantile(0.25)) - floor_of(scores, looks)
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
    weights = weights_of(looks.queries @ key.key + key.bias)
    with_it = looks.fractions > 0
    found = float((weights[with_it] >= 0.5).float().mean())
    alarms = float((weights[~with_it] > HARMFUL).float().mean())
    return Judgement((found + 1 - alarms) / 2, found, alarms, queries)


def standardised(queries: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, (N, D), with mean 0 and deviation 1 in double precision; their means and deviations, (D,). What
    never varies tells nothing and becomes 0."""
    queries = queries.double()
    mean, deviation = queries.mean(0), queries.std(0, correction=0)
    deviation = torch.where(deviation > 1e-4, deviation, torch.inf)
    return (queries - mean) / deviation, mean, deviation


def logistic(queries: Tensor, present: Tensor) -> Tensor:
    """Key, (D,), of the regularised logistic regression. queries: (N, D). present: (N,), bool."""
    inputs, _, deviation = standardised(queries)
    labels = present.double()
    weight = torch.zeros(inputs.shape[1] + 1, dtype=torch.double, requires_grad=True)
    solver = torch.optim.LBFGS([weight], max_iter=200, line_search_fn="strong_wolfe", tolerance_grad=1e-7)

    def closure() -> Tensor:
        solver.zero_grad()
        logits = inputs @ weight[:-1] + weight[-1]
        loss = F.binary_cross_entropy_with_logits(logits, labels) + DECAY / 2 * weight[:-1].square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    solver.step(closure)  # type: ignore[no-untyped-call]
    return (weight.detach()[:-1] / deviation).float()


def ridge(queries: Tensor, wanted: Tensor, shares: Tensor) -> Tensor:
    """Gauge, (D + 1,), of the regularised linear regression.

    queries: (N, D).
    wanted: fractions, (N,).
    shares: of each in the error, (N,).
    """
    inputs, mean, deviation = standardised(queries)
    ones = torch.ones(len(inputs), 1, dtype=torch.double)
    design = torch.cat([inputs, ones], 1)
    weighted = design * (shares / shares.sum()).double()[:, None]
    decay = DECAY * torch.eye(design.shape[1], dtype=torch.double)
    decay[-1, -1] = 0
    solution = torch.linalg.solve(design.T @ weighted + decay, weighted.T @ wanted.double())
    gauge = solution[:-1] / deviation
    return torch.cat([gauge, (solution[-1] - gauge @ mean)[None]]).float()
