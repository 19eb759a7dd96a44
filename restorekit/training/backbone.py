"""The first training: backbone and first-party bases.

Stage "joint": backbone and bases together, selectively (`restorekit.training.pairs`), each group of patches
with weights of its own merged into W. Before it, if asked for, stage "warm-up": the network with one head of its
own learns to undo everything, blindly; then its weights are W and its head, times 0.8, is every basis's first. A
warm-up alone makes the plain blind network that the bases are compared with.

Afterwards a basis may be trained further by itself (`only`): W and the other bases take part and stay as they are.

Loss: mean absolute error, Zhao et al., 2015, https://arxiv.org/abs/1511.08861
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from restorekit.composition import Compose
from restorekit.degradation import Degradation
from restorekit.errors import TrainingError
from restorekit.model.backbone.flow_unet import HEAD, FlowUnet, FlowUnetConfig
from restorekit.model.backbone.flow_unet_groups import FlowUnetGroups
from restorekit.model.basis import Basis, save_basis
from restorekit.model.context import CONTEXT
from restorekit.model.encoder import DegradationEncoder
from restorekit.model.flow import interpolate
from restorekit.model.key import BasisKey
from restorekit.model.weights import digest
from restorekit.running.device import autocast
from restorekit.training.bank import BasisBank, Stateless, in_one_step, one_hot_weights
from restorekit.training.base import Training, psnr
from restorekit.training.blind import BlindGroups
from restorekit.training.counters import Counters
from restorekit.training.depth import of_depth, take_weights
from restorekit.training.engine import Engine, adamw, put_rates_on, training_precision
from restorekit.training.log import Log
from restorekit.training.muon import Muon
from restorekit.training.pairs import Group, PairMaker, validation_rows
from restorekit.training.photos import Photos, more_detailed, random_patches, validation_crops
from restorekit.training.recipes import BackboneRecipe

__all__ = ["JOINT", "WARM_UP", "BackboneTraining"]

WARM_UP, JOINT = "warm-up", "joint"
LOG_SCALE, LOG_FLOOR = 0.02, 1e-4  # of the loss "log": its gradients are about the absolute error's; 40 dB
BLIND_HEAD = "blind_head"


class BackboneTraining(Training):
    """Backbone and bases together."""

    fixed = ("names", "ranks", "channels", "blocks", "optimiser", "only")

    stacked = True

    def __init__(
        self,
        recipe: BackboneRecipe,
        degradations: Sequence[Degradation],
        photos: Photos,
        engine: Engine | None = None,
    ) -> None:
        super().__init__(recipe, recipe.seed, WARM_UP if recipe.warm_up else JOINT, engine)
        self.precision = training_precision(recipe.precision, self.device)
        by_name = {d.name: d for d in degradations}
        self.degradations = tuple(by_name[n] for n in recipe.names)
        self.pairs = PairMaker(
            self.degradations,
            recipe.shares,
            sets=recipe.sets,
            shots=recipe.shots,
            shots_beside=recipe.shots_beside,
            frames=recipe.frames,
        )
        self.photos = photos
        self.patches = self.at_hand(photos.training)
        self.backbone = FlowUnet(FlowUnetConfig(recipe.channels, recipe.blocks))
        self.backbone.head.weight.requires_grad_(False)
        self.backbone.inlet.weight.requires_grad_(False)
        ranks = dict(zip(recipe.names, recipe.ranks, strict=True))
        kept = [n for n in recipe.names if recipe.only and n not in recipe.only]
        self.bank = BasisBank(self.backbone, ranks, self.generator, kept=kept)
        self.backbone.to(self.device)
        self.bank.to(self.device)
        self.network = Stateless(self.backbone)
        self.blind_head = nn.Parameter(torch.zeros_like(self.backbone.head.weight))
        self.crops = validation_crops(photos.validation, 12, 128)
        self.blind: BlindGroups | None = None
        self.prepare()

    def trainable(self) -> dict[str, nn.Parameter]:
        """Parameters of the present stage, by name."""
        named = {n: p for n, p in self.backbone.named_parameters() if p.requires_grad}
        if self.counters.stage == WARM_UP:
            return {**named, BLIND_HEAD: self.blind_head}
        bank = {f"bank.{n}": p for n, p in self.bank.named_parameters() if p.requires_grad}
        return bank if self.recipe.only else {**named, **bank}

    def make_optimisers(self, trainable: dict[str, nn.Parameter]) -> list[torch.optim.Optimizer]:
        recipe = self.recipe
        matrices = {
            n: p
            for n, p in trainable.items()
            if recipe.optimiser == "muon"
            and p.ndim >= 2
            and not n.startswith(("bank.", BLIND_HEAD, "stem", "time", "head"))
        }
        bank = [p for n, p in trainable.items() if n.startswith("bank.")]
        rest = [p for n, p in trainable.items() if n not in matrices and not n.startswith("bank.")]
        groups: list[dict[str, Any]] = [{"params": rest, "lr": recipe.learning_rate}] if rest else []
        if bank:
            groups.append({"params": bank, "lr": recipe.lora_learning_rate})
        choices = {"betas": (0.9, 0.99), "weight_decay": recipe.weight_decay}
        adam = adamw(groups, self.device, eight_bit=self.engine.eight_bit, **choices)
        if not matrices:
            return [adam]
        muon = Muon(matrices.values(), recipe.learning_rate)
        if self.device.type == "cuda":
            put_rates_on(muon, self.device)
        return [muon, adam]

    def enter_stage(self, done: float, folder: Path, log: Log) -> None:
        if self.counters.stage == WARM_UP and done >= self.recipe.warm_up:
            self.finish_slice(folder / "warm-up.safetensors", log)
            self.start_joint()

    def start_joint(self) -> None:
        """Go on from the warm-up's averaged weights to backbone and bases."""
        self.average.swap()
        self.bank.start_heads(0.8 * self.blind_head.detach())
        self.counters.enter(JOINT)
        self.prepare()

    def draw(self, generator: Generator, choices: Generator | None = None, count: int | None = None) -> Group:
        recipe = self.recipe
        count = count or recipe.group_size
        if self.blind is not None and float(torch.rand(1, generator=generator)) < recipe.blind_share:
            make = partial(self.blind.group, recipe.patch, count, recipe.grey, generator)
        else:
            clean = random_patches(self.patches, 2 * count, recipe.patch, generator, grey=recipe.grey)
            clean = more_detailed(clean)
            selective = self.counters.stage == JOINT
            make = partial(self.pairs.group, clean, generator, selective=selective, choices=choices)
        changing = self.bank.changing.tolist()
        while True:
            group = make()
            # Where no changing basis takes part there is nothing to learn, but for the blind warm-up.
            learns = any(weight and changes for weight, changes in zip(group.mixture, changing, strict=True))
            if self.counters.stage == WARM_UP or learns:
                return group

    def use_encoder(self, encoder: DegradationEncoder, keys: Sequence[BasisKey]) -> None:
        """Weigh a share of the groups by this encoder from now on. keys: in the order of the bases."""
        if self.device.type != "cpu":
            raise TrainingError("--blind-share works on the CPU only; leave it out, or pass --device cpu")
        by_name = dict(zip(self.recipe.names, keys, strict=True))
        self.blind = BlindGroups(encoder, by_name, self.pairs, self.photos, self.restored)

    def restored(self, degraded: Tensor, weights: Tensor) -> Tensor:
        """Pictures, (B, 3, H, W), by the network that the weights, (K,), make."""
        with autocast(self.device.type, self.precision):
            merged = self.bank.merged(self.backbone, weights)
            return in_one_step(self.network, merged, degraded).float()

    def times(self, count: int, generator: Generator) -> Tensor:
        """Draw t for so many patches, (B,)."""
        u = torch.rand(count, generator=generator, device=generator.device)
        chance = torch.rand(count, generator=generator, device=generator.device)
        return torch.where(chance < self.recipe.path_share, u, 1.0)

    def loss(self, data: Group, generator: Generator) -> Tensor:
        t = self.times(len(data.degraded), generator)
        with autocast(self.device.type, self.precision):
            if self.counters.stage == WARM_UP:
                tensors: dict[str, Tensor] = {f"{HEAD}.weight": self.blind_head}
            else:
                tensors = self.bank.merged(self.backbone, data.weights)
        return self.error_with(tensors, data.degraded, data.target, t)

    def error_with(self, tensors: Mapping[str, Tensor], degraded: Tensor, target: Tensor, t: Tensor) -> Tensor:
        """Loss of one group.

        tensors: of the network, by name.
        degraded, target: (B, 3, H, W).
        t: (B,).
        """
        x_t = interpolate(target, degraded, t)
        with autocast(self.device.type, self.precision):
            # The inlet's weight is zero and no first-party basis changes it: any context gives the same result.
            context = torch.zeros(len(t), CONTEXT, device=t.device)
            predicted = self.network(tensors, x_t, t, degraded, context)
        return self.error(predicted, target)

    def inputs(self, parts: Sequence[Group], generator: Generator) -> tuple[Tensor, ...]:
        """degraded, target: (G, B, 3, H, W). t: (G, B). weights: (G, K)."""
        groups, size = len(parts), len(parts[0].degraded)
        t = self.times(groups * size, generator).view(groups, size)
        degraded, target, weights = (
            torch.stack([getattr(part, name) for part in parts]) for name in ("degraded", "target", "weights")
        )
        return degraded, target, t, weights

    def loss_of(self, *inputs: Tensor) -> Tensor:
        degraded, target, times, weights = inputs
        if self.counters.stage == WARM_UP:
            head = {f"{HEAD}.weight": self.blind_head}
            return self.error_with(head, degraded.flatten(0, 1), target.flatten(0, 1), times.flatten())
        x_t = interpolate(target.flatten(0, 1), degraded.flatten(0, 1), times.flatten()).view_as(target)
        context = torch.zeros(*times.shape, CONTEXT, device=times.device)
        with autocast(self.device.type, self.precision):
            merged = self.bank.stacked().merged_each(self.backbone, weights)
            predicted = FlowUnetGroups(self.backbone, merged, len(weights))(x_t, times, degraded, context)
        return torch.stack([self.error(*pair) for pair in zip(predicted, target, strict=True)]).mean()

    def networks(self) -> list[Stateless]:
        return [self.network]

    def error(self, predicted: Tensor, target: Tensor) -> Tensor:
        difference = predicted - target
        if self.recipe.loss == "rms":
            return (difference.square().mean() + 1e-8).sqrt()
        if self.recipe.loss == "log":
            return LOG_SCALE * (difference.square().mean((1, 2, 3)) / LOG_FLOOR).log1p().mean()
        return difference.abs().mean()

    @torch.inference_mode()
    def validate(self) -> dict[str, float]:
        """PSNR of the averaged weights on held-out photographs, per row, with oracle weights."""
        with self.average.used():
            scores = {}
            for row, (name, severities) in enumerate(validation_rows(self.degradations).items()):
                degraded = self.placed(name, partial(self.crops_of_row, row, severities))
                if self.counters.stage == WARM_UP:
                    merged: dict[str, Tensor] = {f"{HEAD}.weight": self.blind_head}
                else:
                    weights = one_hot_weights(self.recipe.names, list(severities))
                    merged = self.bank.merged(self.backbone, weights)
                scores[name] = psnr(in_one_step(self.network, merged, degraded), self.clean_crops)
            return {"mean": sum(scores.values()) / len(scores), **scores}

    def crops_of_row(self, row: int, severities: Mapping[str, float]) -> Tensor:
        """The held-out crops as they are for a row of the validation, (N, 3, s, s), on the CPU."""
        generator = Generator().manual_seed(1000 + row)
        chosen = [d for d in self.degradations if d.name in severities]
        return Compose.draw(chosen, self.crops.shape, generator, severities).apply(self.crops)

    def start_from_weights(self, backbone: FlowUnet, bases: Sequence[Basis]) -> None:
        """Begin the joint stage from saved weights alone, of this or another depth: optimisers start afresh. For a
        warm-up alone (`warm_up` 1), one blind network: the backbone with all bases merged at 1."""
        old, new = backbone.shape.blocks, self.backbone.shape.blocks
        if self.recipe.only and old != new:
            raise TrainingError(f"one basis alone keeps the backbone: leave --blocks out, or pass {old}")
        take_weights(self.backbone, backbone)
        by_name = {b.name: b for b in bases}
        for i, name in enumerate(self.recipe.names):
            self.bank.put(i, of_depth(by_name[name].layers(), old, new, self.bank.layers))
        if self.recipe.warm_up >= 1:
            self.merge_all()
        else:
            self.counters = Counters(stage=JOINT)
        self.prepare()

    @torch.no_grad()
    def merge_all(self) -> None:
        """Merge all bases at 1 into the backbone and the blind head."""
        own = dict(self.backbone.named_parameters())
        for name, weight in self.bank.merged(self.backbone, torch.ones(len(self.recipe.names))).items():
            (self.blind_head if name == f"{HEAD}.weight" else own[name]).copy_(weight)

    def export(self, folder: Path) -> None:
        """Write the averaged weights as `folder`/backbone and one folder per basis, as `weights/` has them. After
        a warm-up alone, `folder`/plain: the blind network with its own head, to compare with. Bases that were
        kept are not written."""
        with self.average.used():
            if self.counters.stage == WARM_UP:
                plain = copy.deepcopy(self.backbone)
                plain.head.weight.data.copy_(self.blind_head)
                plain.save(folder / "plain")
                return
            self.backbone.save(folder / "backbone")  # to the bit what it was, where it was kept
            sha256 = digest(folder / "backbone" / "diffusion_pytorch_model.safetensors")
            for i, (name, rank) in enumerate(zip(self.recipe.names, self.recipe.ranks, strict=True)):
                if self.bank.changing[i]:
                    layers = self.bank.basis(i)
                    save_basis(folder / name, layers, rank=rank, backbone_sha256=sha256, degradation=name)
