"""Degradations of a photograph: their severities, their kinds, their realisations.

    kind ~ shares,   severity = spread(u, kind),   degraded = apply(image, make(severity, kind, more randomness))

A degradation draws a *realisation* (the very noise field, kernel or rain layer) once and may then apply it to
any image, so that the same realisation exists with and without other degradations beside it. Selective
training rests on this: its target is the same picture, same noise, same rain, less what was asked to go.

Cards are torch-free: this module imports torch only when a degradation is drawn or applied.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from restorekit.errors import PluginError

if TYPE_CHECKING:
    import torch
    from torch import Generator, Tensor

__all__ = ["Degradation", "Draw", "Realisation", "Severity"]

LENS = 20  # the order of what the lens does
SAMPLING = 30  # the order of what sampling does
SENSOR = 40  # the order of what the sensor does; the file's is above it


@dataclass(frozen=True)
class Severity:
    """The scale on which a degradation's strength is measured, in the field's own unit.

    `off` is the value at which the image is left alone; `mild` to `strong` is the range that training draws
    from; `typical` is a middle value. `strong` may be below `mild` (JPEG quality).
    """

    symbol: str
    unit: str
    off: float
    mild: float
    strong: float
    typical: float
    logarithmic: bool = False

    def fraction(self, value: float) -> float:
        """Place a value between `off` (0) and `strong` (1)."""
        if self.logarithmic:
            floor = 0.25 * abs(self.mild - self.off)
            distance = math.log1p(abs(value - self.off) / floor)
            return distance / math.log1p(abs(self.strong - self.off) / floor)
        return (value - self.off) / (self.strong - self.off)

    def value(self, fraction: float) -> float:
        """Find the value at a fraction, the inverse of `fraction`."""
        fraction = max(0.0, fraction)
        if self.logarithmic:
            floor = 0.25 * abs(self.mild - self.off)
            distance = floor * math.expm1(fraction * math.log1p(abs(self.strong - self.off) / floor))
            return self.off + math.copysign(distance, self.strong - self.off)
        return self.off + fraction * (self.strong - self.off)

    def describe(self, value: float) -> str:
        """Write the value as a person reads it, such as "sigma 25"."""
        digits = 0 if abs(self.strong - self.off) >= 20 else 1
        return f"{self.symbol} {value:.{digits}f}{' ' + self.unit if self.unit else ''}"


@dataclass(frozen=True)
class Realisation:
    """One draw of a degradation for a batch: all of its randomness, none of the image.

    severity: shape (B,), in the degradation's unit.
    parts: named tensors whose first dimension is B.
    kinds: places in `names`, (B,); None where a degradation draws without saying.
    names: the degradation's kinds.
    """

    severity: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=lambda: MappingProxyType({}))
    kinds: Tensor | None = None
    names: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Tensor:
        return self.parts[name]

    def kind_names(self) -> tuple[str, ...]:
        """Name the kind of each image, B of them, for which a GPU waits; () where the degradation did not say."""
        return () if self.kinds is None else tuple(self.names[place] for place in self.kinds.tolist())

    def places(self) -> Tensor:
        """Give the kinds as places in `names`, (B,); PluginError where the degradation did not say."""
        if self.kinds is None:
            raise PluginError("this realisation does not know its kinds; have it drawn by Degradation.draw")
        return self.kinds

    def are(self, kind: str) -> Tensor:
        """Mark the images of one kind; (B,), bool."""
        return self.places() == self.names.index(kind)

    def tensors(self) -> Iterator[Tensor]:
        """Give all tensors, one after another."""
        yield self.severity
        yield from self.parts.values()
        if self.kinds is not None:
            yield self.kinds

    def to(self, device: torch.device) -> Realisation:
        """Copy to a device."""
        kinds = None if self.kinds is None else self.kinds.to(device)
        parts = {name: part.to(device) for name, part in self.parts.items()}
        return Realisation(self.severity.to(device), parts, kinds, self.names)


@dataclass(frozen=True)
class Draw:
    """The draw that a degradation is asked for, its severities and kinds settled.

    shape: (B, 3, H, W) of the image batch.
    generator: source of all randomness, on the device on which tensors are wanted.
    severity: in the degradation's unit, (B,).
    kinds: places in `names`, (B,).
    names: the degradation's kinds.
    kind: the kind of all images, None in a mixture.
    named: whether somebody named the severity, who wants it as papers have it and nothing besides.
    """

    shape: tuple[int, ...]
    generator: Generator
    severity: Tensor
    kinds: Tensor
    names: tuple[str, ...]
    kind: str | None
    named: bool

    @property
    def device(self) -> torch.device:
        """The generator's device."""
        return self.generator.device

    def uniform(self, *size: int) -> Tensor:
        """Draw numbers in [0, 1), (B, *size)."""
        import torch

        return torch.rand((self.shape[0], *size), generator=self.generator, device=self.device)

    def normal(self, *size: int) -> Tensor:
        """Draw normal numbers of unit deviation, (B, *size)."""
        import torch

        return torch.randn((self.shape[0], *size), generator=self.generator, device=self.device)

    def integers(self, low: int, high: int, *size: int) -> Tensor:
        """Draw whole numbers from `low` to below `high`, (B, *size)."""
        import torch

        return torch.randint(low, high, (self.shape[0], *size), generator=self.generator, device=self.device)

    def are(self, kind: str) -> Tensor:
        """Mark the images of one kind; (B,), bool."""
        return self.kinds == self.names.index(kind)

    def holds(self, *kinds: str) -> bool:
        """Tell if one of these kinds has to be drawn: it is named, or in the mixture.

        Elsewhere than on a CPU it is quicker to draw it than to ask the mixture.
        """
        if self.kind is not None:
            return self.kind in kinds
        return self.device.type != "cpu" or any(bool(self.are(kind).any()) for kind in kinds)


