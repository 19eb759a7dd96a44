"""A basis for natural sharpness: on top of the others' restoration, towards what a photograph looks like.

The least-squares restoration is the mean of all pictures that fit, and a mean is smooth. Here backbone and bases
stay as they are and take part at their right weights; one more basis learns, beside a critic, to give back what a
viewer misses. It removes no degradation and has no key: it is at the user's command only.

Adversarial super-resolution: Ledig et al., 2017, https://arxiv.org/abs/1609.04802;
Wang et al., 2018, https://arxiv.org/abs/1809.00219
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from restorekit.degradation import Degradation
from restorekit.model.backbone import Backbone
from restorekit.model.basis import LoraLayer, save_basis
from restorekit.running.device import autocast
from restorekit.training.bank import Stateless, in_one_step, one_hot_weights
from restorekit.training.base import psnr
from restorekit.training.critic import Critic, relative_loss
from restorekit.training.engine import Engine, adamw
from restorekit.training.on_top import OnTop, fine_energy
from restorekit.training.pairs import Group
from restorekit.training.photos import Photos
from restorekit.training.recipes import DetailRecipe

__all__ = ["DetailTraining"]

CRITIC = "critic."


class DetailTraining(OnTop):
    """One basis and its critic on frozen weights; arguments as in `OnTop`."""

    def __init__(
        self,
        recipe: DetailRecipe,
        degradations: Sequence[Degradation],
        photos: Photos,
        backbone: Backbone,
        backbone_sha256: str,
        others: Mapping[str, Mapping[str, LoraLayer]],
        engine: Engine | None = None,
    ) -> None:
        super().__init__(recipe, degradations, photos, backbone, backbone_sha256, others, engine)
        self.critic = Critic().to(self.device)
        self.judged = Stateless(self.critic)
        self.prepare()

    def trainable(self) -> dict[str, nn.Parameter]:
        bank = {f"bank.{n}": p for n, p in self.bank.named_parameters()}
        return {**bank, **{f"{CRITIC}{n}": p for n, p in self.critic.named_parameters()}}

    def make_optimisers(self, trainable: dict[str, nn.Parameter]) -> list[torch.optim.Optimizer]:
        bank = [p for n, p in trainable.items() if not n.startswith(CRITIC)]
        critic = [p for n, p in trainable.items() if n.startswith(CRITIC)]
        groups = [
            {"params": bank, "lr": self.recipe.learning_rate},
            {"params": critic, "lr": self.recipe.critic_learning_rate},
        ]
        eight_bit = self.engine.eight_bit
        return [adamw(groups, self.device, eight_bit=eight_bit, betas=(0.9, 0.99), weight_decay=1e-3)]

    def loss(self, data: Group, generator: Generator) -> Tensor:
        """Loss of basis and critic at once: each one's has a gradient for its own parameters only."""
        with autocast(self.device.type, self.precision):
            restored = self.predict(data.degraded, data.weights).float()
        return self.judged_loss(restored, data.target)

    def judged_loss(self, restored: Tensor, clean: Tensor) -> Tensor:
        """Loss of basis and critic from restored and clean patches, (B, 3, H, W)."""
        recipe = self.recipe
        with autocast(self.device.type, self.precision):
            fixed = {n: p.detach() for n, p in self.critic.named_parameters()}
            fake, seen = self.judged(fixed, restored)
            with torch.no_grad():
                real, wanted = self.judged(fixed, clean)
            verdict_real, verdict_fake = self.critic(clean)[0], self.critic(restored.detach())[0]
        distance = torch.stack([(a.float() - b.float()).abs().mean() for a, b in zip(seen, wanted, strict=True)])
        own = (
            recipe.pixels * (restored - clean).abs().mean()
            + recipe.coarse * (F.avg_pool2d(restored, 4) - F.avg_pool2d(clean, 4)).abs().mean()
            + recipe.features * distance.mean()
            + recipe.critic * relative_loss(fake.float(), real.float())
        )
        return own + relative_loss(verdict_real.float(), verdict_fake.float())

    def inputs(self, parts: Sequence[Group], generator: Generator) -> tuple[Tensor, ...]:
        """degraded, target: (G, B, 3, H, W). weights: (G, K + 1), the last one of this basis."""
        degraded, target, weights = (
            torch.stack([getattr(part, name) for part in parts]) for name in ("degraded", "target", "weights")
        )
        return degraded, target, F.pad(weights, (0, 1), value=1.0)

    def loss_of(self, *inputs: Tensor) -> Tensor:
        bases = self.others.beside(self.bank.stacked())
        losses = []
        for degraded, target, weights in zip(*(tensor.unbind() for tensor in inputs), strict=True):
            with autocast(self.device.type, self.precision):
                restored = in_one_step(self.network, bases.merged(self.backbone, weights), degraded).float()
            losses.append(self.judged_loss(restored, target))
        return torch.stack(losses).mean()

    def predict(self, degraded: Tensor, weights: Tensor, own: float = 1.0) -> Tensor:
        """Restore in one step from t = 1.

        degraded: (B, 3, H, W).
        weights: of the other bases, (K,).
        own: weight of this one.
        """
        tensors = self.tensors_of(weights)
        for name, delta in self.bank.deltas(torch.tensor([own])).items():
            tensors[f"{name}.weight"] = tensors[f"{name}.weight"] + delta
        return in_one_step(self.network, tensors, degraded)

    @torch.inference_mode()
    def validate(self) -> dict[str, float]:
        """PSNR by degradation at its typical severity, and the energy of fine detail as a share of the clean
        picture's, with this basis at 0, 0.5 and 1. "mean": of the energy at 1."""
        with self.average.used():
            scores, clean_energy = {}, fine_energy(self.clean_crops)
            for row, d in enumerate(self.degradations):
                degraded = self.placed(d.name, partial(self.degraded_crops, 4000 + row, [d]))
                weights = one_hot_weights(self.recipe.names, [d.name])
                for own in (0.0, 0.5, 1.0):
                    restored = self.predict(degraded, weights, own)
                    scores[f"{d.name} at {own:g}"] = psnr(restored, self.clean_crops)
                    scores[f"{d.name} at {own:g}, detail"] = float(fine_energy(restored) / clean_energy)
            detail = [v for n, v in scores.items() if n.endswith("at 1, detail")]
            return {"mean": sum(detail) / len(detail), **scores}

    def export(self, folder: Path) -> None:
        """Write the adapter into `folder` itself."""
        with self.average.used():
            layers = self.bank.basis(0)
            save_basis(folder, layers, rank=self.recipe.rank, backbone_sha256=self.backbone_sha256, degradation="")
