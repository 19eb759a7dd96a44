"""What happens to a photograph: degradations, their severities, and their order.

A degradation draws a *realisation* (the very noise field, kernel or rain layer) once and may then apply it to
any image, so that the same realisation exists with and without other degradations beside it. Selective
training rests on this: its target is the same picture, same noise, same rain, less what was asked to go.

Cards are torch-free: this module imports torch only when a degradation is drawn or applied.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from restorekit.errors import PluginError, RestorekitError

if TYPE_CHECKING:
    import torch
    from torch import Generator, Tensor


LENS = 20  # the order of what the lens does; sampling's is above it
SENSOR = 40  # the order of what the sensor does; the file's is above it
# What a degradation may make of values in [0, 1]: noise leaves the range, by 6 sigma in a large picture. Beyond,
# somebody has taken the range for 0 to 255.
LOWEST, HIGHEST = -4.0, 5.0


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
        """Position of a value between `off` (0) and `strong` (1)."""
        if self.logarithmic:
            floor = 0.25 * abs(self.mild - self.off)
            distance = math.log1p(abs(value - self.off) / floor)
            return distance / math.log1p(abs(self.strong - self.off) / floor)
        return (value - self.off) / (self.strong - self.off)

    def value(self, fraction: float) -> float:
        """Inverse of `fraction`."""
        fraction = max(0.0, fraction)
        if self.logarithmic:
            floor = 0.25 * abs(self.mild - self.off)
            distance = floor * math.expm1(fraction * math.log1p(abs(self.strong - self.off) / floor))
            return self.off + math.copysign(distance, self.strong - self.off)
        return self.off + fraction * (self.strong - self.off)

    def describe(self, value: float) -> str:
        """The value as a person reads it, such as "sigma 25"."""
        digits = 0 if abs(self.strong - self.off) >= 20 else 1
        return f"{self.symbol} {value:.{digits}f}{' ' + self.unit if self.unit else ''}"


@dataclass(frozen=True)
class Realisation:
    """One draw of a degradation for a batch: all of its randomness, none of the image.

    severity: shape (B,), in the degradation's unit. parts: named tensors whose first dimension is B.
    """

    severity: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=lambda: MappingProxyType({}))

    def __getitem__(self, name: str) -> Tensor:
        return self.parts[name]


class Degradation(ABC):
    """One kind of degradation. Subclasses set the class attributes and write `draw` and `apply`.

    name: what users type (`--with noise=25`) and what a basis refers to.
    severity: the scale of its strength.
    kinds: its varieties, the plain one that papers use first.
    draws_on_cpu: whether `draw` knows the CPU only; its realisations are then moved to where they are wanted.
    order: its place in the physical order: scene (10), lens (20), sampling (30), sensor (40), file (50); smaller
        happens earlier.
    rounded: whether the field's tables score what it makes as an 8-bit file (white noise they leave unbounded).
    sparse: whether it touches few pixels, as rain's streaks do, so that removing it keeps the level of the others.
    """

    name: str
    severity: Severity
    kinds: tuple[str, ...]
    draws_on_cpu: bool = False
    order: int
    rounded: bool = True
    sparse: bool = False
    summary: str = ""

    @property
    def optical(self) -> bool:
        """Whether it happens in the lens or in sampling, so that removing it sharpens."""
        return LENS <= self.order < SENSOR

    @property
    def late(self) -> bool:
        """Whether it happens in the sensor or the file, after all that light goes through."""
        return self.order >= SENSOR

    @abstractmethod
    def draw(
        self,
        shape: Sequence[int],
        generator: Generator,
        *,
        severity: float | None = None,
        kind: str | None = None,
    ) -> Realisation:
        """Draw a realisation for an image batch of `shape` (B, 3, H, W), on `generator.device`.

        With neither severity nor kind, both are drawn from the realistic training distribution, apart for
        each image; with a severity, the kind defaults to the plain one, `kinds[0]`.
        """

    @abstractmethod
    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        """Degrade. image: shape (B, 3, H, W), in [0, 1]; same shape out, range as the physics gives it.

        Deterministic: the same realisation gives the same result.
        """

    def check_kind(self, kind: str | None, severity: float | None) -> str | None:
        """The kind to draw, or None for a mixture; raises PluginError for an unknown one."""
        if kind is None:
            return None if severity is None else self.kinds[0]
        if kind not in self.kinds:
            raise PluginError(f"{self.name} has no kind {kind!r}; it has {', '.join(self.kinds)}")
        return kind


@dataclass(frozen=True)
class Step:
    """A degradation together with one realisation of it."""

    degradation: Degradation
    realisation: Realisation

    @classmethod
    def draw(
        cls,
        degradation: Degradation,
        shape: Sequence[int],
        generator: Generator,
        severity: float | None = None,
        kind: str | None = None,
    ) -> Step:
        """Draw a realisation; PluginError, which names the plugin, where what comes back is none. A ValueError of
        the plugin's passes: it is about the severity."""
        import torch

        with blamed(degradation, "draw", ValueError):
            drawn = draw_on_device(degradation, shape, generator, severity, kind)
        if not isinstance(drawn, Realisation) or not isinstance(drawn.severity, torch.Tensor):
            raise broken(degradation, f"draw returned {type(drawn).__name__}, not a Realisation with a severity")
        if tuple(drawn.severity.shape) != (shape[0],):
            raise broken(
                degradation, f"draw returned severities {tuple(drawn.severity.shape)} for {shape[0]} images"
            )
        return cls(degradation, drawn)

    def apply(self, image: Tensor) -> Tensor:
        """Degrade, (B, 3, H, W) to the same shape; PluginError, which names the plugin, where what comes back is
        not an image batch."""
        import torch

        with blamed(self.degradation, "apply"):
            degraded = self.degradation.apply(image, self.realisation)
        if not isinstance(degraded, torch.Tensor):
            raise broken(self.degradation, f"apply returned {type(degraded).__name__}, not a tensor")
        if degraded.shape != image.shape or degraded.dtype != image.dtype:
            came, wanted = (f"{tuple(t.shape)}, {t.dtype}" for t in (degraded, image))
            raise broken(self.degradation, f"apply returned {came}, for an image of {wanted}")
        if degraded.device.type != "cpu":  # to ask for values would make the device wait
            return degraded
        low, high = (float(value) for value in degraded.aminmax())  # NaN where one value is
        if not (low >= LOWEST and high <= HIGHEST):
            raise broken(self.degradation, f"apply returned values from {low:g} to {high:g}, images lie in [0, 1]")
        return degraded


