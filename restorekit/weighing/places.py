"""Places of degradations in a picture: each crop of a grid is looked at by itself.

    weight_k(place) = weights_of(key_k . query(crop at place, the whole picture's context))

The encoder's second look is kept: where noise or JPEG was found in the whole, every crop is restored by those
bases and looked at again. One crop tells less than nine, so a place is less sure than the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.image import as_float
from restorekit.model.encoder import DegradationEncoder, View, weights_of
from restorekit.model.key import BasisKey
from restorekit.model.looking import GRID, constant, cut, graphic, mirror_up_to
from restorekit.weighing.halves import Remove
from restorekit.weighing.origins import Origins

__all__ = ["Places", "look_everywhere"]

MOST = 32  # crops along a side
TOGETHER = 32  # crops that are looked at in one go
SMOOTH = 3  # crops a side whose mean is shown
FOUND = 0.5  # of a weight, where the degradation counts as found
SEEN = 0.25  # of a crop's pixels are visible, where it is looked at


@dataclass(frozen=True)
class Places:
    """Weights by place.

    weights: by basis name, (rows, columns), in [0, 1].
    size: height and width of the picture in px.
    crop: side of a crop in px.
    """

    weights: Mapping[str, Tensor]
    size: tuple[int, int]
    crop: int

    def areas(self) -> dict[str, float]:
        """Share of the places where each basis has half of its weight or more, by name."""
        return {name: float((grid >= FOUND).float().mean()) for name, grid in self.weights.items()}

    def over(self, height: int, width: int) -> dict[str, Tensor]:
        """Weights at every pixel of the picture at some size, by basis name; (height, width)."""
        spread = {}
        for name, grid in self.weights.items():
            down, across = (
                between(length, full, self.crop, count)
                for length, full, count in zip((height, width), self.size, grid.shape, strict=True)
            )
            spread[name] = down @ grid @ across.T
        return spread


@torch.no_grad()
def look_everywhere(
    encoder: DegradationEncoder,
    keys: Mapping[str, BasisKey],
    origins: Origins,
    image: Tensor,
    found: Mapping[str, float],
    remove: Remove,
    visible: Tensor | None = None,
) -> Places:
    """Weights of all keys at every place of one picture.

    image: (1, 3, H, W), floating in [0, 1], uint8 or uint16.
    found: weights of the whole picture, by basis name.
    remove: restores crops of the picture.
    visible: (1, H, W), boolean, False where it is transparent; None for an opaque one.
    """
    size, whole = encoder.config.crop, (int(image.shape[2]), int(image.shape[3]))
    view = encoder.view(image, visible)
    if min(whole) < size:
        image = mirror_up_to(as_float(image), size)
        visible = None if visible is None else mirror_up_to(visible[None], size)[0]
    rows, columns = (starts(n, size) for n in image.shape[2:])
    places = [(row, column) for row in rows for column in columns]
    late = {name: found[name] for name in origins.late if found.get(name)}
    parts = []
    for first in range(0, len(places), TOGETHER):
        some = places[first : first + TOGETHER]
        crops = as_float(cut(image, some, size))
        telling = ~(constant(crops) | graphic(crops)) & ~view.blank.to(crops.device)
        if visible is not None:
            telling &= cut(visible[None], some, size).float().mean((1, 2, 3)) > SEEN
        parts.append(weights_at(encoder, keys, view, crops, late, remove) * telling[:, None])
    grids = torch.cat(parts).T.reshape(len(keys), 1, len(rows), len(columns))
    grids = F.avg_pool2d(grids, SMOOTH, 1, SMOOTH // 2, count_include_pad=False)
    return Places({name: grid[0] for name, grid in zip(keys, grids, strict=True)}, whole, size)


def weights_at(
    encoder: DegradationEncoder,
    keys: Mapping[str, BasisKey],
    view: View,
    crops: Tensor,
    late: Mapping[str, float],
    remove: Remove,
) -> Tensor:
    """Weights at crops, each as if it were all that there is of the picture; (N, K).

    view: of the picture.
    crops: (N, 3, s, s).
    late: weights of the bases that crops are restored with between the looks.
    """
    count, device = len(crops), view.contexts.device
    each = View(
        crops.to(device),
        torch.arange(count, device=device),
        view.contexts.expand(count, -1),
        view.small.expand(count, -1, -1, -1),
        view.blank.expand(count),
    )
    first = encoder.query_of(each)
    second = first
    if late and any(key.second for key in keys.values()):
        again = remove(crops, late).clamp(0, 1).to(device)
        second = encoder(again, each.owners, each.contexts)
    wide = first
    if any(key.length > first.shape[1] for key in keys.values()):
        wide = encoder.with_statistics(first, each)
    logits = [
        key.logit(wide) if key.length > first.shape[1] else key.logit(first.lerp(second, key.second))
        for key in keys.values()
    ]
    return weights_of(torch.stack(logits, 1)).cpu()


def starts(length: int, size: int) -> list[int]:
    """Evenly spread starts of crops along a side, half a crop apart or further; multiples of GRID."""
    free = length - size
    count = min(MOST, -(-free // max(GRID, size // 2)) + 1)
    return [round(free * i / max(1, count - 1)) // GRID * GRID for i in range(count)]


def between(length: int, full: int, size: int, count: int) -> Tensor:
    """Weights of linear interpolation, (length, count), from the crops' middles to a side's pixels.

    length: of the side as shown, px.
    full: of the picture's side, px.
    size: of a crop.
    count: of the crops.
    """
    middle = (torch.arange(length) + 0.5) / length * full
    place = ((middle - size / 2) / max(1, full - size) * (count - 1)).clamp(0, count - 1)
    return (1 - (place[:, None] - torch.arange(count)).abs()).clamp(0, 1)
