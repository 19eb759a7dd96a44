"""Wishes: a user's words over what another weigher finds, each one a verb of `Mixture`.

    weights = strength * without(only(set(adjust(keep(found)))))

Words about the prediction come first, absolute ones after them, so that `set` has the last word on its basis;
`strength` is a factor of the whole.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import TYPE_CHECKING, Any

from restorekit.errors import MixingError, unknown_name
from restorekit.model.mixing import Mixture
from restorekit.weighing.weigher import Inspection, Weigher

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Preset", "Wish", "Wished"]


@dataclass(frozen=True)
class Preset:
    """A word for something that stays in a picture, behind `--keep`.

    name: as users type it.
    summary: a line about it.
    without: bases that are put at 0.
    adjust: factors of other bases, by name.

    Bases that are not installed are passed over: a preset may name those of other packages.
    """

    name: str
    summary: str
    without: tuple[str, ...] = ()
    adjust: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.without, str):
            raise MixingError(f"without must be names, as ({self.without!r},), got the text {self.without!r}")
        check_numbers("adjust", self.adjust)
        Mixture(dict.fromkeys((*self.adjust, *self.without), 1.0)).adjust(**self.adjust)

    def apply(self, weights: Mixture) -> Mixture:
        """Weights with these bases held back."""
        there = weights.values
        weights = weights.adjust(**{name: factor for name, factor in self.adjust.items() if name in there})
        return weights.without(*(name for name in self.without if name in there))


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Words of a user over what the encoder sees.

    keep: names of presets: things that stay in the picture.
    adjust: factors of the weights that are found, by basis.
    set: weights in place of those that are found, by basis.
    only: the bases to use; empty means all.
    without: bases to leave out.
    strength: factor of all weights, in [0, 1.5].
    """

    keep: tuple[str, ...] = ()
    adjust: Mapping[str, float] = field(default_factory=dict)
    set: Mapping[str, float] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    strength: float = 1.0

    def __post_init__(self) -> None:
        for part in ("keep", "only", "without"):
            names = getattr(self, part)
            if isinstance(names, str):
                raise MixingError(f"{part} must be names, as ({names!r},), got the text {names!r}")
            object.__setattr__(self, part, tuple(names))
        for part in ("adjust", "set"):
            check_numbers(part, getattr(self, part))
        check_numbers("strength", {"": self.strength})
        values = dict.fromkeys(self.named, 1.0)
        Mixture(values).override(self.set).adjust(**self.adjust).strength(self.strength)  # each in its range
        excluded = set(self.without)
        for name in self.named:
            if name in self.set and name in self.adjust:
                raise MixingError(f"{name} has a weight and a factor; give one of set and adjust")
            if name in excluded and (name in self.only or self.set.get(name)):
                raise MixingError(f"{name} is wanted and left out; take it out of without")

    @property
    def named(self) -> tuple[str, ...]:
        """Names of bases that it speaks of, sorted."""
        return tuple(sorted({*self.adjust, *self.set, *self.only, *self.without}))

    @property
    def blind(self) -> bool:
        """True if the encoder has to be asked: not where `only` names bases that all have a weight."""
        return not self.only or any(name not in self.set for name in self.only)

    def check(self, bases: Collection[str], presets: Mapping[str, Preset]) -> None:
        """Raise MixingError for a name that nobody knows.

        bases: names of those there are.
        presets: by name.
        """
        for name in self.named:
            if name not in bases:
                raise MixingError(unknown_name("basis", name, bases))
        for name in self.keep:
            if name not in presets:
                raise MixingError(unknown_name("preset", name, presets))

    def apply(
        self,
        found: Inspection,
        presets: Mapping[str, Preset] | None = None,
        largest: Mapping[str, float] | None = None,
    ) -> Inspection:
        """The same findings with weights as they are wished for.

        presets: by name.
        largest: of the weights, by basis; those that are not named end at 1.5.
        """
        weights, known = found.weights, presets or {}
        self.check(weights.values, known)
        for name in self.keep:
            weights = known[name].apply(weights)
        weights = weights.adjust(**self.adjust).override(self.set)
        weights = weights.only(*self.only) if self.only else weights
        weights = weights.without(*self.without)
        if self.strength != 1:
            weights = weights.strength(self.strength)
        if self.adjust or self.strength > 1:
            ends = {n: min(w, (largest or {}).get(n, w)) for n, w in weights.values.items()}
            weights = weights.override(ends)
        return replace(found, weights=weights)

    def record(self) -> dict[str, Any]:
        """Its parts that say something, for a program; empty where it asks for nothing."""
        parts: dict[str, Any] = {
            "keep": list(self.keep),
            "adjust": dict(self.adjust),
            "set": dict(self.set),
            "only": list(self.only),
            "without": list(self.without),
        }
        said = {name: part for name, part in parts.items() if part}
        return said if self.strength == 1 else {**said, "strength": self.strength}


@dataclass(frozen=True)
class Wished:
    """Another weigher's findings, changed by a wish.

    presets, largest: as in `Wish.apply`.
    """

    weigher: Weigher
    wish: Wish
    presets: Mapping[str, Preset]
    largest: Mapping[str, float]

    def weigh(self, image: Tensor, visible: Tensor | None = None, *, enlarged: bool = False) -> Inspection:
        """The other's findings, as they are wished for."""
        found = self.weigher.weigh(image, visible, enlarged=enlarged)
        return self.wish.apply(found, self.presets, self.largest)


def check_numbers(part: str, values: object) -> None:
    """Raise MixingError unless values are numbers by name. part: of a wish."""
    if not isinstance(values, Mapping):
        raise MixingError(f"{part} must be numbers by name, as {{'noise': 0.5}}, got {values!r}")
    for name, value in values.items():
        if not isinstance(value, Real) or isinstance(value, bool):
            raise MixingError(f"{part} {name} must be a number, got {value!r}".replace("  ", " "))
