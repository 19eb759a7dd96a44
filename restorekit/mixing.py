"""Mixing: the weighted sum of bases, merged into the backbone once per image.

    W_mixed = W + sum_k w_k B_k A_k

so a mixture costs what the plain backbone costs, whatever the number of bases. peft's
`add_weighted_adapter("linear")` is not this sum: it mixes A and B apart and leaves cross terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from restorekit.basis import LARGEST
from restorekit.errors import MixingError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from restorekit.basis import LoraLayer


@dataclass(frozen=True)
class MixingWeights:
    """How much of each basis, by name; each in [0, 1.5], 1 removes all of a degradation and 0 none."""

    values: Mapping[str, float]

    def __post_init__(self) -> None:
        for name, value in self.values.items():
            if not 0 <= value <= LARGEST:
                raise MixingError(f"weight {name}={value:g} is outside [0, {LARGEST}]")

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def override(self, chosen: Mapping[str, float]) -> MixingWeights:
        """The same weights with the chosen ones in their place."""
        unknown = sorted(set(chosen) - set(self.values))
        if unknown:
            raise MixingError(f"no basis {', '.join(unknown)}; there are {', '.join(sorted(self.values))}")
        return MixingWeights({**self.values, **chosen})

    @property
    def active(self) -> dict[str, float]:
        """The weights that are not 0, in order of name."""
        return {name: value for name, value in sorted(self.values.items()) if value != 0}


@dataclass(frozen=True)
class Stack:
    """One layer of several bases. up: (out, R). down: (R, everything else). ranks: (K,), which add up to R."""

    up: Tensor
    down: Tensor
    ranks: Tensor


class Mixer:
    """A backbone with its bases at hand; `merge` sets the mixture.

    Bases are summed in the order of their names, so the order in which they were registered is irrelevant, to
    the bit. The last mixture is kept: images that share weights merge once.
    """

    def __init__(self, backbone: nn.Module, bases: Mapping[str, Mapping[str, LoraLayer]]) -> None:
        self.backbone = backbone
        self.layers = {name: module for name, module in backbone.named_modules() if hasattr(module, "weight")}
        for basis, layers in bases.items():
            missing = sorted(set(layers) - set(self.layers))
            if missing:
                raise MixingError(f"basis {basis} changes layers that the backbone lacks: {', '.join(missing)}")
        self.own = {n: as_matrix(m.weight.detach(), m.weight).clone() for n, m in self.layers.items()}
        self.bases = {name: dict(bases[name]) for name in sorted(bases)}
        self.stacked: tuple[tuple[str, ...], dict[str, Stack]] = ((), {})  # of the bases that were mixed last
        self.current: dict[str, float] = {}

    def stacks(self, names: tuple[str, ...]) -> dict[str, Stack]:
        """Bases side by side, by layer, in the type and memory order of the layer's weight."""
        import torch

        if self.stacked[0] != names:
            stacks = {}
            for layer, own in self.own.items():
                parts = [self.bases[n][layer] for n in names if layer in self.bases[n]]
                if parts:
                    down = torch.cat([as_matrix(part.down, self.layers[layer].weight) for part in parts])
                    ranks = [len(self.bases[n][layer].down) if layer in self.bases[n] else 0 for n in names]
                    up = torch.cat([part.up for part in parts], 1)
                    stacks[layer] = Stack(up.to(own), down.to(own), torch.tensor(ranks, device=own.device))
            self.stacked = names, stacks
        return self.stacked[1]

    def mix(self, name: str, weights: Mapping[str, float], place: Tensor) -> Tensor:
        """Write one layer's weight under a mixture of the given (non-zero) weights into a tensor like it."""
        import torch

        own, matrix = self.own[name], as_matrix(place, place)
        stack = self.stacks(tuple(weights)).get(name)
        if stack is None:
            matrix.copy_(own)
        else:
            columns = torch.tensor(tuple(weights.values())).to(own).repeat_interleave(stack.ranks)
            torch.addmm(own, stack.up * columns, stack.down, out=matrix)
        return place

    def mixed(self, name: str, weights: Mapping[str, float]) -> Tensor:
        """The weight of one layer under a mixture of the given (non-zero) weights."""
        import torch

        return self.mix(name, weights, torch.empty_like(self.layers[name].weight, requires_grad=False))

    def merge(self, weights: MixingWeights) -> None:
        """Put a mixture into the backbone. Nothing is done if it is there already."""
        unknown = sorted(set(weights.active) - set(self.bases))
        if unknown:
            raise MixingError(f"no basis {', '.join(unknown)}; there are {', '.join(self.bases)}")
        if weights.active == self.current:
            return
        changed = {
            layer for basis in {*self.current, *weights.active} for layer in self.bases[basis]
        }  # what neither the last nor this mixture touches stays as it is
        self.current = {}
        for name in changed:
            self.mix(name, weights.active, self.layers[name].weight.data)
        self.current = weights.active

    @contextmanager
    def merged(self, weights: MixingWeights) -> Iterator[nn.Module]:
        """The backbone with a mixture in it; its own weights come back at the end."""
        try:
            self.merge(weights)
            yield self.backbone
        finally:
            self.merge(MixingWeights({}))


def layer_shapes(backbone: nn.Module) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights that bases may change, by the layer's name."""
    return {
        name: tuple(module.weight.shape)  # type: ignore[union-attr, arg-type, operator]
        for name, module in backbone.named_modules()
        if hasattr(module, "weight")
    }


def as_matrix(tensor: Tensor, weight: Tensor) -> Tensor:
    """A tensor of a layer's shape (..., in, kh, kw) as (..., everything else), in the order in which the layer's
    weight lies in memory: for the weight itself, a view of it."""
    import torch

    if tensor.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last):
        tensor = tensor.permute(0, 2, 3, 1)
    return tensor.flatten(1)
