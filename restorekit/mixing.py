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

from restorekit.errors import MixingError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from restorekit.basis import LoraLayer

LARGEST = 1.5


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
        self.own = {n: m.weight.detach().clone() for n, m in self.layers.items()}
        self.bases = {name: dict(bases[name]) for name in sorted(bases)}
        self.current: dict[str, float] = {}

    def mixed(self, name: str, weights: Mapping[str, float]) -> Tensor:
        """The weight of one layer under a mixture of the given (non-zero) weights."""
        import torch

        own = self.own[name]
        parts = [(w, self.bases[basis][name]) for basis, w in weights.items() if name in self.bases[basis]]
        if not parts:
            return own
        up = torch.cat([w * layer.up.to(own) for w, layer in parts], 1)
        down = torch.cat([layer.down.flatten(1).to(own) for _, layer in parts])
        return own + (up @ down).view_as(own)

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
            self.layers[name].weight.data.copy_(self.mixed(name, weights.active))
        self.current = weights.active

    @contextmanager
    def merged(self, weights: MixingWeights) -> Iterator[nn.Module]:
        """The backbone with a mixture in it; its own weights come back at the end."""
        try:
            self.merge(weights)
            yield self.backbone
        finally:
            self.merge(MixingWeights({}))
