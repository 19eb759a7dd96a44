"""restorekit's own methods: one restorer, and rules for the mixing weights.

The comparison is between rules: what the encoder says (blind), the right bases at 1 (oracle), all alike, the one
best basis, or one basis after another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorekit.bench.errors import BenchError, Unsuited
from restorekit.bench.items import Item, as_file
from restorekit.model.basis import KEY
from restorekit.model.weights import recorded_sums
from restorekit.running.device import name_of_precision
from restorekit.running.restorer import Restorer
from restorekit.weighing import Given, OneHot, Overruled, Weigher

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "BestSingle",
    "Blind",
    "Chosen",
    "Looked",
    "Plain",
    "Sequential",
    "blind_rule",
    "make_all",
    "make_ensemble",
    "make_onehot",
    "make_oracle",
    "make_uniform",
    "oracle",
    "strongest",
    "uniform",
]

Rule = Callable[[Restorer, Item], Weigher]


class OwnMethod:
    """The restorer with weights by a rule. steps: of the sampler. asks: whether the rule asks the encoder.
    ensemble: whether the mirror images are restored too."""

    def __init__(self, rule: Rule, steps: int = 1, *, asks: bool = False, ensemble: bool = False) -> None:
        self.rule = rule
        # Some protocols hand over noise that no file has clipped.
        self.options: Mapping[str, Any] = {"blind": False, "steps": steps, "ensemble": ensemble, "unclipped": True}
        self.asks = asks
        self.model = ""

    def prepare(self) -> None:
        self.restorer = Restorer.from_pretrained(self.model)

    def __call__(self, item: Item) -> Tensor:
        options = dict(self.options)
        if item.small is None:
            image = item.degraded
        else:  # as `--scale` does it
            image, options["scale"] = item.small, item.protocol.scale
        if self.rule is blind_rule and item.small is not None:
            options["blind"] = True
        else:
            options["weights"] = self.rule(self.restorer, item).weigh(item.degraded).weights.values
        return self.restorer.restore(image, **options).image

    def provenance(self) -> Mapping[str, str]:
        """Digests of the weights that are read: a rule that asks no encoder stays valid under another."""
        sums = self.restorer.provenance()
        return {file: s for file, s in sums.items() if self.asks or not is_of_encoder(file)}

    @property
    def precision(self) -> str:
        return name_of_precision(self.restorer.dtype)


class Blind(OwnMethod):
    """Weights by the encoder, which can also be asked for them alone."""

    def __init__(self, steps: str = "1") -> None:
        super().__init__(blind_rule, int(steps), asks=True)

    def identify(self, item: Item) -> Mapping[str, float]:
        if item.small is not None:
            return self.restorer.restore(item.small, scale=item.protocol.scale).weights[0].values
        return self.restorer.inspect(item.degraded, unclipped=True)[0].weights.values

    def truth(self, item: Item) -> tuple[str, ...]:
        """The bases that the picture needs."""
        bases = self.restorer.catalog.bases
        return tuple(b for b in self.restorer.bases if bases[b].degradation in item.protocol.present)


class Chosen(OwnMethod):
    """The encoder's weights with one of the user's in its place, "BASIS=WEIGHT"."""

    def __init__(self, choice: str) -> None:
        name, _, weight = choice.partition("=")
        try:
            chosen = {name: float(weight)}
        except ValueError:
            raise BenchError(f"write it as restorekit-set:BASIS=WEIGHT, not {choice}") from None
        super().__init__(lambda restorer, item: Overruled(blind_rule(restorer, item), chosen), asks=True)


class Looked(OwnMethod):
    """Blind, with the default look, "AMOUNT" or "AMOUNT,STEPS"; its seed is 0."""

    def __init__(self, choice: str) -> None:
        amount, comma, steps = choice.partition(",")
        try:
            look, walked = float(amount), int(steps) if comma else None
        except ValueError:
            raise BenchError(f"write it as restorekit-look:0.5 or restorekit-look:0.5,4, not {choice}") from None
        super().__init__(blind_rule, asks=True)
        self.options = {**self.options, "look": look, "steps": walked}

    def provenance(self) -> Mapping[str, str]:
        """Digests of the weights, those of the look too."""
        looks = self.restorer.looks
        return {**super().provenance(), **(looks.loaded[looks.names[0]].sums if looks.names else {})}


class BestSingle(OwnMethod):
    """Every basis alone at 1; the picture nearest to the clean one is kept."""

    def __init__(self) -> None:
        super().__init__(uniform)

    def __call__(self, item: Item) -> Tensor:
        clean = item.clean
        if clean is None:
            raise Unsuited("it needs the clean picture")
        tries = [
            self.restorer.restore(item.degraded, weights={b: 1.0}, **self.options).image
            for b in removing(self.restorer)
        ]
        return min(tries, key=lambda image: float((image - clean).square().mean()))


class Sequential(OwnMethod):
    """The right bases one after another, what happened last undone first; 8 bits in between."""

    def __init__(self) -> None:
        super().__init__(oracle)

    def __call__(self, item: Item) -> Tensor:
        catalog = self.restorer.catalog

        def order(basis: str) -> tuple[int, str]:
            return catalog.degradation(catalog.basis(basis).degradation).order, basis

        image = item.degraded
        for basis in sorted(oracle(self.restorer, item).weights.active, key=order, reverse=True):
            image = as_file(self.restorer.restore(image, weights={basis: 1.0}, **self.options).image)
        return image


class Plain(OwnMethod):
    """A network that was trained without bases, in the same shape: a folder with its own head in it."""

    def __init__(self, folder: str) -> None:
        super().__init__(lambda restorer, item: Given(restorer.none))
        self.folder = Path(folder)

    def prepare(self) -> None:
        from restorekit.model.backbone.flow_unet import FlowUnet
        from restorekit.model.encoder import DegradationEncoder, EncoderConfig
        from restorekit.plugin.catalog import build_catalog, load_plugins

        network = FlowUnet.from_folder(self.folder)
        encoder = DegradationEncoder(EncoderConfig())  # never asked
        self.restorer = Restorer(network, {}, encoder, {}, build_catalog(load_plugins()))

    def provenance(self) -> Mapping[str, str]:
        return {f"{self.folder.name}/{file}": s for file, s in recorded_sums(self.folder).items()}


def is_of_encoder(file: str) -> bool:
    """True for a file of weights, "part/file", that the encoder alone reads: its own, and the bases' keys."""
    return file.startswith("encoder/") or file.endswith(f"/{KEY}")


