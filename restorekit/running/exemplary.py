"""The mixture of an example, found with a machine's own passes; in fp32, whatever it restores in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.model.mixing import Mixer, Mixture
from restorekit.running.passing import Pass, Passing
from restorekit.weighing.by_example import Match, match
from restorekit.weighing.examples import PIECES, Example, Pieces
from restorekit.weighing.weigher import Weigher

__all__ = ["mixture_of"]


def mixture_of(
    examples: Sequence[Example],
    mixer: Mixer,
    passing: Passing,
    weigher: Weigher,
    largest: Mapping[str, float],
) -> Match:
    """Find the mixture that carries each example from before to after.

    examples: one or more.
    mixer, passing: as in `restorekit.running.restorer.Restorer`.
    weigher: says at which mixture the search begins.
    largest: greatest weight of each basis.
    """
    if not examples:
        raise ImageError("there is no example; give a picture before and the same one after")
    parts = [example.pieces(max(1, PIECES // len(examples))) for example in examples]
    passing = replace(passing, dtype=torch.float32)

    def changes(weights: Mapping[str, float]) -> Tensor:
        predictor = mixer.specialise(Mixture(dict(weights)))
        return torch.cat([changed(part, passing.run(predictor, part.before, torch.float32, how_of(part), part.whole))
                          for part in parts])  # fmt: skip

    found = [weigher.weigh(e.before, e.visible).weights for e in examples]
    start = Mixture({name: sum(one[name] for one in found) / len(found) for name in mixer.bases})
    wanted = torch.cat([changed(part, part.after) for part in parts])
    matched = match(changes, wanted, start, largest, examples=len(examples))
    return replace(matched, shifts=tuple(part.shift for part in parts))


def changed(part: Pieces, after: Tensor) -> Tensor:
    """Change of the pieces that can be seen, (N,). after: (N, 3, h, w)."""
    return part.seen(after - part.before)


def how_of(part: Pieces) -> Pass:
    """Each piece at once."""
    return Pass(1, max(part.before.shape[2:]))
