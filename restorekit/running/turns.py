"""A mixture in one pass, or in two where one of its bases wants a pass of its own.

    restored = pass(bases apart, pass(all others, picture))

Bases that were trained together share one network. One that came later was not, and what it changes most, such as
the light of the whole picture, can be what the others look at: in one network with rain, haze stays 1.8 dB behind
itself after rain. `"apart": true` in its `basis.json` asks for a pass of its own, of what the others leave: they
undo what happened last. Before such a pass its plugin may do something to the picture
(`restorekit.running.prepared`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from restorekit.image import as_float, as_values
from restorekit.image.pixels import bands
from restorekit.model.backbone import Backbone
from restorekit.model.basis import Basis
from restorekit.model.mixing import Mixer, Mixture
from restorekit.running.passing import Pass, Passing
from restorekit.running.prepared import prepared

__all__ = ["Turns", "copied", "told_as_done"]


@dataclass(frozen=True)
class Turns:
    """Passes of one restorer.

    apart: names of the bases that want a pass of their own.
    prepare: for some of them, "module:function" for what is done before it, by name.
    still: whether the backbone leaves pictures as they are where there is no basis.
    """

    mixer: Mixer
    passing: Passing
    apart: Collection[str] = ()
    prepare: Mapping[str, str] = field(default_factory=dict)
    still: bool = False

    @classmethod
    def of(cls, mixer: Mixer, passing: Passing, cards: Collection[Basis]) -> Turns:
        """The passes for the mixer's bases, which have these cards."""
        prepare = {card.name: card.prepare for card in cards if card.prepare}
        apart = frozenset(card.name for card in cards if card.apart)
        return cls(mixer, passing, apart, prepare, keeps_still(mixer.backbone))

    def parts(self, mixture: Mixture) -> tuple[Mixture, ...]:
        """The mixture as it is, or first all but the bases apart, and then these."""
        last = [name for name in mixture.active if name in self.apart]
        if not last or len(last) == len(mixture.active):
            return (mixture,)
        return mixture.without(*last), mixture.only(*last)

    def passed(self, mixture: Mixture, image: Tensor, dtype: torch.dtype, how: Pass) -> Tensor:
        """Take a picture through its passes; arguments as in `Passing.run`. Between them it is not rounded to 8
        bits. Where there is nothing to do there is no pass."""
        if self.still and not mixture.active:
            told_as_done(how)
            return copied(image, dtype)
        *first, last = self.parts(mixture)
        waiting = [name for name in last.active if name in self.prepare]
        turns = len(first) + len(waiting) + 1
        between, turn = torch.uint16 if dtype == torch.uint8 else dtype, 0

        def through(part: Mixture, kind: torch.dtype) -> Tensor:
            one = replace(how, progress=told_as_one(how.progress, turn, turns))
            done = self.passing.until_it_fits(self.mixer.specialise(part), image, kind, one)
            how.side = one.side
            return done

        for part in first:
            image, turn = through(part, between), turn + 1
        for name in waiting:
            tell = told_as_one(how.progress, turn, turns)
            done = prepared(name, self.prepare[name], image, last.values[name], tell, between)
            image, last, turn = (image, last.without(name), turn) if done is None else (done, last, turn + 1)
        if waiting and not last.active:
            return as_values(as_float(image), dtype)
        return through(last, dtype)


def keeps_still(backbone: Backbone) -> bool:
    """Tell whether all that a network makes is added to the picture by a head, and this has no weights."""
    facts = backbone.facts
    if facts.space != "pixels" or not facts.head:
        return False
    return not any(bool(own.any()) for own in backbone.network.get_submodule(facts.head).parameters())


def copied(image: Tensor, dtype: torch.dtype) -> Tensor:
    """Copy a picture, (1, 3, H, W), in another type, band by band; what lies beyond [0, 1] is clipped."""
    copy = torch.empty(image.shape, dtype=dtype, device=image.device)
    for band in bands(*image.shape[2:]):
        copy[..., band, :] = as_values(as_float(image[..., band, :]).clamp(0, 1), dtype)
    return copy


def told_as_done(how: Pass) -> None:
    """Make a pass that is not wanted tell of its end."""
    if how.progress is not None:
        how.progress(1, 1)


def told_as_one(
    tell: Callable[[int, int], None] | None, turn: int, turns: int
) -> Callable[[int, int], None] | None:
    """Make one of the passes tell of its pieces as of a work of so many passes."""
    if tell is None or turns == 1:
        return tell
    return lambda done, total: tell(turn * total + done, turns * total)
