"""Picture strips: the input, what methods made of it, and the clean picture, as crops at full size.

The pictures are restored again. Mind the terms of the sets: most do not allow their pictures to be published.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from restorekit.bench.datasets import Located
from restorekit.bench.errors import BenchError
from restorekit.bench.items import Item, make_item
from restorekit.bench.methods import find_card, make, unsuited
from restorekit.bench.report import Picture
from restorekit.image import to_pil, write_image

if TYPE_CHECKING:
    from restorekit.bench.protocol import Protocol
    from restorekit.plugin.catalog import Catalog

__all__ = ["CROP", "LABEL", "draw_strip", "labelled", "place_of_interest"]

CROP = 160
LABEL = 18


def draw_strip(
    protocol: Protocol,
    located: Located,
    index: int,
    methods: Sequence[str],
    catalog: Catalog,
    roots: Sequence[Path],
    folder: Path,
) -> Picture:
    """One picture of a protocol through several methods."""
    item = make_item(protocol, located, index, catalog, roots)
    views = [("input", item.degraded.clamp(0, 1))]
    for spec in methods:
        if spec == "input" or unsuited(find_card(spec, catalog), protocol):
            continue
        method = make(spec, catalog)
        method.prepare()
        try:
            views.append((spec, method(item)))
        except BenchError:
            continue  # not for this picture; the run says so
    if item.clean is not None:
        views.append(("target", item.clean.clamp(0, 1)))
    top, left = place_of_interest(item)
    path = folder / "strips" / f"{protocol.name}-{item.name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    crops = [labelled(v[..., top : top + CROP, left : left + CROP], name) for name, v in views]
    gap = torch.ones(1, 3, crops[0].shape[-2], 4)
    joined = [part for crop in crops for part in (crop, gap)][:-1]
    write_image(path, torch.cat(joined, -1), overwrite=True)
    return Picture(f"strips/{path.name}", f"{protocol.title}, {item.name}: {', '.join(name for name, _ in views)}")


def place_of_interest(item: Item) -> tuple[int, int]:
    """Corner of the most detailed crop, in the clean picture where there is one."""
    image = (item.degraded if item.clean is None else item.clean).mean(1)[0]  # (H, W)
    best, place = -1.0, (0, 0)
    for top in range(0, max(1, image.shape[0] - CROP + 1), CROP // 2):
        for left in range(0, max(1, image.shape[1] - CROP + 1), CROP // 2):
            part = image[top : top + CROP, left : left + CROP]
            detail = float(part.diff(dim=0).abs().mean() + part.diff(dim=1).abs().mean())
            if detail > best:
                best, place = detail, (top, left)
    return place


def labelled(crop: Tensor, name: str, times: int = 2) -> Tensor:
    """A crop, so many times as large, with its name above; (1, 3, h, w)."""
    from PIL import ImageDraw

    from restorekit.image import from_pil

    large = crop.repeat_interleave(times, -1).repeat_interleave(times, -2)
    head = to_pil(torch.ones(1, 3, LABEL, large.shape[-1]))
    ImageDraw.Draw(head).text((3, 3), name, fill=(0, 0, 0))
    return torch.cat([from_pil(head), large.clamp(0, 1)], -2)
