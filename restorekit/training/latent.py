"""A latent model from nothing: first its VAE, then its network and bases together, on latents.

    stage "vae":   |x - decode(encode(x))| + kl KL(encode(x), N(0, 1)),   x clean and degraded patches
    stage "flow":  |z_target - (z_t - t network(z_t, t; W + sum_k w_k B_k A_k))|,   z_t between z_target and z

Selective as the pixel model's training is (`restorekit.training.pairs`): the target keeps what no basis removes.
Losses in latents cost no decoder; the VAE bounds what they can reach, and its round trip is validated beside them.
VAE: Kingma & Welling, 2013, https://arxiv.org/abs/1312.6114
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
from restorekit.model.basis import save_basis
from restorekit.model.flow import interpolate
from restorekit.model.latent.folder import store
from restorekit.model.latent.predictor import LatentPredictor
from restorekit.model.latent.small import scheduler_of, small_backbone
from restorekit.model.lora import with_tensors
from restorekit.model.weights import digest_of_weights
from restorekit.training.bank import BasisBank, one_hot_weights
from restorekit.training.base import Training, psnr
from restorekit.training.engine import Engine, adamw
from restorekit.training.log import Log
from restorekit.training.pairs import Group, PairMaker, validation_rows
from restorekit.training.photos import Photos, more_detailed, random_patches, validation_crops
from restorekit.training.rates import learning_rate_factor
from restorekit.training.recipes import LatentRecipe

__all__ = ["FLOW", "VAE", "LatentTraining"]

VAE, FLOW = "vae", "flow"
FIRST = "vae.safetensors"  # checkpoint of the first stage's end, in the run's folder


class LatentTraining(Training):
    """VAE, network and bases of a small latent model."""

    fixed = ("names", "rank", "vae_channels", "latent", "channels", "blocks")

    def __init__(
        self,
        recipe: LatentRecipe,
        degradations: Sequence[Degradation],
        photos: Photos,
        engine: Engine | None = None,
    ) -> None:
        super().__init__(recipe, recipe.seed, VAE, engine)
        by_name = {d.name: d for d in degradations}
        self.degradations = tuple(by_name[n] for n in recipe.names)
        self.pairs = PairMaker(self.degradations, recipe.shares)
        self.patches = self.at_hand(photos.training)
        self.backbone = small_backbone(recipe.vae_channels, recipe.latent, recipe.channels, recipe.blocks)
        self.whole = self.backbone.whole.to(self.device)
        if self.engine.recompute:
            self.backbone.save_memory()
        ranks = dict.fromkeys(recipe.names, recipe.rank)
        self.bank = BasisBank(self.backbone, ranks, self.generator).to(self.device)
        self.crops = validation_crops(photos.validation, 12, 128)
        self.prepare()

    def trainable(self) -> dict[str, nn.Parameter]:
        if self.counters.stage == VAE:
            return {f"vae.{n}": p for n, p in self.whole.vae.named_parameters()}
        named = {f"network.{n}": p for n, p in self.whole.network.named_parameters() if p.requires_grad}
        return {**named, **{f"bank.{n}": p for n, p in self.bank.named_parameters()}}

    def make_optimisers(self, trainable: dict[str, nn.Parameter]) -> list[torch.optim.Optimizer]:
        bank = [p for n, p in trainable.items() if n.startswith("bank.")]
        rest = [p for n, p in trainable.items() if not n.startswith("bank.")]
        groups: list[dict[str, Any]] = [{"params": rest, "lr": self.recipe.learning_rate}]
        if bank:
            groups.append({"params": bank, "lr": self.recipe.lora_learning_rate})
        return [
            adamw(
                groups,
                self.device,
                betas=(0.9, 0.99),
                weight_decay=self.recipe.weight_decay,
                eight_bit=self.engine.eight_bit,
            )
        ]

    def rate_factor(self, done: float) -> float:
        """Share of the full learning rates; they rise and fall in each stage."""
        first = self.recipe.vae_share
        within = done / max(first, 1e-9) if self.counters.stage == VAE else (done - first) / max(1 - first, 1e-9)
        return learning_rate_factor(self.counters.stage_iteration, within, self.recipe.decay, self.ramp)

    def enter_stage(self, done: float, folder: Path, log: Log) -> None:
        if self.counters.stage == VAE and done >= self.recipe.vae_share:
            self.finish_slice(folder / FIRST, log)
            self.start_flow()

    def start_flow(self) -> None:
        """Go on from the averaged VAE, which stays as it is, with latents of deviation 1."""
        self.average.swap()
        self.whole.vae.requires_grad_(False)
        with torch.no_grad():
            latents = self.whole.encode(self.clean_crops) / self.whole.vae.config.scaling_factor
        self.whole.vae.register_to_config(scaling_factor=float(1 / latents.std()))
        self.counters.enter(FLOW)
        self.prepare()

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint; in the second stage the VAE comes from that of the first stage's end."""
        first = path.with_name(FIRST)
        if first.exists():
            super().resume(first)
            self.start_flow()
        super().resume(path)

    def draw(self, generator: Generator, choices: Generator | None = None, count: int | None = None) -> Group:
        count = count or self.recipe.group_size
        clean = more_detailed(random_patches(self.patches, 2 * count, self.recipe.patch, generator))
        selective = self.counters.stage == FLOW
        while True:
            group = self.pairs.group(clean, generator, selective=selective, choices=choices)
            if not selective or any(group.mixture):
                return group

    def loss(self, data: Group, generator: Generator) -> Tensor:
        if self.counters.stage == VAE:
            return self.round_trip_loss(torch.cat([data.target, data.degraded]), generator)
        with torch.no_grad():
            degraded, target = self.whole.encode(data.degraded), self.whole.encode(data.target)
        u, chance = torch.rand(2, len(degraded), generator=generator, device=generator.device)
        t = torch.where(chance < self.recipe.path_share, u, 1.0)
        whole = self.specialised(data.weights)
        found = whole.clean(whole.network, interpolate(target, degraded, t), t, whole.prompt)
        return (found - target).abs().mean()

    def round_trip_loss(self, pictures: Tensor, generator: Generator) -> Tensor:
        """Loss of the VAE. pictures: (B, 3, H, W)."""
        vae = self.whole.vae
        latents = vae.encode(2 * pictures - 1).latent_dist
        noise = torch.randn(latents.mean.shape, generator=generator, device=generator.device).to(latents.mean)
        found = vae.decode(latents.mean + latents.std * noise).sample / 2 + 0.5
        spread: Tensor = latents.kl().mean() / pictures[0].numel()
        return (found - pictures).abs().mean() + self.recipe.kl * spread

    def specialised(self, weights: Tensor) -> LatentPredictor:
        """The predictor with the bases of a mixture merged, differentiable. weights: (K,)."""
        merged = self.bank.merged(self.whole.network, weights)
        return with_tensors(self.whole, {f"network.{name}": tensor for name, tensor in merged.items()})

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """PSNR on held-out photographs: of the VAE's round trip, and per row with oracle weights."""
        with self.average.used():
            scores = {"round trip": psnr(self.whole.decode(self.whole.encode(self.clean_crops)), self.clean_crops)}
            if self.counters.stage == VAE:
                return {"mean": scores["round trip"], **scores}
            for row, (name, severities) in enumerate(validation_rows(self.degradations).items()):
                degraded = self.placed(name, partial(self.crops_of_row, row, severities))
                whole = self.specialised(one_hot_weights(self.recipe.names, list(severities)).to(self.device))
                times = torch.ones(len(degraded), device=self.device)
                restored = whole(degraded, times, degraded, whole.describe(degraded))
                scores[name] = psnr(restored, self.clean_crops)
            rows = [score for name, score in scores.items() if name != "round trip"]
            return {"mean": sum(rows) / len(rows), **scores}

    def crops_of_row(self, row: int, severities: Mapping[str, float]) -> Tensor:
        """The held-out crops as they are for a row of the validation, (N, 3, s, s), on the CPU."""
        generator = Generator().manual_seed(1000 + row)
        chosen = [d for d in self.degradations if d.name in severities]
        return Compose.draw(chosen, self.crops.shape, generator, severities).apply(self.crops)

    def export(self, folder: Path) -> None:
        """Write `folder`/backbone, a latent backbone, and one folder per basis; before the second stage none."""
        with self.average.used():
            whole = copy.deepcopy(self.whole).cpu()
            store(folder / "backbone", whole.network, whole.vae, scheduler_of(), whole.prompt, whole.config)
            if self.counters.stage == VAE:
                return
            sha256 = digest_of_weights(folder / "backbone")
            for i, name in enumerate(self.recipe.names):
                layers = self.bank.basis(i)
                save_basis(folder / name, layers, rank=self.recipe.rank, backbone_sha256=sha256, degradation=name)
