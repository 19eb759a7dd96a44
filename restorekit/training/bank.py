"""The bases while they are trained together.

For each layer all bases stand side by side: down is (sum of ranks, in * kh * kw), up is (out, sum of ranks),
and the merged weight of a group is  W + (up * w) @ down,  with w repeated over each basis's columns.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from restorekit.backbone.flow_unet import HEAD, INLET, layers_for_lora
from restorekit.basis import LoraLayer
from restorekit.errors import TrainingError


class Stateless:
    """A module called with other tensors than its own, by parameter name.

    `functional_call` puts the tensors into the module while it runs, so that threads would see each other's: each
    thread gets an empty copy of its own.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.local = threading.local()

    def __call__(self, tensors: Mapping[str, Tensor], *inputs: Tensor) -> Tensor:
        if not hasattr(self.local, "shell"):
            self.local.shell = copy.deepcopy(self.module).to("meta")
        output: Tensor = functional_call(
            self.local.shell, {**dict(self.module.named_parameters()), **tensors}, inputs
        )
        return output


class BasisBank(nn.Module):
    """Trainable LoRAs of several bases on one backbone. ranks: by basis name; the head has full rank for each.
    kept: bases that take part and do not change."""

    def __init__(
        self,
        backbone: nn.Module,
        ranks: Mapping[str, int],
        generator: torch.Generator,
        exclude: Sequence[str] = (INLET,),
        kept: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.changing = torch.tensor([name not in kept for name in ranks])
        own = layers_for_lora(backbone, exclude)
        self.names = tuple(ranks)
        self.layers = tuple(own)
        self.shapes = {name: weight.shape for name, weight in own.items()}
        self.ranks: dict[str, tuple[int, ...]] = {}
        self.downs = nn.ParameterList()
        self.ups = nn.ParameterList()
        for name, weight in own.items():
            out, inside = weight.shape[0], weight[0].numel()
            full = name == HEAD
            widths = tuple(out if full else min(r, out, inside) for r in ranks.values())
            self.ranks[name] = widths
            total = sum(widths)
            down = torch.randn(total, inside, generator=generator) / inside**0.5
            up = torch.zeros(out, total)
            if full:
                down.zero_()
                up = torch.eye(out).repeat(1, len(widths))
            self.downs.append(nn.Parameter(down))
            self.ups.append(nn.Parameter(up))

    def start_heads(self, head: Tensor) -> None:
        """Every basis begins with this head. head: (12, C, 3, 3)."""
        index = self.layers.index(HEAD)
        self.downs[index].data.copy_(head.flatten(1).repeat(len(self.names), 1))

    def deltas(self, weights: Tensor) -> dict[str, Tensor]:
        """The weighted sum of the bases' updates, by layer, differentiable. weights: (K,).

        Bases at 0 cost nothing: neither they nor their weight gets a gradient."""
        deltas = {}
        for name, down, up in zip(self.layers, self.downs, self.ups, strict=True):
            ranks = torch.tensor(self.ranks[name])
            columns = weights.repeat_interleave(ranks)
            (active,) = columns.nonzero(as_tuple=True)
            up, down = up.index_select(1, active), down.index_select(0, active)
            changing = self.changing.repeat_interleave(ranks)[active]
            if not changing.all():
                up = torch.where(changing, up, up.detach())
                down = torch.where(changing[:, None], down, down.detach())
            deltas[name] = ((up * columns[active]) @ down).view(self.shapes[name])
        return deltas

    def merged(self, backbone: nn.Module, weights: Tensor) -> dict[str, Tensor]:
        """Merged weights of every layer, by parameter name, differentiable. weights: (K,)."""
        own = layers_for_lora(backbone, ())
        return {f"{name}.weight": own[name] + delta for name, delta in self.deltas(weights).items()}

    def basis(self, index: int) -> dict[str, LoraLayer]:
        """One basis taken out, layer by layer."""
        layers = {}
        for name, down, up in zip(self.layers, self.downs, self.ups, strict=True):
            start = sum(self.ranks[name][:index])
            rows = slice(start, start + self.ranks[name][index])
            shape = self.shapes[name]
            layers[name] = LoraLayer(down.detach()[rows].reshape(-1, *shape[1:]), up.detach()[:, rows])
        return layers

    def put(self, index: int, layers: Mapping[str, LoraLayer]) -> None:
        """The inverse of `basis`: continue from a basis that was saved, of this rank or a lower one; what it lacks
        starts without effect, as in a new basis."""
        for name, down, up in zip(self.layers, self.downs, self.ups, strict=True):
            start = sum(self.ranks[name][:index])
            rank = len(layers[name].down)
            if rank > self.ranks[name][index]:
                raise TrainingError(
                    f"the saved basis {self.names[index]} has rank {rank}, not {self.ranks[name][index]}; "
                    f"pass --rank {self.names[index]}={rank} or more"
                )
            rows = slice(start, start + rank)
            down.data[rows] = layers[name].down.flatten(1)
            up.data[:, rows] = layers[name].up
            up.data[:, start + rank : start + self.ranks[name][index]] = 0


def one_hot_weights(names: Sequence[str], present: Sequence[str]) -> Tensor:
    """Oracle weights: 1 for what is present."""
    return torch.tensor([1.0 if n in present else 0.0 for n in names])
