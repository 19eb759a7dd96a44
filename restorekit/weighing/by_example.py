"""Weights by example: the mixture that carries a picture to another one, a : a' :: b : b'.

    min over w of  log |a' - f_w(a)|² + price(w),     0 <= w_k <= largest_k

f_w is the restoration with mixture w, so K numbers are sought, in two stages, each of few passes of the network.

1. Sets. Bases are trained at weight 1, and most wishes are a set of them. From the set that the encoder reads,
   each basis in turn is put in or out. The changes of these flips add up, f_S - a' + Σ (f_S+k - f_S), well enough
   to tell which sets of a few flips are worth a pass; of two bases that do much the same, one is tried in place of
   the other. The best set is gone on from until none is better; and so it is from no basis at all.
2. Weights. They leave 0 and 1 where that pays: Levenberg-Marquardt with bounds. The flips are its first Jacobian,
   which each step mends by its own outcome, J += (Δf - J Δw) Δwᵀ / |Δw|²: one pass a step. Where no set does half
   of the change, as when half of the grain is to stay, they leave the encoder's set as well.

One example shows less than training did. So a basis for which the encoder sees no use has its price, and so has a
weight that is neither 0 nor 1.

Task: LoRWeB, Manor et al., 2026, https://arxiv.org/abs/2602.15727
Levenberg-Marquardt: Marquardt, 1963, https://doi.org/10.1137/0111030
Update of the Jacobian: Broyden, 1965, https://doi.org/10.1090/S0025-5718-1965-0198670-6
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from restorekit.model.mixing import Mixture

__all__ = ["Match", "Render", "match"]

Render = Callable[[Mapping[str, float]], Tensor]  # weights by basis name to the change that they make, (N,)
Weights = tuple[float, ...]  # in the order of the names

DB = math.log(10) / 10  # of an energy, in natural logarithm
UNSEEN = 0.3  # dB, price of a basis that the encoder sees no use for, for one example
ASIDE = 1.0  # dB of a weight of 1 in place of 0, or of 0 in place of 1, by its square
GAIN = 0.2  # dB, below which weights stay at 0 and 1
HALF = 0.5  # share of the change, from which on what a set leaves shows that a part of its weights is wished for
NEAR, FINE = (
    0.25,
    2.0,
)  # moves of weights up to the first, which one picture's contents ask for, have to gain more dB
FOUND = 0.5  # weight from which the encoder sees a use for a basis, which is then in the first set
FLIPS = 3  # most of them at once
TRIED = 3  # sets that the flips speak for, in each round
ROUNDS, STEPS = 6, 8  # most of the two stages
NOTHING = 1e-6  # of the change, an energy that counts as none: an example that a mixture made itself


@dataclass(frozen=True)
class Match:
    """A mixture that carries examples from before to after.

    mixture: of all bases.
    explained: share of the energy of the change, |after - before|², that it explains; at most 1, and 0 for a
        mixture that does nothing. Detail that is lost for good, as by strong JPEG, no mixture explains.
    shifts: px down and to the right by which each picture after lay beside the one before.
    passes: of the network.
    """

    mixture: Mixture
    explained: float
    shifts: tuple[tuple[int, int], ...] = ()
    passes: int = 0


class Trials:
    """Mixtures that were tried: what is left of the wanted change after each.

    render: makes a change.
    wanted: the change to make, (N,).
    names: of the bases.
    """

    def __init__(self, render: Render, wanted: Tensor, names: Sequence[str]) -> None:
        self.render, self.wanted, self.names = render, wanted, names
        self.energy = float(wanted.square().sum())
        self.left: dict[Weights, Tensor] = {(0.0,) * len(names): -wanted}

    def rest(self, weights: Weights) -> Tensor:
        """f_w(a) - a', (N,)."""
        if weights not in self.left:
            self.left[weights] = self.render(dict(zip(self.names, weights, strict=True))) - self.wanted
        return self.left[weights]

    def share(self, weights: Weights) -> float:
        """Energy of the rest, as a share of that of the change."""
        return float(self.rest(weights).square().sum()) / self.energy

    def level(self, weights: Weights) -> float:
        """The same in dB."""
        return in_db(self.share(weights))


def in_db(share: float) -> float:
    return math.log(share + NOTHING) / DB


def match(
    render: Render, wanted: Tensor, start: Mixture, largest: Mapping[str, float], *, examples: int = 1
) -> Match:
    """Find the mixture that makes a change.

    render: makes the change of a mixture.
    wanted: the change to make, (N,), not zero.
    start: the mixture to begin at, as the encoder reads it.
    largest: greatest weight of each basis.
    examples: number of them in the change; several weigh more against prices than one.
    """
    names = sorted(start.values)
    trials = Trials(render, wanted, names)
    top = tuple(float(largest[name]) for name in names)
    first = tuple(min(1.0, most) if start[name] > FOUND else 0.0 for name, most in zip(names, top, strict=True))
    prices = tuple(0.0 if start[name] > FOUND else UNSEEN / examples for name in names)
    chosen = choose(trials, first, top, prices)
    sets = [chosen] if trials.share(chosen) < HALF else list(dict.fromkeys([chosen, first]))
    ends = [around(trials, one, top, examples) for one in sets]
    weights = min(ends, key=lambda w: trials.level(w) + price_of(w, prices))
    mixture = Mixture({name: round(weight, 3) for name, weight in zip(names, weights, strict=True)})
    return Match(mixture, 1 - trials.share(weights), passes=len(trials.left) - 1)


