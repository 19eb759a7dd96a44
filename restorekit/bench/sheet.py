"""A contact sheet: of every picture of some protocols the same crop before and after, side by side at full size.

For looking at what no number tells. The pictures are restored again. Mind the terms of the sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.bench.items import make_item
from restorekit.bench.methods import make
from restorekit.bench.strips import CROP, labelled, place_of_interest

if TYPE_CHECKING:
    from restorekit.bench.datasets import Located
    from restorekit.bench.protocol import Protocol
    from restorekit.plugin.catalog import Catalog

__all__ = ["GAP", "arrange", "cells", "padded"]

GAP = 4


def cells(
    protocol: Protocol, located: Located, methods: Sequence[str], catalog: Catalog, roots: Sequence[Path]
) -> Iterator[Tensor]:
    """For each picture of a protocol, what it was and what each method made of it, (1, 3, h, w)."""
    ready = [make(spec, catalog) for spec in methods]
    for method in ready:
        method.prepare()
    for index in range(len(located.sources)):
        item = make_item(protocol, located, index, catalog, roots)
        top, left = place_of_interest(item)
        views = [item.degraded.clamp(0, 1), *(method(item) for method in ready)]
        names = [f"{protocol.title}: {item.name}"[: CROP // 6], *methods]
        crops = [
            labelled(padded(view[..., top : top + CROP, left : left + CROP]), name, 1)
            for view, name in zip(views, names, strict=True)
        ]
        yield torch.cat(crops, -1)


def padded(crop: Tensor) -> Tensor:
    """White to the right of and below what is smaller than a crop."""
    return F.pad(crop, (0, CROP - crop.shape[-1], 0, CROP - crop.shape[-2]), value=1.0)


def arrange(pictures: Iterable[Tensor], columns: int) -> Tensor:
    """Cells of one size in rows of `columns`; (1, 3, H, W)."""
    framed = [F.pad(p, (0, GAP, 0, GAP), value=1.0) for p in pictures]
    framed += [torch.ones_like(framed[0])] * (-len(framed) % columns)
    rows = [torch.cat(framed[i : i + columns], -1) for i in range(0, len(framed), columns)]
    return torch.cat(rows, -2)
