"""The mixture of an example, found with a machine's own passes; in fp32, whatever it restores in."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from restorekit.errors import ImageError
from restorekit.image.hidden import fill_hidden
from restorekit.model.mixing import Mixer, Mixture
from restorekit.running.arguments import check_pictures, check_visible
from restorekit.running.passing import Pass, Passing
from restorekit.weighing.by_example import Match, match
from restorekit.weighing.examples import PIECES, Example, Pieces
from restorekit.weighing.weigher import Weigher

__all__ = ["examples_of", "mixture_of"]


def examples_of(
    pairs: Sequence[tuple[Tensor, Tensor]], visible: Sequence[Tensor | None] | None = None
) -> tuple[Example, ...]:
    """Check pairs of pictures, and make examples of them; arguments as in `Restorer.by_example`."""
    for image in itertools.chain.from_iterable(pairs):
        check_pictures(image)
    masks = visible or [None] * len(pairs)
    examples = []
    for number, ((before, after), mask) in enumerate(zip(pairs, masks, strict=True), start=1):
        with numbered(number):
            check_visible(mask, before)
            filled = before if mask is None else fill_hidden(before, mask[0])
            examples.append(Example(filled, after, mask))
    return tuple(examples)


@contextmanager
def numbered(number: int) -> Iterator[None]:
    """Say in an error which example it is about."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"example {number}: {error}") from None


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
    parts = []
    for number, example in enumerate(examples, start=1):
        with numbered(number):
            parts.append(example.pieces(max(1, PIECES // len(examples))))
    passing = replace(passing, dtype=torch.float32)

    def changes(weights: Mapping[str, float]) -> Tensor:
        predictor = mixer.specialise(Mixture(dict(weights)))

        def restored(part: Pieces) -> Tensor:
            how = Pass(1, max(part.before.shape[2:]))  # each piece at once
            return passing.run(predictor, part.before, torch.float32, how, part.whole)

        return torch.cat([changed(part, restored(part)) for part in parts])

    found = [weigher.weigh(e.before, e.visible).weights for e in examples]
    start = Mixture({name: sum(one[name] for one in found) / len(found) for name in mixer.bases})
    wanted = torch.cat([changed(part, part.after) for part in parts])
    matched = match(changes, wanted, start, largest, examples=len(examples))
    return replace(matched, shifts=tuple(part.shift for part in parts))


def changed(part: Pieces, after: Tensor) -> Tensor:
    """Change of the pieces that can be seen, (N,). after: (N, 3, h, w)."""
    return part.seen(after - part.before)