def blind_rule(restorer: Restorer, item: Item) -> Weigher:
    """The encoder's word, but a degradation that the protocol keeps is kept by the user's."""
    bases = restorer.catalog.bases
    kept = {b: 0.0 for b in restorer.bases if bases[b].degradation in item.protocol.keep}
    return Overruled(restorer.blind, kept)


def oracle(restorer: Restorer, item: Item) -> Given:
    """The right bases at 1, all others at 0."""
    bases = restorer.catalog.bases
    right = {b: 1.0 for b in restorer.bases if bases[b].degradation in item.protocol.remove}
    absent = set(item.protocol.remove) - {bases[b].degradation for b in right}
    if absent:
        raise Unsuited(f"no basis removes {', '.join(sorted(absent))}")
    return Given(restorer.none.override(right))


def removing(restorer: Restorer) -> tuple[str, ...]:
    """The bases that remove something; one for a look is at the user's command only."""
    return tuple(b for b in restorer.bases if restorer.catalog.bases[b].degradation)


def uniform(restorer: Restorer, item: Item) -> Given:
    """All restoring bases alike, 1 in sum."""
    names = removing(restorer)
    return Given(restorer.none.override(dict.fromkeys(names, 1 / len(names))))


def everything(restorer: Restorer, item: Item) -> Given:
    """All restoring bases at 1."""
    return Given(restorer.none.override(dict.fromkeys(removing(restorer), 1.0)))


def strongest(restorer: Restorer, item: Item) -> Weigher:
    """The encoder's choice as one basis at 1, if it sees any."""
    return OneHot(blind_rule(restorer, item))


def make_oracle() -> OwnMethod:
    return OwnMethod(oracle)


def make_uniform() -> OwnMethod:
    return OwnMethod(uniform)


def make_all() -> OwnMethod:
    return OwnMethod(everything)


def make_ensemble() -> OwnMethod:
    return OwnMethod(blind_rule, asks=True, ensemble=True)


def make_onehot() -> OwnMethod:
    return OwnMethod(strongest, asks=True)
