"""Pictures with and without one degradation, seen by the frozen encoder: what its key is fitted on.

Half of the pictures have nothing else wrong with them, since those are what people have most; the other half have
every other degradation, alone and together, or something that no basis removes. Each is looked at twice, with the
new degradation and without it, the other realisations unchanged: so that nothing but the new one tells the two
apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from restorekit.composition import Compose
from restorekit.degradation import Degradation
from restorekit.model.encoder import DegradationEncoder
from restorekit.training.labelled_pictures import SOFT, SOFTEST, VARIED
from restorekit.training.pairs import as_file
from restorekit.training.photos import random_patches, softened

__all__ = ["CLEAN", "Looking", "Looks", "side_for", "some_of"]

OTHERS = (0.5, 0.3, 0.14, 0.06)  # probability of 0, 1, 2, 3 other degradations
STRANGE = 0.4  # of the pictures with others have a strange one in their place
SIDES = (160, 224, 320, 448)  # px; of the longer side, as far as the photographs go
SHORTEST = 0.6  # of the longer side
TOGETHER = 2  # pictures of one draw, with realisations of their own
CLEAN = "clean"


@dataclass(frozen=True)
class Looks:
    """Queries of N pictures.

    queries: (N, D).
    fractions: (N,), severity of the new degradation between off (0) and strong (1), 0 where it is absent.
    others: for each picture the other degradations in it, or CLEAN.
    """

    queries: Tensor
    fractions: Tensor
    others: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Looking:
    """Draws pictures and looks at them.

    new: the degradation whose key is wanted.
    others: those that it has to be told from.
    encoder: looks at them.
    strangers: degradations that no basis removes.
    """

    new: Degradation
    others: tuple[Degradation, ...]
    encoder: DegradationEncoder
    strangers: tuple[Degradation, ...] = ()

    @torch.inference_mode()
    def look(
        self,
        photos: Sequence[Tensor],
        count: int,
        generator: Generator,
        progress: Callable[[int], None] = lambda done: None,
    ) -> Looks:
        """Look at `count` pictures without the new degradation, and at the same ones with it.

        photos: uint8, (3, H, W) each.
        count: of the pictures.
        generator: draws them.
        progress: told how many of the 2 count queries there are.
        """
        place = next(self.encoder.parameters()).device
        queries: list[Tensor] = []
        fractions: list[Tensor] = []
        named: list[tuple[str, ...]] = []
        while len(named) < 2 * count:
            clean, compose = self.draw(photos, generator)
            severity = next(s.realisation.severity for s in compose.steps if s.degradation is self.new)
            names = tuple(s.degradation.name for s in compose.steps if s.degradation is not self.new) or (CLEAN,)
            present = torch.tensor([self.new.severity.fraction(v) for v in severity.tolist()])
            without = compose.without([self.new.name]).apply(clean)
            for image, fraction in ((without, torch.zeros(len(clean))), (compose.apply(clean), present)):
                seen = as_file(image, generator).clamp(0, 1).to(place)
                queries.append(self.encoder.query(seen, statistics=True).cpu())
                fractions.append(fraction)
                named.extend([names] * len(clean))
            progress(len(named))
        return Looks(torch.cat(queries), torch.cat(fractions), tuple(named))

    def draw(self, photos: Sequence[Tensor], generator: Generator) -> tuple[Tensor, Compose]:
        """Clean pictures, (TOGETHER, 3, H, W), and what is to happen to them, the new degradation included."""
        dice = torch.rand(5, generator=generator).tolist()
        side = side_for(photos, dice[0])
        short = round(side * (SHORTEST + (1 - SHORTEST) * dice[1]))
        clean = random_patches(photos, TOGETHER, side, generator, emphasis=0.0)
        clean = clean[..., :short, :] if dice[2] < 0.5 else clean[..., :short]
        chosen = some_of(self.others, generator)
        if chosen and self.strangers and float(torch.rand(1, generator=generator)) < STRANGE:
            chosen = [self.strangers[int(torch.randint(len(self.strangers), (1,), generator=generator))]]
        if dice[3] < SOFT and all(d.late for d in chosen):
            clean = softened(clean, 1 + dice[4] * (SOFTEST - 1))
        kinds = {}
        if float(torch.rand(1, generator=generator)) < VARIED:
            kinds = {d.name: d.kinds[int(torch.randint(len(d.kinds), (1,), generator=generator))] for d in chosen}
        kinds |= self.other_kinds(chosen, kinds, generator)
        return clean, Compose.draw([self.new, *chosen], clean.shape, generator, kinds=kinds)

    def other_kinds(
        self, chosen: Sequence[Degradation], kinds: Mapping[str, str], generator: Generator
    ) -> dict[str, str]:
        """Kinds, by name, in place of those that are the same thing as the new degradation.

        chosen: degradations beside it.
        kinds: drawn so far, by name.
        generator: draws others.
        """
        drawn = {}
        for other in chosen:
            left = [kind for kind in other.kinds if f"{other.name}:{kind}" not in self.new.same]
            if len(left) < len(other.kinds) and kinds.get(other.name) not in left:
                shares = [other.shares[other.kinds.index(kind)] if other.shares else 1.0 for kind in left]
                drawn[other.name] = left[int(torch.multinomial(torch.tensor(shares), 1, generator=generator))]
        return drawn


def side_for(photos: Sequence[Tensor], dice: float) -> int:
    """Choose a side of a picture, px. photos: uint8, (3, H, W) each. dice: in [0, 1)."""
    largest = max(min(photo.shape[1:]) for photo in photos)
    sides = [side for side in SIDES if side <= largest] or [largest]
    return sides[int(dice * len(sides))]


def some_of(others: Sequence[Degradation], generator: Generator) -> list[Degradation]:
    """Draw the other degradations of a picture, as many as OTHERS says."""
    sizes = torch.tensor(OTHERS[: len(others) + 1])
    size = int(torch.multinomial(sizes, 1, generator=generator))
    return [others[i] for i in torch.randperm(len(others), generator=generator)[:size].tolist()]
