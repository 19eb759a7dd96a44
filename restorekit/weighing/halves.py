"""Crops of one picture, restored by what was found in it and by what is tried, each once.

Restoring crops costs more than looking at them: so every other of them comes first, and often is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch
from torch import Tensor

from restorekit.model.encoder import View
from restorekit.model.evidence import BLOCK
from restorekit.model.looking import cut

__all__ = ["Advance", "Halves", "Remove", "every_other", "level_kept", "middles"]

# Crops, (N, 3, s, s), in [0, 1], and weights by basis name to the crops restored with them.
Remove = Callable[[Tensor, Mapping[str, float]], Tensor]

LEVEL = 1.2  # of 255, the most that a sparse basis may shift the level between the streaks
MIDDLE = 64  # px, side of what is tried of a crop, which tells as much as all of it
FAINT, PLAIN = 20.0, 30.0  # of 255: streaks that may be none, and streaks that are, whatever the level does


@dataclass(frozen=True)
class Advance:
    """A picture that was restored in advance, (1, 3, H, W), floating, and the weights by which, by basis name."""

    weights: Mapping[str, float]
    image: Tensor


class Halves:
    """Crops of one picture, and the same restored by what was found, every other first.

    view: of the picture.
    found: weights by which crops are cleaned, each once.
    given: those among them, zeros too, that judges and not keys gave.
    """

    def __init__(
        self,
        view: View,
        found: Mapping[str, float],
        remove: Remove,
        given: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self.parts = [part for part in (every_other(view, 0), every_other(view, 1)) if len(part.crops)]
        self.found, self.remove, self.given = found, remove, given
        self.clean: dict[int, Tensor] = {}
        self.trials: dict[tuple[str, int], Tensor] = {}
        self.advance: Advance | None = None

    @property
    def counts(self) -> range:
        """Numbers of halves that there are, from one."""
        return range(1, len(self.parts) + 1)

    def view(self, count: int) -> View:
        """The first halves in one."""
        crops, owners = (torch.cat([getattr(p, n) for p in self.parts[:count]]) for n in ("crops", "owners"))
        places = tuple(place for part in self.parts[:count] for place in part.places)
        return replace(self.parts[0], crops=crops, owners=owners, places=places)

    def cleaned(self, count: int) -> Tensor:
        """The crops of the first halves, restored by what was found."""
        return torch.cat([self.part_cleaned(half) for half in range(count)])

    def part_cleaned(self, half: int) -> Tensor:
        """The crops of one half, restored by what was found, once."""
        if half not in self.clean:
            crops = self.parts[half].crops
            self.clean[half] = self.remove(crops, self.found) if self.found else crops
        return self.clean[half]

    def restore_in_advance(self, image: Tensor, whole: Remove) -> None:
        """Restore the picture by what was found, and cut the crops from that.

        image: (1, 3, H, W), no side below that of a crop.
        whole: restores it.
        """
        self.advance = Advance(self.found, whole(image, self.found))
        for half, part in enumerate(self.parts):
            self.clean[half] = cut(self.advance.image, part.places, part.crops.shape[-1]).to(part.crops)

    def tried(self, name: str, half: int = 0) -> Tensor:
        """The middles of the crops of one half, restored by what was found and by a basis at weight 1, once."""
        if (name, half) not in self.trials:
            self.trials[name, half] = self.remove(middles(self.parts[half].crops), {**self.found, name: 1.0})
        return self.trials[name, half]

    def level_kept(self, name: str) -> float:
        """The most that a sparse basis may weigh here; the second half is asked where the first is against it."""
        changes: list[Tensor] = []
        for count in self.counts:
            changes.append(self.tried(name, count - 1))
            limit = level_kept(torch.cat(changes) - middles(self.cleaned(count)))
            if limit == 1:
                break
        return limit


def every_other(view: View, start: int) -> View:
    """A view of one picture with every other of its crops, from the `start`-th."""
    return replace(view, crops=view.crops[start::2], owners=view.owners[start::2], places=view.places[start::2])


def middles(crops: Tensor) -> Tensor:
    """Cut the middles out of crops, (N, 3, s, s); they begin with a block as the crops do."""
    start = max(0, crops.shape[-1] - MIDDLE) // 2 // BLOCK * BLOCK
    return crops[..., start : start + MIDDLE, start : start + MIDDLE]


def level_kept(change: Tensor) -> float:
    """Limit the weight of a sparse basis, so that what lies between the streaks keeps its level.

    change: (N, 3, s, s), what the basis does to crops at weight 1. Between 0 and 1; 1 where the streaks are plain.
    """
    luma = 255 * change.mean(1).flatten()
    streaks, middle = luma.quantile(torch.tensor([0.01, 0.5], device=luma.device)).tolist()
    plain = (-streaks - FAINT) / (PLAIN - FAINT)
    return min(1.0, max(plain, LEVEL / max(abs(middle), 1e-6)))
