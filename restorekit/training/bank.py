"""The bases while they are trained together, each with tensors of its own, so that a group of patches costs
nothing for the bases that take no part in it.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.func import functional_call

from restorekit.errors import TrainingError
from restorekit.model.backbone import Backbone
from restorekit.model.backbone.flow_unet import FlowUnet
from restorekit.model.backbone.flow_unet_groups import FlowUnetGroups
from restorekit.model.basis import LoraLayer
from restorekit.model.context import CONTEXT
from restorekit.model.lora import Stacked, merge, mergeable_layers, owners_of

__all__ = [
    "BasisBank",
    "Lora",
    "Restore",
    "Stateless",
    "in_one_step",
    "in_one_step_each",
    "one_hot_weights",
    "shell_of",
]

# Maps pictures, (B, 3, H, W), and weights, (K,), to the restored pictures.
Restore = Callable[[Tensor, Tensor], Tensor]


class Stateless:
    """A module called with other tensors than its own, by parameter name.

    `functional_call` puts the tensors into the module while it runs, so that threads would see each other's: each
    thread gets an empty copy of its own.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.local = threading.local()
        self.finish: Callable[[nn.Module], None] | None = None

    def finish_with(self, finish: Callable[[nn.Module], None] | None) -> None:
        """Make the copies anew, and change each by `finish`."""
        self.local, self.finish = threading.local(), finish

    def __call__(self, tensors: Mapping[str, Tensor], *inputs: Tensor) -> Tensor:
        if not hasattr(self.local, "shell"):
            self.local.shell = shell_of(self.module)
            if self.finish is not None:
                self.finish(self.local.shell)
        output: Tensor = functional_call(
            self.local.shell, {**dict(self.module.named_parameters()), **tensors}, inputs
        )
        return output


def shell_of(module: nn.Module) -> nn.Module:
    """Copy a module without its parameters' values."""
    empty = {
        id(p): nn.Parameter(torch.empty(p.shape, dtype=p.dtype, device="meta"), p.requires_grad)
        for p in module.parameters()
    }
    return copy.deepcopy(module, empty)


class Lora(nn.Module):
    """One basis: for each layer down (rank, in * kh * kw) and up (out, rank)."""

    def __init__(self, downs: Sequence[Tensor], ups: Sequence[Tensor]) -> None:
        super().__init__()
        self.down = nn.ParameterList(nn.Parameter(down) for down in downs)
        self.up = nn.ParameterList(nn.Parameter(up) for up in ups)


