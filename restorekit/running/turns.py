"""A mixture in one pass, or in two where one of its bases wants a pass of its own.

    restored = pass(bases apart, pass(all others, picture))

Bases that were trained together share one network. One that came later was not, and what it changes most, such as
the light of the whole picture, can be what the others look at: in one network with rain, haze stays 1.8 dB behind
itself after rain. `"apart": true` in its `basis.json` asks for a pass of its own, of what the others leave: they
undo what happened last.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restorekit.model.mixing import Mixer, Mixture
from restorekit.plugin.catalog import Catalog
from restorekit.running.passing import Pass, Passing

__all__ = ["Turns"]


@dataclass(frozen=True)
class Turns:
    """Passes of one restorer.

    apart: names of the bases that want a pass of their own.
    """

    mixer: Mixer
    passing: Passing
    apart: Collection[str] = ()

    @classmethod
    def of(cls, mixer: Mixer, passing: Passing, catalog: Catalog) -> Turns:
        """The passes for the mixer's bases, whose cards the catalogue has."""
        cards = (catalog.bases[name] for name in mixer.bases if name in catalog.bases)
        return cls(mixer, passing, frozenset(card.name for card in cards if card.apart))

    def parts(self, mixture: Mixture) -> tuple[Mixture, ...]:
        """The mixture as it is, or first all but the bases apart, and then these."""
        last = [name for name in mixture.active if name in self.apart]
        if not last or len(last) == len(mixture.active):
            return (mixture,)
        return mixture.without(*last), mixture.only(*last)

    def passed(self, mixture: Mixture, image: Tensor, dtype: torch.dtype, how: Pass) -> Tensor:
        """Take a picture through its passes; arguments as in `Passing.run`. Between them it is not rounded to 8
        bits."""
        parts = self.parts(mixture)
        between = torch.uint16 if dtype == torch.uint8 else dtype
        for turn, part in enumerate(parts):
            one = replace(how, progress=told_as_one(how.progress, turn, len(parts)))
            last = turn == len(parts) - 1
            predictor = self.mixer.specialise(part)
            image = self.passing.until_it_fits(predictor, image, dtype if last else between, one)
            how.side = one.side
        return image


def told_as_one(
    tell: Callable[[int, int], None] | None, turn: int, turns: int
) -> Callable[[int, int], None] | None:
    """Make one of the passes tell of its pieces as of a work of so many passes."""
    if tell is None or turns == 1:
        return tell
    return lambda done, total: tell(turn * total + done, turns * total)