@contextmanager
def blamed(degradation: Degradation, method: str, *but: type[Exception]) -> Iterator[None]:
    """Name the plugin in whatever its code raises. but: errors that pass, besides our own and lack of memory."""
    import torch

    passing: tuple[type[Exception], ...] = (RestorekitError, MemoryError, torch.OutOfMemoryError, *but)
    try:
        yield
    except passing:
        raise
    except Exception as error:
        raise broken(degradation, f"{method} raised {type(error).__name__}: {error}") from error


def broken(degradation: Degradation, what: str) -> PluginError:
    """The error for something that a degradation did."""
    package = type(degradation).__module__.partition(".")[0]
    return PluginError(
        f"degradation {degradation.name!r} of {package} is broken: {what}; update {package}, or tell its author"
    )


def draw_on_device(
    degradation: Degradation,
    shape: Sequence[int],
    generator: Generator,
    severity: float | None = None,
    kind: str | None = None,
) -> Realisation:
    """Draw a realisation on the generator's device, by way of the CPU where `draws_on_cpu` says so.

    Raises PluginError where `draw` needs the CPU and does not say so.
    """
    device = generator.device
    if device.type == "cpu":
        return degradation.draw(shape, generator, severity=severity, kind=kind)
    if degradation.draws_on_cpu:
        import torch

        there = torch.Generator().manual_seed(seed_from(generator))
        drawn = degradation.draw(shape, there, severity=severity, kind=kind)
        parts = {name: part.to(device) for name, part in drawn.parts.items()}
        return Realisation(drawn.severity.to(device), parts)
    try:
        drawn = degradation.draw(shape, generator, severity=severity, kind=kind)
    except RuntimeError as error:
        if not any(words in str(error) for words in ("device type for generator", "on the same device")):
            raise
        raise PluginError(f"{cannot_draw(degradation, device)} ({error})") from error
    if any(part.device.type != device.type for part in (drawn.severity, *drawn.parts.values())):
        raise PluginError(cannot_draw(degradation, device))
    return drawn


def seed_from(generator: Generator) -> int:
    """Draw a seed for another generator."""
    import torch

    return int(torch.randint(2**62, (1,), generator=generator, device=generator.device))


def cannot_draw(degradation: Degradation, device: torch.device) -> str:
    remedy = f"set draws_on_cpu = True in {type(degradation).__name__}, or device=generator.device in its draw"
    return f"{degradation.name} cannot draw on {device}; {remedy}"


def in_physical_order(degradations: Iterable[Degradation]) -> tuple[Degradation, ...]:
    """Scene before lens before sensor before file; ties by name."""
    return tuple(sorted(degradations, key=lambda d: (d.order, d.name)))


@dataclass(frozen=True)
class Compose:
    """Several degradations of one picture, applied in physical order."""

    steps: tuple[Step, ...]

    @classmethod
    def draw(
        cls,
        degradations: Iterable[Degradation],
        shape: Sequence[int],
        generator: Generator,
        severities: Mapping[str, float] | None = None,
        kinds: Mapping[str, str] | None = None,
    ) -> Compose:
        """Draw a realisation of each degradation, of the severity and the kind named for it or else from its
        training distribution (of the plain kind where only a severity is named)."""
        named, varieties = severities or {}, kinds or {}
        return cls(
            tuple(
                Step.draw(d, shape, generator, named.get(d.name), varieties.get(d.name))
                for d in in_physical_order(degradations)
            )
        )

    def without(self, removed: Iterable[str]) -> Compose:
        """The same picture's degradations less the named ones, every other realisation unchanged."""
        gone = set(removed)
        return Compose(tuple(s for s in self.steps if s.degradation.name not in gone))

    def apply(self, image: Tensor) -> Tensor:
        """image: shape (B, 3, H, W), in [0, 1]."""
        for step in self.steps:
            image = step.apply(image)
        return image

    def apply_without_each(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What all make of the picture, and what all but one do, by that one's name: for three degradations six
        applications instead of nine. image: (B, 3, H, W), in [0, 1]."""
        without: dict[str, Tensor] = {}
        for step in self.steps:
            without = {name: step.apply(other) for name, other in without.items()}
            without[step.degradation.name] = image
            image = step.apply(image)
        return image, without
