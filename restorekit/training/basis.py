"""The third training: one later basis. Backbone, encoder and the other bases stay as they are.

First its LoRA, selectively, with the other degradations present: their bases are merged into W at their weights,
and only the new low-rank update moves. Then its key and gauge: a logistic and a linear read-out of the frozen
encoder's queries, for pictures with and without the new degradation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from restorekit.backbone.flow_unet import HEAD, INLET, FlowUnet, layers_for_lora
from restorekit.basis import BasisKey, LoraLayer, save_basis, save_key
from restorekit.context import describe
from restorekit.degradation import Compose, Degradation
from restorekit.encoder import DegradationEncoder
from restorekit.mixing import Mixer
from restorekit.training.bank import BasisBank, Stateless, in_one_step, one_hot_weights
from restorekit.training.base import Training, psnr
from restorekit.training.loop import Log
from restorekit.training.pairs import Group, PairMaker, as_file, typical
from restorekit.training.photos import Photos, random_patches, validation_crops

LORA, KEY = "lora", "key"


@dataclass(frozen=True)
class BasisRecipe:
    """names: the new basis first, then the others. patch: px; degradations that need a view of the scene, such
    as haze, want it larger. inlet: whether the basis also changes the context inlet. key_share: share of the
    budget that goes to key and gauge."""

    names: tuple[str, ...]
    rank: int = 8
    patch: int = 96
    groups: int = 4
    group_size: int = 2
    inlet: bool = True
    learning_rate: float = 1e-3
    picture: int = 192
    key_share: float = 0.2
    decay: float = 0.3
    seed: int = 2


class BasisTraining(Training):
    """One new basis on frozen weights. others: LoRA layers of the other bases, by name."""

    fixed = ("names", "rank", "inlet")

    def __init__(
        self,
        recipe: BasisRecipe,
        degradations: Sequence[Degradation],
        photos: Photos,
        backbone: FlowUnet,
        backbone_sha256: str,
        others: Mapping[str, Mapping[str, LoraLayer]],
        encoder: DegradationEncoder,
    ) -> None:
        super().__init__(recipe, recipe.seed, LORA)
        by_name = {d.name: d for d in degradations}
        self.degradations = tuple(by_name[n] for n in recipe.names)
        others_count = max(1, len(recipe.names) - 1)
        shares = (0.6, *(0.4 / others_count for _ in recipe.names[1:]))
        self.pairs = PairMaker(self.degradations, shares)
        self.photos = photos
        self.backbone = backbone.requires_grad_(False)
        self.network = Stateless(backbone)
        self.backbone_sha256 = backbone_sha256
        self.encoder = encoder.requires_grad_(False)
        self.mixer = Mixer(backbone, others)
        exclude = () if recipe.inlet else (INLET,)
        self.bank = BasisBank(backbone, {recipe.names[0]: recipe.rank}, self.generator, exclude)
        if others:
            # The other bases' heads are where a new one starts best: they already speak to the features.
            head = torch.stack([layers[HEAD].delta() for layers in others.values()]).mean(0)
            self.bank.start_heads(0.8 * head)
        dimension = encoder.dimension
        self.key = nn.Parameter(torch.zeros(dimension + 1))
        self.gauge = nn.Parameter(torch.zeros(dimension + 1))
        self.crops = validation_crops(photos.validation, 12, recipe.picture)
        self.prepare()

    def trainable(self) -> dict[str, nn.Parameter]:
        if self.counters.stage == KEY:
            return {"key": self.key, "gauge": self.gauge}
        return dict(self.bank.named_parameters())

    def make_optimisers(self, trainable: dict[str, nn.Parameter]) -> list[torch.optim.Optimizer]:
        rate, decay = self.recipe.learning_rate, 1e-2 if self.counters.stage == KEY else 1e-4
        return [torch.optim.AdamW(trainable.values(), rate, weight_decay=decay, fused=True)]

    def enter_stage(self, done: float, folder: Path, log: Log) -> None:
        if self.counters.stage == LORA and done >= 1 - self.recipe.key_share:
            self.finish_slice(folder / "lora.safetensors", log)
            self.average.swap()
            self.counters.enter(KEY)
            self.prepare()

    def draw(self, generator: Generator) -> Group:
        key = self.counters.stage == KEY
        size = self.recipe.picture if key else self.recipe.patch
        clean = random_patches(self.photos.training, self.recipe.group_size, size, generator)
        return self.pairs.group(clean, generator, selective=not key)

    def loss(self, data: Group, generator: Generator) -> Tensor:
        if self.counters.stage == KEY:
            return self.key_loss(data)
        return (self.predict(data.degraded, data.weights) - data.target).abs().mean()

    def predict(self, degraded: Tensor, weights: Tensor) -> Tensor:
        """With the weights of all bases, the new one first; one step from t = 1."""
        others = {n: w for n, w in zip(self.recipe.names[1:], weights[1:].tolist(), strict=True) if w}
        own = layers_for_lora(self.backbone, ())
        mixed = {name: self.mixer.mixed(name, others) for name in own}
        merged = {f"{name}.weight": mixed[name] + delta for name, delta in self.bank.deltas(weights[:1]).items()}
        rest = {f"{name}.weight": w for name, w in mixed.items() if f"{name}.weight" not in merged}
        return in_one_step(self.network, {**rest, **merged}, degraded, describe(degraded))

    def key_loss(self, group: Group) -> Tensor:
        """Presence and severity of the new degradation, read from frozen queries."""
        degradation = self.degradations[0]
        with torch.no_grad():
            query = self.encoder.query(group.degraded.clamp(0, 1))
        severity = group.present.get(degradation.name)
        fraction = torch.zeros(len(query))
        if severity is not None:
            fraction = torch.tensor([degradation.severity.fraction(v) for v in severity.tolist()])
        presence = (fraction / degradation.severity.fraction(degradation.severity.mild)).clamp(0, 1)
        logits = query @ self.key[:-1] + self.key[-1]
        read = query @ self.gauge[:-1] + self.gauge[-1]
        error = (torch.where(fraction > 0, 1.0, 0.15) * (read - fraction).abs()).mean()
        return F.binary_cross_entropy_with_logits(logits, presence) + error

    @torch.inference_mode()
    def validate(self) -> dict[str, float]:
        """PSNR alone and with each other degradation, oracle weights; in the key stage, share judged rightly."""
        with self.average.used():
            new, *others = self.degradations
            scores = {}
            for row, other in enumerate([None, *others]):
                chosen = [new] if other is None else [new, other]
                generator = Generator().manual_seed(3000 + row)
                compose = Compose.draw(chosen, self.crops.shape, generator, typical(chosen))
                degraded = as_file(compose.apply(self.crops), generator)
                name = "+".join(d.name for d in chosen)
                if self.counters.stage == KEY:
                    with_it = self.encoder.query(degraded.clamp(0, 1)) @ self.key[:-1] + self.key[-1]
                    plain = compose.without([new.name]).apply(self.crops).clamp(0, 1)
                    without = self.encoder.query(plain) @ self.key[:-1] + self.key[-1]
                    judged = torch.cat([with_it > 0, without <= 0])
                    scores[f"{name} right"] = float(judged.float().mean())
                else:
                    weights = one_hot_weights(self.recipe.names, [d.name for d in chosen])
                    scores[name] = psnr(self.predict(degraded, weights), self.crops)
            return {"mean": sum(scores.values()) / len(scores), **scores}

    def export(self, folder: Path) -> None:
        """Adapter, key and gauge into `folder` itself."""
        with self.average.used():
            name = self.recipe.names[0]
            save_basis(
                folder,
                self.bank.basis(0),
                rank=self.recipe.rank,
                backbone_sha256=self.backbone_sha256,
                degradation=name,
            )
            save_key(
                folder,
                BasisKey(self.key[:-1].detach(), self.key[-1].detach(), self.gauge.detach()),
            )
