"""Mixing: the weighted sum of bases, merged with the backbone's weights once per mixture.

    W_mixed = W + sum_k w_k B_k A_k

so a mixture costs what the plain backbone costs, whatever the number of bases. A mixture is a value: a predictor
with tensors of its own. The backbone is never written to, so that mixtures live side by side. peft's
`add_weighted_adapter("linear")` is not this sum: it mixes A and B apart and leaves cross terms.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from restorekit.errors import MixingError, unknown_name
from restorekit.model.basis import LARGEST

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.model.backbone import Backbone, Predictor
    from restorekit.model.basis import LoraLayer
    from restorekit.model.lora import Stacked

__all__ = ["Mixer", "MixingWeights", "Mixture", "Recent"]

KEPT = 4  # mixtures: the first look's, the second's, the one for pictures at their own size, the last one
ROOM = 2**28  # bytes of tensors that the mixtures before the newest may take
V = TypeVar("V")


@dataclass(frozen=True)
class Mixture:
    """Weights of the bases, by name; each in [0, 1.5], 1 removes all of a degradation and 0 none.

    Each verb gives a new mixture: `found.adjust(blur=0.5).without("noise")`. A basis at 0 leaves its degradation
    in the picture; with all at 0 a picture comes back bit for bit.
    """

    values: Mapping[str, float]

    def __post_init__(self) -> None:
        for name, value in self.values.items():
            if not 0 <= value <= LARGEST:
                raise MixingError(f"weight {name}={value:g} is outside [0, {LARGEST}]")

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def override(self, chosen: Mapping[str, float]) -> Mixture:
        """Put the chosen weights in the place of these."""
        self._know(chosen)
        return Mixture({**self.values, **chosen})

    def set(self, /, **weights: float) -> Mixture:
        """Put weights in the place of these: `set(noise=0.8)`."""
        return self.override(weights)

    def adjust(self, /, **factors: float) -> Mixture:
        """Multiply weights: `adjust(blur=0.5)`. The product ends at 1.5.

        factors: 0 or more, by name.
        """
        self._know(factors)
        for name, factor in factors.items():
            if not 0 <= factor < float("inf"):
                raise MixingError(f"factor {name}={factor:g} is no number from 0; 0.5 halves a weight, 1 keeps it")
        return self.override({name: min(LARGEST, self[name] * factor) for name, factor in factors.items()})

    def only(self, /, *names: str) -> Mixture:
        """Keep the weights of the named bases, and put all others at 0."""
        self._know(names)
        return Mixture({name: value if name in names else 0.0 for name, value in self.values.items()})

    def without(self, /, *names: str) -> Mixture:
        """Put the named bases at 0."""
        return self.override(dict.fromkeys(names, 0.0))

    def strength(self, factor: float) -> Mixture:
        """Multiply all weights; each product ends at 1.5. factor: in [0, 1.5]."""
        if not 0 <= factor <= LARGEST:
            raise MixingError(f"strength {factor:g} is outside [0, {LARGEST}]; 0 is the input, 1 the full effect")
        return self.adjust(**dict.fromkeys(self.values, factor))

    def _know(self, names: Iterable[str]) -> None:
        unknown = [name for name in names if name not in self.values]
        if unknown:
            raise MixingError(unknown_name("basis", ", ".join(sorted(unknown)), self.values))

    @property
    def active(self) -> dict[str, float]:
        """The weights that are not 0, in order of name."""
        return {name: value for name, value in sorted(self.values.items()) if value != 0}


MixingWeights = Mixture  # the older name


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

    def specialise(self, weights: Mixture) -> Predictor:
        """Make a predictor with a mixture merged, which nothing done later changes; threads may share both."""
        active = weights.active

        def make() -> tuple[Predictor, int]:
            tensors = self.tensors(weights)
            return self.backbone.specialise(tensors), sum(tensor.nbytes for tensor in tensors.values())

        return self.mixtures.get(tuple(active.items()), make)

    def tensors(self, weights: Mixture) -> dict[str, Tensor]:
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
