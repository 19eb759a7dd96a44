"""Several degradations of one picture, each with one realisation, applied in physical order.

    degraded = file(sensor(sampling(lens(scene(clean)))))

A plugin's code is called here and nowhere else: what it raises, and what it hands back, is checked and names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from restorekit.degradation import Degradation, Realisation
from restorekit.errors import PluginError, RestorekitError

if TYPE_CHECKING:
    import torch
    from torch import Generator, Tensor

__all__ = ["Compose", "Step", "draw_on_device", "in_physical_order", "seed_from"]

# Noise leaves [0, 1], by 6 sigma in a large picture; beyond, somebody has taken the range for 0 to 255.
LOWEST, HIGHEST = -4.0, 5.0


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
        """Draw a realisation of one degradation.

        shape: (B, 3, H, W) of the image batch.
        severity, kind: as in `Degradation.draw`.
        Raises PluginError, which names the plugin, where what comes back is no realisation. A ValueError of the
        plugin's passes: it is about the severity.
        """
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
        """Degrade.

        image: (B, 3, H, W), in [0, 1]; same shape out.
        Raises PluginError, which names the plugin, where what comes back is not an image batch.
        """
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
    """Name the plugin in whatever its code raises.

    degradation: the plugin's.
    method: the name of what is called.
    but: errors that pass, besides our own and lack of memory.
    """
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

    shape, generator, severity, kind: as in `Degradation.draw`.
    Raises PluginError where `draw` needs the CPU and does not say so.
    """
    device = generator.device
    if device.type == "cpu":
        return degradation.draw(shape, generator, severity=severity, kind=kind)
    if degradation.draws_on_cpu:
        import torch

        there = torch.Generator().manual_seed(seed_from(generator))
        drawn = degradation.draw(shape, there, severity=severity, kind=kind)
        return drawn.to(device)
    try:
        drawn = degradation.draw(shape, generator, severity=severity, kind=kind)
    except RuntimeError as error:
        if not any(words in str(error) for words in ("device type for generator", "on the same device")):
            raise
        raise PluginError(f"{cannot_draw(degradation, device)} ({error})") from error
    if any(tensor.device.type != device.type for tensor in drawn.tensors()):
        raise PluginError(cannot_draw(degradation, device))
    return drawn


def seed_from(generator: Generator) -> int:
    """Draw a seed for another generator."""
    import torch

    return int(torch.randint(2**62, (1,), generator=generator, device=generator.device))


def cannot_draw(degradation: Degradation, device: torch.device) -> str:
    """The words for a degradation that needs the CPU and does not say so."""
    remedy = f"set draws_on_cpu = True in {type(degradation).__name__}, or device=generator.device in its draw"
    return f"{degradation.name} cannot draw on {device}; {remedy}"


def in_physical_order(degradations: Iterable[Degradation]) -> tuple[Degradation, ...]:
    """Sort degradations: scene before lens before sensor before file; ties by name."""
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
        """Draw a realisation of each degradation.

        shape: (B, 3, H, W) of the image batch.
        severities, kinds: by name; what is not named comes from the training distribution, a kind beside a named
            severity is the plain one.
        """
        named, varieties = severities or {}, kinds or {}
        return cls(
            tuple(
                Step.draw(d, shape, generator, named.get(d.name), varieties.get(d.name))
                for d in in_physical_order(degradations)
            )
        )

    def without(self, removed: Iterable[str]) -> Compose:
        """Leave the named ones out, every other realisation unchanged."""
        gone = set(removed)
        return Compose(tuple(s for s in self.steps if s.degradation.name not in gone))

    def apply(self, image: Tensor) -> Tensor:
        """Degrade. image: shape (B, 3, H, W), in [0, 1]; same shape out."""
        for step in self.steps:
            image = step.apply(image)
        return image

    def apply_without_each(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Degrade, with all and with all but one: for three degradations six applications instead of nine.

        image: (B, 3, H, W), in [0, 1].
        Returns the degraded picture, and by each one's name the picture without it.
        """
        without: dict[str, Tensor] = {}
        for step in self.steps:
            without = {name: step.apply(other) for name, other in without.items()}
            without[step.degradation.name] = image
            image = step.apply(image)
        return image, without
