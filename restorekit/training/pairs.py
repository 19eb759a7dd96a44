"""Pairs for selective training.

Draw a set S of degradations and apply them to a clean patch; draw a subset R of S to remove and give the bases
of R the weight 1, all others 0. The target is the same patch with only S \\ R applied, realisation for
realisation. Sometimes the basis of an absent degradation gets a weight as well (the target does not change: a
false alarm must do no harm), and sometimes the weight is a fraction u (the target moves by that fraction).

Degradations are applied in physical order, whatever the order of the weights. Some sets are whole chains, as a
photograph that was taken in bad light and sent on has them: at each stage, from the scene to the file, something
happens or not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Generator, Tensor

from restorekit.composition import Compose
from restorekit.degradation import Degradation, Severity

__all__ = ["CHAINS", "FILES", "SIZES", "Group", "PairMaker", "as_file", "severe", "typical", "validation_rows"]

SIZES = (0.03, 0.70, 0.19, 0.08)  # probability of 0, 1, 2, 3 degradations at once
CHAINS = 0.1  # share of draws that are chains, where a recipe names no sets
# Chance that something happens at each stage of a chain, by the order at which the stage ends.
STAGES = ((20, 0.2), (30, 0.5), (40, 0.4), (50, 0.8), (math.inf, 0.75))
SELECTIVE, ABSENT, FRACTIONAL = 0.25, 0.2, 0.06
FILES, FILES_OF_ARRAYS = 0.85, 0.25  # share of 8-bit pictures, and among those that papers keep as arrays


@dataclass(frozen=True)
class Group:
    """Patches that share one weight vector.

    degraded, target: (B, 3, H, W).
    weights: (K,).
    present: severities of what was applied, by name, (B,) each.
    mixture: the weights as numbers, K of them, known without asking the device.
    """

    degraded: Tensor
    target: Tensor
    weights: Tensor
    present: dict[str, Tensor]
    mixture: tuple[float, ...]

    def split(self, size: int) -> list[Group]:
        """Split into groups of at most `size` patches each."""
        parts = []
        for start in range(0, len(self.degraded), size):
            some = slice(start, start + size)
            present = {name: severity[some] for name, severity in self.present.items()}
            parts.append(Group(self.degraded[some], self.target[some], self.weights, present, self.mixture))
        return parts


@dataclass(frozen=True)
class PairMaker:
    """Draw groups of patches.

    degradations: one per basis, in the order of the weights.
    shares: how often each comes.
    sizes: probability of 0, 1, ... of them at once.
    sets: named ones that come in that share of all draws beside the others: "rain+noise" as any other pair,
        "rain/noise" with the rain alone to remove.
    chains: share of draws that are chains; none where sets are named.
    """

    degradations: tuple[Degradation, ...]
    shares: tuple[float, ...]
    sizes: tuple[float, ...] = SIZES
    sets: tuple[tuple[str, float], ...] = ()
    chains: float = CHAINS

    @cached_property
    def late(self) -> Tensor:
        """Marks of the degradations that happen in the sensor or the file, (K,), bool."""
        return torch.tensor([d.late for d in self.degradations])

    def draw_chain(self, generator: Generator) -> list[int]:
        """Draw what happens to a photograph from the scene to the file, at most one a stage; indices in random
        order."""
        device = generator.device
        dice = torch.rand(2, len(STAGES), generator=generator, device=device).tolist()
        chosen, start = [], -math.inf
        for (end, chance), happens, which in zip(STAGES, *dice, strict=True):
            here = [i for i, d in enumerate(self.degradations) if start <= d.order < end]
            left = which * sum(self.shares[i] for i in here)
            for i in here:
                left -= self.shares[i]
                if left < 0:
                    chosen += [i] * (happens < chance)
                    break
            start = end
        order = torch.randperm(len(chosen), generator=generator, device=device).tolist()
        return [chosen[i] for i in order]

    def draw_set(self, generator: Generator) -> tuple[list[int], list[int] | None]:
        """Draw the degradations of one group.

        Returns their indices, in random order, and the indices of those to remove, None where that is left open.
        """
        device = generator.device
        if self.sets:
            die = float(torch.rand(1, generator=generator, device=device))
            names = [d.name for d in self.degradations]
            for text, share in self.sets:
                die -= share
                if die < 0:
                    removed, *kept = ([names.index(n) for n in side.split("+")] for side in text.split("/"))
                    wanted = removed + [i for side in kept for i in side]
                    order = torch.randperm(len(wanted), generator=generator, device=device).tolist()
                    return [wanted[i] for i in order], removed if kept else None
        elif self.chains and float(torch.rand(1, generator=generator, device=device)) < self.chains:
            chain = self.draw_chain(generator)
            if len(chain) > 1:
                return chain, None
        sizes = torch.tensor(self.sizes[: len(self.degradations) + 1], device=device)
        size = int(torch.multinomial(sizes, 1, generator=generator))
        if size == 0:
            return [], None
        shares = torch.tensor(self.shares, dtype=torch.float32, device=device)
        return torch.multinomial(shares, size, generator=generator).tolist(), None

    def file_share(self, chosen: Sequence[int]) -> float:
        """Share of 8-bit pictures. Where every bit of the input counts (blur) it must be what it will be in use;
        noise is scored unclipped, and clipping changes its mean in the dark and the bright."""
        arrays = chosen and not any(self.degradations[i].rounded for i in chosen)
        return FILES_OF_ARRAYS if arrays else FILES

    def group(
        self, clean: Tensor, generator: Generator, *, selective: bool, choices: Generator | None = None
    ) -> Group:
        """Degrade one group of clean patches.

        clean: (B, 3, H, W), in [0, 1], on the generator's device.
        generator: draws what the patches get.
        selective: whether parts of what was applied, and bases of what was not, are drawn as above.
        choices: draws what happens to the whole group; `generator` if None. One on the CPU beside a `generator`
            elsewhere never waits for that device.
        """
        choices = generator if choices is None else choices
        place = choices.device
        chosen, named = self.draw_set(choices)
        dice = torch.rand(4, generator=choices, device=place).tolist()
        compose = Compose.draw([self.degradations[i] for i in chosen], clean.shape, generator)
        degraded = compose.apply(clean)
        removed = chosen
        if selective and named is not None:
            removed = named
        elif selective and len(chosen) > 1 and dice[0] < SELECTIVE:
            keep = 1 + int(torch.randint(0, len(chosen) - 1, (1,), generator=choices, device=place))
            removed = chosen[:keep]  # `chosen` is in random order
        target = clean
        if len(removed) < len(chosen):
            target = compose.without(self.degradations[i].name for i in removed).apply(clean)
        degraded = as_file(degraded, generator, self.file_share(chosen))
        weights = torch.zeros(len(self.degradations))
        weights[removed] = 1.0
        if selective and dice[1] < FRACTIONAL:
            fraction = float(torch.rand(1, generator=choices, device=place))
            weights *= fraction
            target = degraded + fraction * (target - degraded)
        absent = [i for i in range(len(self.degradations)) if i not in chosen]
        if selective and absent and (dice[2] < ABSENT or not chosen):
            alarms = 1 + int(dice[3] < 0.3)
            picks = torch.randperm(len(absent), generator=choices, device=place)[:alarms].tolist()
            weights[[absent[i] for i in picks]] = 1.0
        present = {s.degradation.name: s.realisation.severity for s in compose.steps}
        return Group(degraded, target, weights.to(clean.device), present, tuple(weights.tolist()))


def as_file(degraded: Tensor, generator: Generator, share: float = FILES) -> Tensor:
    """Round a share of the pictures to what a file holds, 8 bits within the range; the others stay unbounded
    arrays.

    degraded: (B, 3, H, W); same out.
    generator: draws which.
    share: of the pictures that become files.
    """
    clipped = torch.rand(len(degraded), 1, 1, 1, generator=generator, device=generator.device) < share
    clipped = clipped.to(degraded.device)
    return torch.where(clipped, (degraded.clamp(0, 1) * 255).round() / 255, degraded)


def typical(degradations: Sequence[Degradation]) -> dict[str, float]:
    """List the typical severities by name."""
    return {d.name: d.severity.typical for d in degradations}


def severe(scale: Severity) -> float:
    """Find the severity half the way from the typical severity to the strongest one that training draws."""
    return scale.value(0.5 * (1 + scale.fraction(scale.typical)))


def validation_rows(degradations: Sequence[Degradation]) -> dict[str, dict[str, float]]:
    """List the rows of validation: each degradation at its typical and at a strong severity, pairs at typical."""
    rows: dict[str, dict[str, float]] = {}
    for d in degradations:
        rows[f"{d.name} {d.severity.typical:g}"] = typical([d])
        rows[f"{d.name} {severe(d.severity):.3g}"] = {d.name: severe(d.severity)}
    for i, a in enumerate(degradations):
        for b in degradations[i + 1 :]:
            rows[f"{a.name}+{b.name}"] = typical([a, b])
    return rows
