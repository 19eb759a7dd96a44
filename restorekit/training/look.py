"""A basis for the look: a flow of its own, from the others' restoration towards what a photograph looks like.

    z_0 = x* + sigma e,    z_s = (1 - s) z_0 + s clean,    loss = |v(z_s, 1 - s, x*) - (clean - z_0)|^2

The least-squares restoration x* is the mean of all pictures that fit, and a mean is smooth. The flow carries x*,
with a little noise e, to one of those pictures: of all estimators that look real the one of least squared error.
The velocity v is what backbone and basis add to x*. PMRF: Ohayon et al., 2024, https://arxiv.org/abs/2410.00418
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from restorekit.degradation import Degradation
from restorekit.model.backbone.flow_unet import FlowUnet
from restorekit.model.basis import LoraLayer, save_basis
from restorekit.model.context import CONTEXT
from restorekit.model.flow import LookFlow, interpolate
from restorekit.running.device import autocast
from restorekit.training.bank import in_one_step, in_one_step_each, one_hot_weights
from restorekit.training.base import psnr
from restorekit.training.engine import Engine, adamw
from restorekit.training.on_top import OnTop, fine_energy
from restorekit.training.pairs import Group
from restorekit.training.photos import Photos
from restorekit.training.recipes import LookRecipe

__all__ = ["LookTraining"]

STEPS = 4  # of the flow, in validation


class LookTraining(OnTop):
    """The flow's basis on frozen weights; arguments as in `OnTop`."""

    fixed = ("name", "names", "rank", "sigma")

    def __init__(
        self,
        recipe: LookRecipe,
        degradations: Sequence[Degradation],
        photos: Photos,
        backbone: FlowUnet,
        backbone_sha256: str,
        others: Mapping[str, Mapping[str, LoraLayer]],
        engine: Engine | None = None,
    ) -> None:
        super().__init__(recipe, degradations, photos, backbone, backbone_sha256, others, engine)
        self.shared = backbone
        self.own = torch.ones(1, device=self.device)  # weight of this basis
        self.prepare()

    def trainable(self) -> dict[str, nn.Parameter]:
        return {f"bank.{n}": p for n, p in self.bank.named_parameters()}

    def make_optimisers(self, trainable: dict[str, nn.Parameter]) -> list[torch.optim.Optimizer]:
        groups = [{"params": list(trainable.values()), "lr": self.recipe.learning_rate}]
        eight_bit = self.engine.eight_bit
        return [adamw(groups, self.device, eight_bit=eight_bit, betas=(0.9, 0.99), weight_decay=1e-3)]

    def noise(self, shape: Sequence[int], generator: Generator) -> tuple[Tensor, Tensor]:
        """Draw t, (B,), and e, of the shape, (B, 3, H, W)."""
        times = torch.rand(shape[0], generator=generator, device=generator.device)
        return times, torch.randn(*shape, generator=generator, device=generator.device)

    def loss(self, data: Group, generator: Generator) -> Tensor:
        with torch.no_grad(), autocast(self.device.type, self.precision):
            restored = in_one_step(self.network, self.tensors_of(data.weights), data.degraded)
        return self.error(restored, data.target, *self.noise(data.target.shape, generator))

    def inputs(self, parts: Sequence[Group], generator: Generator) -> tuple[Tensor, ...]:
        """degraded, target: (G, B, 3, H, W). weights: (G, K). t: (G B,). e: (G B, 3, H, W)."""
        degraded, target, weights = (
            torch.stack([getattr(part, name) for part in parts]) for name in ("degraded", "target", "weights")
        )
        return degraded, target, weights, *self.noise(target.flatten(0, 1).shape, generator)

    def loss_of(self, *inputs: Tensor) -> Tensor:
        degraded, target, weights, times, noise = inputs
        with torch.no_grad(), autocast(self.device.type, self.precision):
            restored = in_one_step_each(self.shared, self.others.merged_each(self.backbone, weights), degraded)
        return self.error(restored.flatten(0, 1), target.flatten(0, 1), times, noise)

    def error(self, restored: Tensor, clean: Tensor, times: Tensor, noise: Tensor) -> Tensor:
        """Loss of pictures, (B, 3, H, W), at t = 1 - s, (B,), with the flow's first noise e."""
        restored = restored.float().clamp(0, 1)
        start = restored + self.recipe.sigma * noise
        state = interpolate(clean, start, times)
        return (self.velocity(state, times, restored, self.merged()) - (clean - start)).square().mean()

    def merged(self) -> dict[str, Tensor]:
        """The backbone's tensors with this basis merged, by name, differentiable."""
        with autocast(self.device.type, self.precision):
            return self.bank.stacked().merged(self.backbone, self.own)

    def velocity(self, state: Tensor, times: Tensor, restored: Tensor, merged: dict[str, Tensor]) -> Tensor:
        """v of states z, (B, 3, H, W), at t, (B,), of restored pictures x*."""
        context = torch.zeros(len(times), CONTEXT, device=times.device)
        with autocast(self.device.type, self.precision):
            predicted = self.network(merged, state, times, restored, context)
        return predicted.float() - restored

    @torch.inference_mode()
    def validate(self) -> dict[str, float]:
        """By degradation at its typical severity: PSNR, and the energy of fine detail as a share of the clean
        picture's, before the flow and after it. "mean": of the energy after it."""
        with self.average.used():
            scores, clean_energy, merged = {}, fine_energy(self.clean_crops), self.merged()
            noise = self.placed(
                "e", partial(torch.randn, self.crops.shape, generator=Generator().manual_seed(4100))
            )
            for row, d in enumerate(self.degradations):
                degraded = self.placed(d.name, partial(self.degraded_crops, 4000 + row, [d]))
                weights = one_hot_weights(self.recipe.names, [d.name])
                restored = in_one_step(self.network, self.tensors_of(weights), degraded).float().clamp(0, 1)
                state = restored + self.recipe.sigma * noise
                for step in range(STEPS):
                    times = torch.full((len(state),), 1 - step / STEPS, device=state.device)
                    state = state + self.velocity(state, times, restored, merged) / STEPS
                for name, picture in (("before", restored), ("after", state.clamp(0, 1))):
                    scores[f"{d.name} {name}"] = psnr(picture, self.clean_crops)
                    scores[f"{d.name} {name}, detail"] = float(fine_energy(picture) / clean_energy)
            detail = [v for n, v in scores.items() if n.endswith("after, detail")]
            return {"mean": sum(detail) / len(detail), **scores}

    def export(self, folder: Path) -> None:
        """Write the adapter into `folder` itself."""
        with self.average.used():
            layers = self.bank.basis(0)
            save_basis(
                folder,
                layers,
                rank=self.recipe.rank,
                backbone_sha256=self.backbone_sha256,
                degradation="",
                flow=LookFlow(self.recipe.sigma),
            )


def drawn_noise(shape: Sequence[int]) -> Tensor:
    """The noise e of the validation, on the CPU."""
    return torch.randn(*shape, generator=Generator().manual_seed(4100))
