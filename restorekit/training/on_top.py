"""Trainings of one more basis on top of a restoration that stays as it is: for how a picture looks.

Backbone and bases take part at their right weights and do not change. The basis removes no degradation and has no
key: it is at the user's command only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Generator, Tensor

from restorekit.degradation import Degradation
from restorekit.model.backbone import Backbone
from restorekit.model.basis import LoraLayer
from restorekit.model.lora import Stacked, mergeable_layers
from restorekit.model.mixing import Mixer, MixingWeights
from restorekit.training.bank import BasisBank, Stateless
from restorekit.training.base import Training
from restorekit.training.engine import Engine, training_precision
from restorekit.training.pairs import Group, PairMaker
from restorekit.training.photos import Photos, more_detailed, random_patches, validation_crops

__all__ = ["OnTop", "fine_energy"]


class OnTop(Training):
    """One basis on frozen weights.

    recipe: has `name`, `names`, `shares`, `rank`, `patch`, `group_size`, `precision` and `seed`.
    degradations: those that are drawn, of the other bases.
    photos: to train and validate on.
    backbone: stays as it is.
    backbone_sha256: its digest.
    others: LoRA layers of the other bases, by name.
    engine: see `Training`.
    """

    fixed: tuple[str, ...] = ("name", "names", "rank")
    stacked = True

    def __init__(
        self,
        recipe: Any,
        degradations: Sequence[Degradation],
        photos: Photos,
        backbone: Backbone,
        backbone_sha256: str,
        others: Mapping[str, Mapping[str, LoraLayer]],
        engine: Engine | None = None,
    ) -> None:
        super().__init__(recipe, recipe.seed, recipe.name, engine)
        self.precision = training_precision(recipe.precision, self.device)
        by_name = {d.name: d for d in degradations}
        self.degradations = tuple(by_name[n] for n in recipe.names)
        self.pairs = PairMaker(self.degradations, recipe.shares)
        self.photos = photos
        self.patches = self.at_hand(photos.training)
        self.backbone = backbone.network.requires_grad_(False).to(self.device)
        self.network = Stateless(self.backbone)
        self.backbone_sha256 = backbone_sha256
        self.mixer = Mixer(backbone, others)
        self.others = Stacked.of([others[name] for name in recipe.names], self.backbone)
        self.bank = BasisBank(backbone, {recipe.name: recipe.rank}, self.generator)
        self.bank.to(self.device)
        self.crops = validation_crops(photos.validation, 12, 128)

    def draw(self, generator: Generator, choices: Generator | None = None, count: int | None = None) -> Group:
        count = 2 * (count or self.recipe.group_size)
        clean = more_detailed(random_patches(self.patches, count, self.recipe.patch, generator))
        return self.pairs.group(clean, generator, selective=False, choices=choices)

    def networks(self) -> list[Stateless]:
        return [self.network]

    def tensors_of(self, weights: Tensor) -> dict[str, Tensor]:
        """The backbone's tensors with the other bases merged, by name. weights: (K,)."""
        others = {n: w for n, w in zip(self.recipe.names, weights.tolist(), strict=True) if w}
        own = {f"{name}.weight": weight for name, weight in mergeable_layers(self.backbone).items()}
        return own | self.mixer.tensors(MixingWeights(others))


def fine_energy(image: Tensor) -> Tensor:
    """Standard deviation of what a 3x3 mean takes away. image: (B, 3, H, W)."""
    return (image - F.avg_pool2d(image, 3, 1, 1, count_include_pad=False)).std()
