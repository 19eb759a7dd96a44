"""Mixing: the weighted sum of bases, merged with the backbone's weights once per mixture.

    W_mixed = W + sum_k w_k B_k A_k

so a mixture costs what the plain backbone costs, whatever the number of bases. A mixture is a value: a predictor
with tensors of its own. The backbone is never written to, so that mixtures live side by side. peft's
`add_weighted_adapter("linear")` is not this sum: it mixes A and B apart and leaves cross terms.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from restorekit.errors import MixingError
from restorekit.model.basis import LARGEST

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.model.backbone import Backbone, Predictor
    from restorekit.model.basis import LoraLayer
    from restorekit.model.lora import Stacked

__all__ = ["Mixer", "MixingWeights", "Recent"]

KEPT = 4  # mixtures: the first look's, the second's, the one for pictures at their own size, the last one
ROOM = 2**28  # bytes of tensors that the mixtures before the newest may take
V = TypeVar("V")


@dataclass(frozen=True)
class MixingWeights:
    """Weights of the bases, by name; each in [0, 1.5], 1 removes all of a degradation and 0 none."""

    values: Mapping[str, float]

    def __post_init__(self) -> None:
        for name, value in self.values.items():
            if not 0 <= value <= LARGEST:
                raise MixingError(f"weight {name}={value:g} is outside [0, {LARGEST}]")

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def override(self, chosen: Mapping[str, float]) -> MixingWeights:
        """Put the chosen weights in the place of these."""
        unknown = sorted(set(chosen) - set(self.values))
        if unknown:
            raise MixingError(f"no basis {', '.join(unknown)}; there are {', '.join(sorted(self.values))}")
        return MixingWeights({**self.values, **chosen})

    @property
    def active(self) -> dict[str, float]:
        """The weights that are not 0, in order of name."""
        return {name: value for name, value in sorted(self.values.items()) if value != 0}


class Recent(Generic[V]):
    """The last few values that were made, by key; threads may share it.

    count: number of values kept.
    room: bytes that the values before the newest may take together.
    """

    def __init__(self, count: int, room: int) -> None:
        self.count, self.room = count, room
        self.lock = Lock()  # around the dictionary only, never while a value is made
        self.values: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], tuple[V, int]]) -> V:
        """The value of a key. make: called where it is not there; returns it with its size in bytes."""
        with self.lock:
            if key in self.values:
                self.values.move_to_end(key)
                return self.values[key][0]
        made = make()
        with self.lock:
            value, size = self.values.setdefault(key, made)
            self.values.move_to_end(key)
            while len(self.values) > self.count or sum(s for _, s in self.values.values()) - size > self.room:
                self.values.popitem(last=False)
        return value


class Mixer:
    """A backbone with its bases at hand; `specialise` makes a predictor for a mixture.

    Bases are summed in the order of their names, so the order in which they were registered is irrelevant, to
    the bit. The last few mixtures are kept: pictures that share weights merge once.
    """

    def __init__(self, backbone: Backbone, bases: Mapping[str, Mapping[str, LoraLayer]]) -> None:
        from restorekit.model.lora import mergeable_layers

        there = set(mergeable_layers(backbone.network))
        for basis, layers in bases.items():
            if missing := sorted(set(layers) - there):
                raise MixingError(
                    f"basis {basis} changes layers that the backbone lacks, or that are neither convolutions nor "
                    f"linear: {', '.join(missing)}; train the basis for this backbone"
                )
        self.backbone = backbone
        self.bases = {name: dict(bases[name]) for name in sorted(bases)}
        self.mixtures: Recent[Predictor] = Recent(KEPT, ROOM)
        self.stacks: Recent[Stacked] = Recent(KEPT, ROOM)

    def specialise(self, weights: MixingWeights) -> Predictor:
        """Make a predictor with a mixture merged, which nothing done later changes; threads may share both."""
        active = weights.active

        def make() -> tuple[Predictor, int]:
            tensors = self.tensors(weights)
            return self.backbone.specialise(tensors), sum(tensor.nbytes for tensor in tensors.values())

        return self.mixtures.get(tuple(active.items()), make)

    def tensors(self, weights: MixingWeights) -> dict[str, Tensor]:
        """Merged weights of the layers that a mixture changes, by parameter name."""
        import torch

        from restorekit.model.lora import Stacked

        active = weights.active
        if unknown := sorted(set(active) - set(self.bases)):
            raise MixingError(f"no basis {', '.join(unknown)}; there are {', '.join(self.bases)}")

        def stack() -> tuple[Stacked, int]:
            stacked = Stacked.of([self.bases[name] for name in active], self.backbone.network)
            return stacked, sum(f.up.nbytes + f.down.nbytes for f in stacked.layers.values())

        place = next(self.backbone.network.parameters()).device
        # Whatever the caller has switched on: the tensors are kept, and others will use them.
        with torch.inference_mode(False), torch.no_grad(), torch.autocast(place.type, enabled=False):
            stacked = self.stacks.get(tuple(active), stack)
            return stacked.merged(self.backbone.network, torch.tensor(tuple(active.values()), device=place))