class BasisBank(nn.Module):
    """Trainable LoRAs of several bases on one backbone.

    ranks: by basis name; the head has full rank for each.
    generator: draws the first weights.
    inlet: whether they also change the layer that reads the context.
    kept: bases that take part and do not change.
    """

    def __init__(
        self,
        backbone: Backbone,
        ranks: Mapping[str, int],
        generator: torch.Generator,
        *,
        inlet: bool = False,
        kept: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.changing = torch.tensor([name not in kept for name in ranks])
        self.head = backbone.facts.head
        own = {n: w for n, w in mergeable_layers(backbone.network).items() if inlet or n != backbone.facts.inlet}
        self.names = tuple(ranks)
        self.layers = tuple(own)
        self.shapes = {name: weight.shape for name, weight in own.items()}
        self.bases = nn.ModuleDict()
        for name, rank in ranks.items():
            downs, ups = [], []
            for layer, weight in own.items():
                out, inside = weight.shape[0], weight[0].numel()
                if layer == self.head:
                    downs.append(torch.zeros(out, inside))
                    ups.append(torch.eye(out))
                else:
                    width = min(rank, out, inside)
                    downs.append(torch.randn(width, inside, generator=generator) / inside**0.5)
                    ups.append(torch.zeros(out, width))
            self.bases[name] = Lora(downs, ups).requires_grad_(name not in kept)

    def lora(self, index: int) -> Lora:
        lora = self.bases[self.names[index]]
        assert isinstance(lora, Lora)
        return lora

    def start_heads(self, head: Tensor) -> None:
        """Begin every basis with this head, (out, C, kh, kw)."""
        for index in range(len(self.names)):
            self.lora(index).down[self.layers.index(self.head)].data.copy_(head.flatten(1))

    def factors(self, weights: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """The weighted sum of the bases' updates as up and down, by layer, differentiable. weights: (K,).

        Bases at 0 cost nothing: neither they nor their weight gets a gradient. None where all are at 0."""
        active = [(self.lora(i), weights[i]) for i, weight in enumerate(weights.tolist()) if weight]
        factors = {}
        for place, name in enumerate(self.layers if active else ()):
            ups = [weight * lora.up[place] for lora, weight in active]
            downs = [lora.down[place] for lora, _ in active]
            factors[name] = (ups[0], downs[0]) if len(active) == 1 else (torch.cat(ups, 1), torch.cat(downs))
        return factors

    def deltas(self, weights: Tensor) -> dict[str, Tensor]:
        """The weighted sum of the bases' updates, by layer, differentiable. weights: (K,)."""
        return {n: (up @ down).view(self.shapes[n]) for n, (up, down) in self.factors(weights).items()}

    def merged(self, network: nn.Module, weights: Tensor) -> dict[str, Tensor]:
        """Merged weights of the layers that change, by parameter name, differentiable. weights: (K,)."""
        own = mergeable_layers(network)
        factors = self.factors(weights)
        return {f"{name}.weight": merge(own[name], up, down) for name, (up, down) in factors.items()}

    def pairs(self) -> list[dict[str, tuple[Tensor, Tensor]]]:
        """Up and down by layer, for each basis."""
        loras = [self.lora(index) for index in range(len(self.names))]
        return [dict(zip(self.layers, zip(lora.up, lora.down, strict=True), strict=True)) for lora in loras]

    @cached_property
    def owners(self) -> dict[str, Tensor]:
        return owners_of(self.layers, self.pairs())

    def stacked(self) -> Stacked:
        """All bases side by side, differentiable."""
        return Stacked.join(self.layers, self.pairs(), self.owners)

    def basis(self, index: int) -> dict[str, LoraLayer]:
        """Take one basis out, layer by layer."""
        lora = self.lora(index)
        return {
            name: LoraLayer(down.detach().cpu().reshape(-1, *self.shapes[name][1:]), up.detach().cpu())
            for name, down, up in zip(self.layers, lora.down, lora.up, strict=True)
        }

    def put(self, index: int, layers: Mapping[str, LoraLayer]) -> None:
        """Continue from a basis that was saved, of this rank or a lower one: the inverse of `basis`.

        Layers that it lacks start without effect, as in a new basis."""
        lora = self.lora(index)
        for name, down, up in zip(self.layers, lora.down, lora.up, strict=True):
            if name not in layers:
                up.data.zero_()
                continue
            rank = len(layers[name].down)
            if rank > len(down):
                raise TrainingError(
                    f"the saved basis {self.names[index]} has rank {rank}, not {len(down)}; "
                    f"pass --rank {self.names[index]}={rank} or more"
                )
            down.data[:rank] = layers[name].down.flatten(1)
            up.data[:, :rank] = layers[name].up
            up.data[:, rank:] = 0


def in_one_step(
    network: Callable[..., Tensor],
    merged: Mapping[str, Tensor],
    degraded: Tensor,
    context: Tensor | None = None,
) -> Tensor:
    """Restore pictures in one step from t = 1.

    network: with tensors of its own, as `Stateless` is.
    merged: tensors in their place, by name.
    degraded: (B, 3, H, W).
    context: (B, CONTEXT), or None where neither the inlet nor a basis of it has weights: any gives the same.
    """
    count = len(degraded)
    place = degraded.device
    context = torch.zeros(count, CONTEXT, device=place) if context is None else context
    return network(merged, degraded, torch.ones(count, device=place), degraded, context)


def in_one_step_each(network: FlowUnet, merged: Mapping[str, Tensor], degraded: Tensor) -> Tensor:
    """Restore pictures, each group with a mixture of its own, in one step from t = 1.

    network: what the mixtures share.
    merged: tensors of the mixtures, (G, ...), by name.
    degraded: (G, B, 3, H, W); the same shape comes back.
    """
    groups, count = degraded.shape[:2]
    times = torch.ones(groups, count, device=degraded.device)
    context = torch.zeros(groups, count, CONTEXT, device=degraded.device)
    return FlowUnetGroups(network, merged, groups)(degraded, times, degraded, context)


def one_hot_weights(names: Sequence[str], present: Sequence[str]) -> Tensor:
    """Oracle weights: 1 for what is present."""
    return torch.tensor([1.0 if n in present else 0.0 for n in names])
