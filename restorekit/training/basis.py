"""The third training: one later basis. Backbone, encoder and the other bases stay as they are.

First its LoRA, selectively, with the other degradations present: their bases are merged into W at their weights,
and only the new low-rank update moves. When it is exported, its key and gauge: a logistic and a linear read-out of
the frozen encoder's queries (`restorekit.training.readout`). A key that finds too little is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from restorekit.composition import Compose
from restorekit.degradation import Degradation
from restorekit.model.backbone import Backbone
from restorekit.model.basis import Basis, LoraLayer, add_to_record, drop_key, save_basis, save_key
from restorekit.model.encoder import DegradationEncoder
from restorekit.model.key import BasisKey
from restorekit.model.lora import Stacked, mergeable_layers
from restorekit.model.mixing import Mixer, MixingWeights
from restorekit.plugin.catalog import Failure
from restorekit.running.device import autocast
from restorekit.training.bank import BasisBank, Stateless, in_one_step, one_hot_weights
from restorekit.training.base import Training, psnr
from restorekit.training.engine import Engine, adamw, training_precision
from restorekit.training.looks import Looking, Looks
from restorekit.training.other_kinds import strangers_to
from restorekit.training.pairs import Group, PairMaker, as_file, severe, typical
from restorekit.training.photos import Photos, by_photograph, random_patches, validation_crops
from restorekit.training.readout import Judgement, fit_key
from restorekit.training.recipes import BasisRecipe
from restorekit.training.specialised import describer_of, on_device, stateless_of

__all__ = ["BasisTraining"]

# Shares of 0 to 3 degradations at once. With fewer composites, a later basis and the others in one merge fell half
# a decibel to two behind one after the other.
SIZES = (0.03, 0.55, 0.32, 0.10)
HELD_BACK = 3  # one training photograph in so many, and the held-out ones, set the key's bias; the others fit it


class BasisTraining(Training):
    """One new basis on frozen weights.

    others: LoRA layers of the other bases, by the degradation that each removes.
    fitted: the key and its quality, once it was exported.
    old_key: of a basis that it began at, for the same encoder, and its quality: it is exported again.
    failures: bases that are not among them because they are broken.
    """

    fixed = ("names", "rank", "inlet")
    stacked = True

    def __init__(
        self,
        recipe: BasisRecipe,
        degradations: Sequence[Degradation],
        photos: Photos,
        backbone: Backbone,
        backbone_sha256: str,
        others: Mapping[str, Mapping[str, LoraLayer]],
        encoder: DegradationEncoder,
        encoder_sha256: str,
        failures: Sequence[Failure] = (),
        engine: Engine | None = None,
    ) -> None:
        super().__init__(recipe, recipe.seed, "lora", engine)
        self.precision = training_precision(recipe.precision, self.device)
        by_name = {d.name: d for d in degradations}
        self.degradations = tuple(by_name[n] for n in recipe.names)
        others_count = max(1, len(recipe.names) - 1)
        shares = (0.6, *(0.4 / others_count for _ in recipe.names[1:]))
        self.pairs = PairMaker(self.degradations, shares, SIZES)
        self.photos = photos
        self.patches = self.at_hand(photos.training)
        backbone = on_device(backbone, self.device)
        self.backbone = backbone.network
        self.network = stateless_of(backbone)
        self.describe = describer_of(backbone)
        self.backbone_sha256 = backbone_sha256
        self.encoder = encoder.requires_grad_(False).to(self.device)
        self.encoder_sha256 = encoder_sha256
        self.failures = tuple(failures)
        self.fitted: tuple[BasisKey, Judgement] | None = None
        self.old_key: tuple[BasisKey, Judgement] | None = None
        self.mixer = Mixer(backbone, others)
        self.others = Stacked.of([others[name] for name in recipe.names[1:]], self.backbone)
        self.bank = BasisBank(backbone, {recipe.names[0]: recipe.rank}, self.generator, inlet=recipe.inlet)
        head = backbone.facts.head
        heads = [layers[head].delta() for layers in others.values() if head in layers]
        if heads:
            # The other bases' heads are where a new one starts best: they already speak to the features.
            self.bank.start_heads(0.8 * torch.stack(heads).mean(0))
        self.bank.to(self.device)
        self.crops = validation_crops(photos.validation, 12, recipe.picture)
        self.prepare()

    def keep_key_of(self, basis: Basis) -> None:
        """Export a basis's key as it is, if it reads this encoder: it knows nothing of the backbone, and a new one
        would take minutes."""
        figures = basis.record.get("key")
        if figures and basis.encoder_sha256 == self.encoder_sha256 and (key := basis.key()) is not None:
            self.old_key = key, Judgement.of_record(figures)

    def start_from(self, layers: Mapping[str, LoraLayer]) -> None:
        """Begin at a basis that was trained before, layer by layer where its shapes fit this backbone."""
        lora = self.bank.lora(0)
        for name, down, up in zip(self.bank.layers, lora.down, lora.up, strict=True):
            old = layers.get(name)
            if old is None or old.down.shape[1:] != self.bank.shapes[name][1:] or len(old.up) != len(up):
                continue
            rank = min(len(old.down), len(down))
            down.data[:rank] = old.down[:rank].flatten(1)
            up.data[:, :rank] = old.up[:, :rank]
        self.prepare()

    def trainable(self) -> dict[str, nn.Parameter]:
        return dict(self.bank.named_parameters())

    def make_optimisers(self, trainable: dict[str, nn.Parameter]) -> list[torch.optim.Optimizer]:
        return [
            adamw(
                trainable.values(),
                self.device,
                self.recipe.learning_rate,
                weight_decay=1e-4,
                eight_bit=self.engine.eight_bit,
            )
        ]

    def draw(self, generator: Generator, choices: Generator | None = None, count: int | None = None) -> Group:
        """Draw a group in which the new basis takes part: from others it has nothing to learn.

        generator, choices, count: see `Training.draw`.
        """
        while True:
            clean = random_patches(self.patches, count or self.recipe.group_size, self.recipe.patch, generator)
            group = self.pairs.group(clean, generator, selective=True, choices=choices)
            if group.mixture[0]:
                return group

    def loss(self, data: Group, generator: Generator) -> Tensor:
        return (self.predict(data.degraded, data.weights) - data.target).abs().mean()

    def inputs(self, parts: Sequence[Group], generator: Generator) -> tuple[Tensor, ...]:
        """degraded, target: (G, B, 3, H, W). weights: (G, K). contexts: (G, B, CONTEXT)."""
        degraded, target, weights = (
            torch.stack([getattr(part, name) for part in parts]) for name in ("degraded", "target", "weights")
        )
        contexts = self.describe(degraded.flatten(0, 1)).unflatten(0, degraded.shape[:2])
        return degraded, target, weights, contexts

    def loss_of(self, *inputs: Tensor) -> Tensor:
        own = self.bank.stacked()
        bases = own if self.recipe.apart else own.beside(self.others)
        losses = []
        for degraded, target, weights, contexts in zip(*(tensor.unbind() for tensor in inputs), strict=True):
            with autocast(self.device.type, self.precision):
                if self.recipe.apart:
                    with torch.no_grad():
                        others = self.others.merged(self.backbone, weights[1:])
                        degraded = in_one_step(self.network, others, degraded, contexts).float().clamp(0, 1)
                    weights, contexts = weights[:1], self.describe(degraded)
                predicted = in_one_step(self.network, bases.merged(self.backbone, weights), degraded, contexts)
            losses.append((predicted - target).abs().mean())
        return torch.stack(losses).mean()

    def networks(self) -> list[Stateless]:
        return [self.network] if isinstance(self.network, Stateless) else []

    def predict(self, degraded: Tensor, weights: Tensor) -> Tensor:
        """Restore pictures, (B, 3, H, W), in one step from t = 1; where the new basis has a pass of its own, the
        others take theirs before it. weights: (K,), of all bases, new one first."""
        others = {n: w for n, w in zip(self.recipe.names[1:], weights[1:].tolist(), strict=True) if w}
        own = {f"{name}.weight": weight for name, weight in mergeable_layers(self.backbone).items()}
        mixed = {**own, **self.mixer.tensors(MixingWeights(others))}
        if self.recipe.apart:
            if others:
                with torch.no_grad():
                    degraded = in_one_step(self.network, mixed, degraded, self.describe(degraded)).float()
            degraded, mixed = degraded.clamp(0, 1), own
        merged = {
            f"{n}.weight": mixed[f"{n}.weight"] + delta for n, delta in self.bank.deltas(weights[:1]).items()
        }
        return in_one_step(self.network, {**mixed, **merged}, degraded, self.describe(degraded))

    def fit_key(self) -> tuple[BasisKey, Judgement]:
        """Key and gauge from pictures of the training photographs, and how good the key is on others."""
        return key_from(self.photos, self.degradations, self.encoder, self.recipe)

    def severities(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Held-out pictures at named severities: degraded and clean, (N, 3, H, W) each."""
        new, rows = self.degradations[0], {}
        for row, value in enumerate((new.severity.mild, new.severity.typical, severe(new.severity))):
            generator = Generator().manual_seed(4000 + row)
            compose = Compose.draw([new], self.crops.shape, generator, {new.name: value})
            degraded = as_file(compose.apply(self.crops), generator, 1.0)
            rows[new.severity.describe(value)] = degraded.to(self.device), self.clean_crops
        return rows

    def about_photos(self) -> str:
        """Tell how many photographs there were, in a sentence."""
        return (
            f"{len(self.photos.training)} pictures to train on, reduced copies included, and "
            f"{len(self.photos.validation)} held out."
        )

    def made(self, seed: int, degradation: Degradation) -> Tensor:
        """The clean held-out pictures under one degradation of typical severity, as files, (N, 3, H, W)."""
        generator = Generator().manual_seed(seed)
        compose = Compose.draw([degradation], self.crops.shape, generator, typical([degradation]))
        return as_file(compose.apply(self.crops), generator, 1.0).to(self.device)

    @torch.inference_mode()
    def validate(self) -> dict[str, float]:
        """PSNR alone and with each other degradation, oracle weights."""
        with self.average.used():
            new, *others = self.degradations
            scores = {}
            for row, other in enumerate([None, *others]):
                chosen = [new] if other is None else [new, other]
                name = "+".join(d.name for d in chosen)
                degraded = self.placed(name, partial(self.degraded_crops, 3000 + row, chosen))
                weights = one_hot_weights(self.recipe.names, [d.name for d in chosen])
                scores[name] = psnr(self.predict(degraded, weights), self.clean_crops)
            return {"mean": sum(scores.values()) / len(scores), **scores}

    def export(self, folder: Path) -> None:
        """Write the adapter into `folder` itself; key and gauge beside it, if the key is good enough."""
        with self.average.used():
            save_basis(
                folder,
                self.bank.basis(0),
                rank=self.recipe.rank,
                backbone_sha256=self.backbone_sha256,
                degradation=self.degradations[0].name,
            )
            add_to_record(folder, {"apart": True} if self.recipe.apart else {})
        key, judgement = self.fitted = self.old_key or self.fit_key()
        if judgement.good:
            save_key(folder, key, encoder_sha256=self.encoder_sha256, figures=judgement.record())
        else:
            drop_key(folder, figures=judgement.record())


def key_from(
    photos: Photos, degradations: Sequence[Degradation], encoder: DegradationEncoder, recipe: BasisRecipe
) -> tuple[BasisKey, Judgement]:
    """Key and gauge from pictures of the training photographs, and how good the key is on others.

    degradations: the new one first.
    recipe: says how many pictures, and which.
    """
    new, *others = degradations
    strangers = strangers_to(degradations)
    looking = Looking(new, tuple(others), encoder, strangers)
    generator = Generator().manual_seed(recipe.seed)
    photographs = by_photograph(photos.training)

    def look(chosen: Sequence[Sequence[Tensor]]) -> Looks:
        return looking.look([copy for copies in chosen for copy in copies], recipe.looks, generator)

    kept = [photographs[i::HELD_BACK] for i in range(HELD_BACK)]
    fitted = look([photograph for part in kept[:-1] for photograph in part])
    held_out = look([*kept[-1], photos.calibration])
    return fit_key(fitted, held_out, [stranger.name for stranger in strangers], recipe.alarms)