def around(trials: Trials, chosen: Weights, top: Weights, examples: int) -> Weights:
    """The second stage: a set, or the weights around it that are better by enough; examples: their number."""
    weights, refined = chosen, refine(trials, chosen, top, ASIDE / examples)
    far = tuple(new if abs(new - old) > NEAR else old for new, old in zip(refined, chosen, strict=True))
    for other, least in ((far, GAIN), (refined, FINE)):
        if trials.level(weights) - trials.level(other) >= least / examples:
            weights = other
    return weights


def price_of(weights: Weights, prices: Sequence[float]) -> float:
    """Price of the bases with a weight, dB."""
    return sum(price for price, weight in zip(prices, weights, strict=True) if weight)


def flipped(weights: Weights, places: Sequence[int], top: Weights) -> Weights:
    """The set with these bases put in, or out."""
    new = {k: 0.0 if weights[k] else min(1.0, top[k]) for k in places}
    return tuple(new.get(k, weight) for k, weight in enumerate(weights))


def choose(trials: Trials, first: Weights, top: Weights, prices: Sequence[float]) -> Weights:
    """The first stage: the set of bases that makes the change best, from two sides.

    first: the set to begin at, beside none.
    prices: of the bases, dB.
    """

    def cost(level: float, weights: Weights) -> float:
        return level + price_of(weights, prices)

    def paid(weights: Weights) -> float:
        return cost(trials.level(weights), weights)

    count = len(top)
    several = [c for n in range(2, FLIPS + 1) for c in itertools.combinations(range(count), n)]

    def gone_on(best: Weights) -> Weights:
        """The best set that steps from a set lead to."""
        for _ in range(ROUNDS):
            rest, singles = trials.rest(best), [flipped(best, (k,), top) for k in range(count)]
            steps = torch.stack([trials.rest(single) - rest for single in singles])  # (K, N)
            gram, along = steps @ steps.T, steps @ rest  # (K, K), (K,)
            alike = gram / gram.diag().outer(gram.diag()).sqrt().clamp_min(1e-12)
            foreseen = []
            for places in several:
                change = (
                    float(gram[list(places)][:, list(places)].sum() + 2 * along[list(places)].sum())
                    / trials.energy
                )
                level = in_db(max(0.0, trials.share(best) + change))
                foreseen.append((cost(level, flipped(best, places, top)), places))
            swaps = [
                (float(alike[i, j]), (i, j)) for i in range(count) for j in range(count) if best[i] > best[j] == 0
            ]
            likely = [places for _, places in sorted(foreseen)[:TRIED] + sorted(swaps)[:TRIED]]
            better = min([*singles, *(flipped(best, places, top) for places in likely)], key=paid)
            if paid(better) >= paid(best):
                break
            best = better
        return best

    return min((gone_on(start) for start in {first, (0.0,) * count}), key=paid)


def refine(trials: Trials, chosen: Weights, top: Weights, aside: float) -> Weights:
    """The best weights around a set.

    chosen: the set.
    top: greatest weights.
    aside: price of a weight away from the set's, dB.
    """
    centre, upper = (torch.tensor(w, dtype=torch.float64) for w in (chosen, top))
    inside = (centre > 0).double()

    def cost(weights: Weights) -> float:
        away = torch.tensor(weights, dtype=torch.float64) - centre
        return trials.level(weights) + aside * float((1 - inside) @ away + inside @ away.square())

    best, rest, damping = chosen, trials.rest(chosen), 1e-3
    singles = [flipped(chosen, (k,), top) for k in range(len(top))]
    slopes = [(trials.rest(s) - rest) / (s[k] - chosen[k]) for k, s in enumerate(singles)]
    jacobian = torch.stack(slopes)  # (K, N)
    for _ in range(STEPS):
        at, rest = torch.tensor(best, dtype=torch.float64), trials.rest(best)
        energy = trials.energy * (trials.share(best) + NOTHING)
        gradient = 2 * (jacobian @ rest).double() / energy / DB
        gradient += aside * (1 - inside + 2 * inside * (at - centre))
        curvature = 2 * (jacobian @ jacobian.T).double() / energy / DB + torch.diag(2 * aside * inside)
        damped = curvature + damping * torch.diag(curvature.diag()) + 1e-9 * torch.eye(len(at))
        step = within(damped, gradient, -at, upper - at)
        if -float(gradient @ step + step @ curvature @ step / 2) < GAIN / 10:
            break
        new = tuple((at + step).clamp_min(0).minimum(upper).tolist())
        moved, by = trials.rest(new) - rest, step.float()
        jacobian += torch.outer(by, moved - by @ jacobian) / by.square().sum()
        if cost(new) < cost(best):
            best, damping = new, 0.3 * damping
        else:
            damping = max(10 * damping, 0.1)
    return best


def within(curvature: Tensor, gradient: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The step that minimises g·d + d·C·d / 2 with low <= d <= high, one coordinate after another."""
    step = torch.zeros_like(gradient)
    for _ in range(100):
        before = step.clone()
        for k in range(len(step)):
            if curvature[k, k] > 0:
                slope = gradient[k] + curvature[k] @ step - curvature[k, k] * step[k]
                step[k] = (-slope / curvature[k, k]).clamp(low[k], high[k])
        if (step - before).abs().max() < 1e-6:
            break
    return step
