"""Low-rank updates of layers, merged into a copy of the network that shares everything else with it.

    W + (U * w) D,   U = [U_1 ... U_K], (out, R);   D = [D_1; ...; D_K], (R, rest);   w_k for each of its ranks

Convolutions and linear layers have such updates; normalisation, embeddings, transposed convolutions and the joint
projections of `nn.MultiheadAttention` stay as they are, as in PEFT. LoRA: Hu et al., 2021,
https://arxiv.org/abs/2106.09685
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from restorekit.model.basis import LoraLayer

__all__ = ["Factors", "Stacked", "layer_shapes", "merge", "mergeable_layers", "owners_of", "with_tensors"]

MERGEABLE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True)
class Factors:
    """One layer's updates.

    up: (out, R).
    down: (R, rest), in the order in which the layer's weight lies in memory.
    owners: (R,), which basis each rank belongs to.
    """

    up: Tensor
    down: Tensor
    owners: Tensor


@dataclass(frozen=True)
class Stacked:
    """Updates of K bases side by side, by layer; no shape depends on the weights. count: K."""

    layers: Mapping[str, Factors]
    count: int

    @classmethod
    def join(
        cls,
        layers: Sequence[str],
        bases: Sequence[Mapping[str, tuple[Tensor, Tensor]]],
        owners: Mapping[str, Tensor] | None = None,
    ) -> Stacked:
        """Put bases side by side, differentiable.

        layers: names of the layers.
        bases: for each basis up, (out, rank), and down, (rank, rest), by layer; it may lack some.
        owners: the answer of `owners_of` for them, if it was asked before: that copies to the device.
        """
        owners = owners_of(layers, bases) if owners is None else owners
        joined = {}
        for layer in owners:
            ups, downs = zip(*(basis[layer] for basis in bases if layer in basis), strict=True)
            joined[layer] = Factors(torch.cat(ups, 1), torch.cat(downs), owners[layer])
        return cls(joined, len(bases))

    @classmethod
    def of(cls, bases: Sequence[Mapping[str, LoraLayer]], network: nn.Module) -> Stacked:
        """Put finished bases side by side, in the device, type and memory order of a network's weights."""
        own = mergeable_layers(network)
        flat = [
            {n: (lora.up.to(own[n]), as_matrix(lora.down, own[n]).to(own[n])) for n, lora in layers.items()}
            for layers in bases
        ]
        return cls.join([*dict.fromkeys(n for layers in bases for n in layers)], flat)

    def beside(self, other: Stacked) -> Stacked:
        """Put the other's bases behind these."""
        joined = {}
        for layer in dict.fromkeys((*self.layers, *other.layers)):
            mine, more = self.layers.get(layer), other.layers.get(layer)
            if more is not None:
                more = Factors(more.up, more.down, more.owners + self.count)
            if mine is not None and more is not None:
                up, down = torch.cat([mine.up, more.up], 1), torch.cat([mine.down, more.down])
                joined[layer] = Factors(up, down, torch.cat([mine.owners, more.owners]))
            else:
                joined[layer] = mine or more  # type: ignore[assignment]
        return Stacked(joined, self.count + other.count)

    def merged(self, network: nn.Module, weights: Tensor) -> dict[str, Tensor]:
        """Merge one mixture with a network's weights, by parameter name, differentiable. weights: (K,)."""
        own = mergeable_layers(network)
        return {
            f"{name}.weight": merge(own[name], factors.up * weights[factors.owners].to(factors.up), factors.down)
            for name, factors in self.layers.items()
        }

    def merged_each(self, network: nn.Module, weights: Tensor) -> dict[str, Tensor]:
        """Merge several mixtures, as `merged` does one: (G, ...) each, layer by layer for all of them, so that a
        device has an eighth of the operations to start. Convolutions come with their channels last.

        weights: (G, K); G mixtures."""
        own = mergeable_layers(network)
        each = {}
        for name, factors in self.layers.items():
            weight = own[name]
            scaled = factors.up * weights[:, None, factors.owners].to(factors.up)  # (G, out, R)
            matrix, down = as_matrix(weight, weight), factors.down
            sums = torch.baddbmm(matrix.expand(len(weights), -1, -1), scaled, down.expand(len(weights), -1, -1))
            each[f"{name}.weight"] = in_shape_of(sums, weight)
        return each


def in_shape_of(matrices: Tensor, weight: Tensor) -> Tensor:
    """Give matrices, (G, out, rest), the shape of a layer's weight, with its channels last in memory."""
    if weight.ndim != 4:
        return matrices.view(len(matrices), *weight.shape)
    out, inside, height, width = weight.shape
    if is_channels_last(weight):
        return matrices.view(-1, out, height, width, inside).permute(0, 1, 4, 2, 3)
    last = matrices.view(-1, out, inside, height, width).permute(0, 1, 3, 4, 2).contiguous()
    return last.permute(0, 1, 4, 2, 3)


def owners_of(layers: Sequence[str], bases: Sequence[Mapping[str, tuple[Tensor, Tensor]]]) -> dict[str, Tensor]:
    """Number of the basis that each rank belongs to, (R,), by layer, for the layers that some basis changes."""
    owners = {}
    for layer in layers:
        there = [(i, basis[layer][1]) for i, basis in enumerate(bases) if layer in basis]
        if there:
            numbers = torch.tensor([i for i, down in there for _ in range(len(down))])
            owners[layer] = numbers.to(there[0][1].device)
    return owners


def mergeable_layers(network: nn.Module) -> dict[str, Tensor]:
    """Weights that a basis may change, by the layer's name: those of convolutions and linear layers."""
    return {
        name: module.weight
        for name, module in network.named_modules()
        if isinstance(module, MERGEABLE) and "weight" in module._parameters  # not so if it is computed from others
    }


def layer_shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights that bases may change, by the layer's name."""
    return {name: tuple(weight.shape) for name, weight in mergeable_layers(network).items()}


def merge(weight: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """W + U D in the shape and the memory order of W, differentiable. up: (out, R); down: (R, rest)."""
    sums = torch.addmm(as_matrix(weight, weight), up, down)
    if not is_channels_last(weight):
        return sums.view(weight.shape)
    out, inside, height, width = weight.shape
    return sums.view(out, height, width, inside).permute(0, 3, 1, 2)


def as_matrix(tensor: Tensor, weight: Tensor) -> Tensor:
    """Flatten a tensor of a layer's shape, (..., in, kh, kw), to (..., rest), in the order in which the layer's
    weight lies in memory: for the weight itself, a view of it."""
    return (tensor.permute(0, 2, 3, 1) if is_channels_last(weight) else tensor).flatten(1)


def is_channels_last(weight: Tensor) -> bool:
    return weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last)


def with_tensors(network: N, tensors: Mapping[str, Tensor]) -> N:
    """Copy a network, with these tensors in place of its parameters of those names.

    All other tensors are shared with it, none is copied: a copy takes a millisecond for fifty modules. Gradients
    go through tensors that want them: bases are trained so.
    """
    memo: dict[int, object] = {}
    for module in network.modules():
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            memo[id(tensor)] = tensor
        for value in vars(module).values():  # the many empty dictionaries and sets take deepcopy longest
            if isinstance(value, dict | set) and not value:
                memo[id(value)] = value.copy()
    copied = copy.deepcopy(network, memo)
    modules = dict(copied.named_modules())
    for name, tensor in tensors.items():
        owner, _, own = name.rpartition(".")
        kept = tensor if tensor.requires_grad else nn.Parameter(tensor, requires_grad=False)
        modules[owner]._parameters[own] = kept  # type: ignore[assignment]
    return copied
