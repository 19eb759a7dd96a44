"""Bases side by side in static shapes, their weights a tensor: the form for devices that must not be waited for.

    W + (U * w) D,   U = [U_1 ... U_K], (out, R);   D = [D_1; ...; D_K], (R, in);   w_k once for each of its ranks

Every basis is computed, also at weight 0, so that no shape depends on the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from restorekit.backbone.flow_unet import layers_for_lora
from restorekit.basis import LoraLayer

__all__ = ["Factors", "Stacked", "owners_of"]


@dataclass(frozen=True)
class Factors:
    """One layer's updates.

    up: (out, R).
    down: (R, in), the weight's other dimensions flattened.
    owners: (R,), which basis each rank belongs to.
    """

    up: Tensor
    down: Tensor
    owners: Tensor


@dataclass(frozen=True)
class Stacked:
    """Updates of K bases, by layer. count: K."""

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
        bases: of each basis up, (out, rank), and down, (rank, in), by layer; it may lack some.
        owners: what `owners_of` says of them, if it was asked before: that copies to the device.
        """
        owners = owners_of(layers, bases) if owners is None else owners
        joined = {}
        for layer in owners:
            ups, downs = zip(*(basis[layer] for basis in bases if layer in basis), strict=True)
            joined[layer] = Factors(torch.cat(ups, 1), torch.cat(downs), owners[layer])
        return cls(joined, len(bases))

    @classmethod
    def of(cls, bases: Sequence[Mapping[str, LoraLayer]], device: torch.device) -> Stacked:
        """Put finished bases side by side, on a device."""
        flat = [
            {name: (lora.up.to(device), lora.down.to(device).flatten(1)) for name, lora in layers.items()}
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

    def merged(self, backbone: nn.Module, weights: Tensor) -> dict[str, Tensor]:
        """Merge one mixture into the backbone's weights, by parameter name, differentiable. weights: (K,)."""
        own = layers_for_lora(backbone, ())
        return {
            f"{name}.weight": torch.addmm(
                own[name].flatten(1), factors.up * weights[factors.owners], factors.down
            ).view(own[name].shape)
            for name, factors in self.layers.items()
        }


def owners_of(layers: Sequence[str], bases: Sequence[Mapping[str, tuple[Tensor, Tensor]]]) -> dict[str, Tensor]:
    """Number of the basis that each rank belongs to, (R,), by layer, for the layers that some basis changes."""
    owners = {}
    for layer in layers:
        there = [(i, basis[layer][1]) for i, basis in enumerate(bases) if layer in basis]
        if there:
            numbers = torch.tensor([i for i, down in there for _ in range(len(down))])
            owners[layer] = numbers.to(there[0][1].device)
    return owners