class Degradation(ABC):
    """One kind of degradation. Subclasses set the class attributes and write `apply`; `make` where there is more
    randomness than severity and kind; `spread` where training does not draw all severities alike.

    name: what users type (`--with noise=25`) and what a basis refers to.
    severity: the scale of its strength.
    kinds: its varieties, the plain one that papers use first.
    shares: how often each kind comes in training; all alike if empty.
    draws_on_cpu: whether `draw` knows the CPU only; its realisations are then moved to where they are wanted.
    order: its place in the physical order: scene (10), lens (20), sampling (30), sensor (40), file (50); smaller
        happens earlier.
    rounded: whether the field's tables score what it makes as an 8-bit file (white noise they leave unbounded).
    sparse: whether it touches few pixels, as rain's streaks do, so that removing it keeps the level of the others.
    paired: whether it is known from pairs of photographs only, see `restorekit.paired`.
    same: kinds of other degradations that are the same thing, as "blur:motion": its key need not tell them apart.
    """

    name: str
    severity: Severity
    kinds: tuple[str, ...]
    shares: tuple[float, ...] = ()
    draws_on_cpu: bool = False
    order: int
    rounded: bool = True
    sparse: bool = False
    paired: bool = False
    same: tuple[str, ...] = ()
    summary: str = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.shares and len(cls.shares) != len(cls.kinds):
            given, wanted = len(cls.shares), len(cls.kinds)
            raise PluginError(f"{cls.__name__} has {given} shares for {wanted} kinds; give one for each, or none")

    @property
    def optical(self) -> bool:
        """True if it happens in the lens or in sampling, so that removing it sharpens."""
        return LENS <= self.order < SENSOR

    @property
    def sampled(self) -> bool:
        """True if it happens in sampling, so that what is restored still has the picture's own samples."""
        return SAMPLING <= self.order < SENSOR

    @property
    def late(self) -> bool:
        """True if it happens in the sensor or the file, after all that light goes through."""
        return self.order >= SENSOR

    def draw(
        self,
        shape: Sequence[int],
        generator: Generator,
        *,
        severity: float | None = None,
        kind: str | None = None,
    ) -> Realisation:
        """Draw a realisation, on `generator.device`.

        shape: (B, 3, H, W) of the image batch.
        generator: the source of all randomness.
        severity: of all images; None draws one for each from the training distribution.
        kind: of all images; None is the plain kind, `kinds[0]`, with a severity, else one for each by `shares`.
        Raises PluginError for a kind that there is not, ValueError for a severity that cannot be drawn.
        """
        import torch

        kind = self.check_kind(kind, severity)
        batch, device = shape[0], generator.device
        if kind is None:
            shares = torch.tensor(self.shares or (1.0,) * len(self.kinds), device=device)
            kinds = torch.multinomial(shares, batch, replacement=True, generator=generator)
        else:
            kinds = torch.full((batch,), self.kinds.index(kind), device=device)
        if severity is None:
            strength = self.spread(torch.rand(batch, generator=generator, device=device), kinds)
        else:
            self.check_severity(severity)
            strength = torch.full((batch,), float(severity), device=device)
        named = severity is not None
        drawn = self.make(Draw(tuple(shape), generator, strength, kinds, self.kinds, kind, named))
        return replace(drawn, kinds=kinds, names=self.kinds) if isinstance(drawn, Realisation) else drawn

    def spread(self, u: Tensor, kinds: Tensor) -> Tensor:
        """Make severities, as training draws them, of uniform numbers: here all from mild to strong alike.

        u: in [0, 1), (B,).
        kinds: places in `self.kinds`, (B,).
        Returns (B,).
        """
        return self.severity.mild + (self.severity.strong - self.severity.mild) * u

    def make(self, draw: Draw) -> Realisation:
        """Draw what is particular to the degradation, with randomness from `draw` alone; here nothing besides the
        severity. The kinds are added to what is returned."""
        return Realisation(draw.severity)

    @abstractmethod
    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        """Degrade; the same realisation gives the same result.

        image: shape (B, 3, H, W), in [0, 1]; same shape out, range as the physics gives it.
        realisation: of a batch of the same shape.
        """

    def check_kind(self, kind: str | None, severity: float | None) -> str | None:
        """Give the kind to draw, or None for a mixture; PluginError for one that there is not."""
        if kind is None:
            return None if severity is None else self.kinds[0]
        if kind not in self.kinds:
            raise PluginError(f"{self.name} has no kind {kind!r}; it has {', '.join(self.kinds)}")
        return kind

    def check_severity(self, severity: float) -> None:
        """Refuse a severity that cannot be drawn, by a ValueError."""
