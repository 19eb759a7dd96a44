"""The end of the encoder's training: how sure each key may be, and where it says yes.

On photographs of its training the encoder is surer than it may be. Slope and shift of each key (Platt scaling,
1999) and the share of the second look (`restorekit.weighing.looks`) are looked for on held-out photographs, by
what the user gets: how far the restoration with the encoder's weights stays behind that with the right bases. One
number after another is moved, and stays where that helps (coordinate search). No gradient: clipped weights have
none, and one picture's is mostly chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from restorekit.model.encoder import DegradationEncoder, View, weights_of
from restorekit.model.looking import GRID
from restorekit.training.bank import Restore, one_hot_weights
from restorekit.training.held_out_rows import all_late, degraded_pictures, held_out_rows
from restorekit.training.keys import Keys
from restorekit.training.pairs import PairMaker
from restorekit.training.photos import validation_crops
from restorekit.weighing.looks import look_again

__all__ = ["ALONE", "CLEAN", "MOVED", "PHOTOGRAPHS", "Calibration", "Case", "counted", "spread"]

MOVED = ("second", "shift", "steepness")  # numbers of Keys
PHOTOGRAPHS = 14
# px a side: what is looked at, and its middle, which is restored. Larger ones would leave out small copies of
# photographs, whose twigs and whiskers are what is taken for rain.
PICTURE, PATCH = 192, 160
STEPS = (0.8, 0.4, 0.2)  # of shift, slope's logarithm and share, one size in each round
# How far up the slope's logarithm may move. Steeper, camera noise is no noise any more; flatter than it was, soft
# photographs get a quarter of everything.
STEEPEST = 0.7
# Times half of the photographs are enlarged where only noise or JPEG is to be removed, or nothing: as soft as most
# cameras have them.
SOFT = 1.5
CLEAN = 6  # rows, for which a picture without fault counts: there is nothing to win on it, and people have many
ALONE = 3  # rows, for which noise or JPEG by itself counts: what people have most
EQUAL = 0.01  # weights no further apart restore alike
ALIKE = 0.1  # and no further apart leave the same to a second look
LEAST_ERROR = 3e-5  # mean square of a restoration that need not be better, 45 dB


@dataclass
class Case:
    """One degraded picture and its original.

    degraded, clean: (1, 3, H, W).
    view: crops that the encoder looks at.
    first, second: logits of all keys, of each look, (K,).
    removed: weights with which the crops were restored in between, (K,).
    weights: those of the last restoration, at first the right ones.
    error: mean square error of that restoration.
    counts: number of rows that the case counts for.
    """

    degraded: Tensor
    clean: Tensor
    view: View
    first: Tensor
    second: Tensor
    removed: Tensor
    weights: Tensor
    error: float = 0.0
    counts: int = 1


def counted(pairs: PairMaker, severities: Mapping[str, float]) -> int:
    """Number of rows that a kind of picture counts for."""
    if not severities:
        return CLEAN
    return ALONE if len(severities) == 1 and all_late(pairs, severities) else 1


def spread(photos: Sequence[Tensor]) -> Tensor:
    """Middles of photographs of all sizes, at most PHOTOGRAPHS; (N, 3, s, s), in [0, 1]; s is PICTURE where one of
    them is so large."""
    side = min(PICTURE, max(min(p.shape[1:]) for p in photos) // GRID * GRID)
    large = [p for p in photos if min(p.shape[1:]) >= side]
    return validation_crops(large[:: max(1, len(large) // PHOTOGRAPHS)], PHOTOGRAPHS, side)


def middle(image: Tensor) -> Tensor:
    """The PATCH x PATCH px in its middle that are restored, or all there are; no JPEG block is cut."""
    edges = [max(0, n - PATCH) // 2 // GRID * GRID for n in image.shape[-2:]]
    return image[..., edges[0] : edges[0] + PATCH, edges[1] : edges[1] + PATCH]


class Calibration:
    """The search for slope, shift and share of the second look of each key.

    keys: whose numbers are moved.
    pairs: has the degradations, in the order of the keys.
    clean: held-out pictures, (N, 3, H, W).
    encoder: looks at them.
    restore: restores them at given weights.
    moved: numbers of the keys that are looked for.
    """

    @torch.no_grad()
    def __init__(
        self,
        keys: Keys,
        pairs: PairMaker,
        clean: Tensor,
        encoder: DegradationEncoder,
        restore: Restore,
        moved: Sequence[str] = MOVED,
    ) -> None:
        self.moved = [getattr(keys, name) for name in moved]
        self.keys = keys
        self.encoder = encoder
        self.restore = restore
        place = keys.key.device
        self.late = pairs.late.float().to(place)
        self.cases: list[Case] = []
        names = [d.name for d in pairs.degradations]
        photographs = clean.split(1)
        soft = [SOFT if i // 2 % 2 else 1.0 for i in range(len(photographs))]
        for row, severities in enumerate(held_out_rows(pairs.degradations)):
            generator = Generator().manual_seed(3000 + row)
            right = one_hot_weights(names, list(severities)).to(place)
            counts = counted(pairs, severities)
            for drawn in degraded_pictures(pairs, severities, photographs, generator, soft):
                degraded, photo = (picture.to(place) for picture in drawn)
                view = encoder.view(degraded)
                first = keys(encoder.query_of(view))[0][0]
                none = torch.zeros(len(names), device=place)
                half = replace(view, crops=view.crops.half())  # there are hundreds
                case = Case(middle(degraded), middle(photo), half, first, first, none, right, counts=counts)
                case.error = self.error_of(case, right)
                self.cases.append(case)
        self.best_possible = torch.tensor([case.error for case in self.cases])
        self.gap = self.measure()

    def error_of(self, case: Case, weights: Tensor) -> float:
        restored = self.restore(case.degraded, weights) if bool(weights.any()) else case.degraded
        return float((restored.clamp(0, 1) - case.clean).square().mean())

    def look(self, case: Case) -> None:
        """Look a second time if something else than before is to be removed first."""
        removed = weights_of(self.keys.calibrated(case.first)) * self.late
        if float((removed - case.removed).abs().max()) > ALIKE:
            case.removed, case.second = removed, case.first
            if bool(removed.any()):
                restored = self.restore(case.view.crops.float(), removed)
                case.second = self.keys(look_again(self.encoder, case.view, restored))[0][0]

    def measure(self) -> float:
        """Mean over all cases of the distance from the right bases, dB, with the keys as they are."""
        for case in self.cases:
            self.look(case)
            weights = weights_of(self.keys.calibrated(case.first, case.second))
            if float((weights - case.weights).abs().max()) > EQUAL:
                case.error, case.weights = self.error_of(case, weights), weights
        errors = torch.tensor([case.error for case in self.cases])
        ratio = (errors + LEAST_ERROR) / (self.best_possible + LEAST_ERROR)
        counts = torch.tensor([float(case.counts) for case in self.cases])
        return float((10 * torch.log10(ratio) * counts).sum() / counts.sum())

    @torch.no_grad()
    def step(self, number: int) -> float:
        """Try one move, the `number`-th of the search; the gap after it, or as it was."""
        number, down = divmod(number, 2)
        number, kind = divmod(number, len(self.moved))
        size = STEPS[number // len(self.late) % len(STEPS)]
        moved, index = self.moved[kind], number % len(self.late)
        before = float(moved[index])
        moved[index] = before + (-size if down else size)
        self.keys.steepness.clamp_(0, STEEPEST)
        self.keys.second.clamp_(0, 1).mul_(1 - self.late)  # what is looked for first is there to be removed
        if float(moved[index]) == before:
            return self.gap
        cases = [replace(case) for case in self.cases]
        gap = self.measure()
        if gap < self.gap:
            self.gap = gap
        else:
            moved[index] = before
            self.cases = cases
        return self.gap
