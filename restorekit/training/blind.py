"""Groups as the user has them: the bases are weighed by what the encoder sees, right or wrong.

With the right weights alone a basis never meets the encoder's mistakes: stripes taken for rain, a mild blur shared
between blur and low resolution, a fault half seen. Here it does, and learns to do the least harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from restorekit.model.encoder import DegradationEncoder
from restorekit.model.key import BasisKey
from restorekit.training.bank import Restore, one_hot_weights
from restorekit.training.pairs import Group, PairMaker, as_file
from restorekit.training.photos import Photos, random_patches
from restorekit.weighing.looks import Reading, read_picture
from restorekit.weighing.origins import Origins

__all__ = ["BlindGroups", "read_as_in_use", "tiles_of"]

TRIED = 2  # pictures, of which the one is taken where the encoder is further from right
LEAST = 2  # times the encoder's crop, the side of a picture


def read_as_in_use(
    encoder: DegradationEncoder, keys: Mapping[str, BasisKey], pairs: PairMaker, picture: Tensor, restore: Restore
) -> Reading:
    """Read a picture in as many looks as in use.

    encoder: looks at it.
    keys: by basis name, in the order of the weights.
    pairs: has the degradations, in the same order.
    picture: (1, 3, H, W).
    restore: restores crops between the looks.
    """
    origins = Origins.of(dict(zip(keys, pairs.degradations, strict=True)))

    def remove(crops: Tensor, found: Mapping[str, float]) -> Tensor:
        return restore(crops, torch.tensor([found.get(name, 0.0) for name in keys]))

    return read_picture(encoder, keys, origins, picture, remove)


@dataclass(frozen=True)
class BlindGroups:
    """Draws groups of patches of one picture with the encoder's weights for it. keys: by basis name, in the order
    of the weights."""

    encoder: DegradationEncoder
    keys: Mapping[str, BasisKey]
    pairs: PairMaker
    photos: Photos
    restore: Restore

    @property
    def side(self) -> int:
        """Side of a picture, px."""
        return LEAST * self.encoder.config.crop

    @torch.no_grad()
    def weights(self, picture: Tensor) -> Tensor:
        """Weights that the encoder gives a picture, (1, 3, H, W); (K,)."""
        weights = read_as_in_use(self.encoder, self.keys, self.pairs, picture, self.restore).weights
        return torch.tensor([weights[name] for name in self.keys])

    def group(self, patch: int, count: int, grey: float, generator: Generator) -> Group:
        """Draw patches of one picture, all that is wrong with it to be removed.

        patch: side of a patch, px.
        count: of the patches, at most.
        grey: share of pictures without colour.
        generator: draws all of it.
        """
        clean = random_patches(self.photos.training, TRIED, self.side, generator, emphasis=0, grey=grey)
        drawn = self.pairs.draw_set(generator)
        chosen = drawn.chosen
        compose = self.pairs.compose(drawn, clean.shape, generator)
        degraded = as_file(compose.apply(clean), generator, self.pairs.file_share(chosen))
        names = list(self.keys)
        right = one_hot_weights(names, [names[i] for i in chosen])
        seen = [self.weights(picture) for picture in degraded.split(1)]
        worst = max(range(TRIED), key=lambda i: float((seen[i] - right).abs().sum()))
        tiles = [tiles_of(images[worst], patch) for images in (degraded, clean)]
        order = torch.randperm(len(tiles[0]), generator=generator)[:count]
        present = {s.degradation.name: s.realisation.severity[worst].expand(len(order)) for s in compose.steps}
        return Group(tiles[0][order], tiles[1][order], seen[worst], present, tuple(seen[worst].tolist()))


def tiles_of(image: Tensor, side: int) -> Tensor:
    """All whole tiles of an image, (3, H, W), from its top left corner; (N, 3, side, side)."""
    rows = image.unfold(1, side, side).unfold(2, side, side)  # (3, N, M, side, side)
    return rows.flatten(1, 2).transpose(0, 1).contiguous()
