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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations

import torch
from torch import Generator, Tensor

from restorekit.composition import Compose
from restorekit.degradation import Degradation, Severity
from restorekit.errors import TrainingError
from restorekit.training.frames import framed
from restorekit.training.sets import parts_of
from restorekit.training.shots import NOISE, shot_pair

__all__ = [
    "CHAINS",
    "FILES",
    "MILD",
    "SIZES",
    "DrawnSet",
    "Group",
    "PairMaker",
    "as_file",
    "mild",
    "severe",
    "typical",
    "validation_rows",
]

SIZES = (0.03, 0.70, 0.19, 0.08)  # probability of 0, 1, 2, 3 degradations at once
CHAINS = 0.1  # share of draws that are chains, where a recipe names no sets
# Chance that something happens at each stage of a chain, by the order at which the stage ends.
STAGES = ((20, 0.2), (30, 0.5), (40, 0.4), (50, 0.8), (math.inf, 0.75))
SELECTIVE, ABSENT, FRACTIONAL = 0.25, 0.2, 0.06
SEEN = {"rain", "blur"}  # what a camera can have before it
MILD = 0.25  # of the way from a mild severity to the typical one: pairs as most photographs have them
FILES, FILES_OF_ARRAYS = 0.85, 0.25  # share of 8-bit pictures, and among those that papers keep as arrays


@dataclass(frozen=True)
class DrawnSet:
    """The degradations of one group.

    chosen: indices of the degradations, in random order.
    removed: indices of those to remove; None where that is left open.
    kinds: by name of a degradation, where it is not to be any.
    """

    chosen: list[int]
    removed: list[int] | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)


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
        "rain/noise" with the rain alone to remove, "noise:camera+jpeg" with noise of that kind.
    chains: share of draws that are chains; none where sets are named.
    shots: share, of the groups with noise of any kind and nothing but JPEG beside it, that cameras make
        (`restorekit.training.shots`), the target too.
    shots_beside: the same of those that have rain or blur as well, which the cameras see.
    frames: share of the patches with a part that nothing was done to (`restorekit.training.frames`).
    """

    degradations: tuple[Degradation, ...]
    shares: tuple[float, ...]
    sizes: tuple[float, ...] = SIZES
    sets: tuple[tuple[str, float], ...] = ()
    chains: float = CHAINS
    shots: float = 0.0
    shots_beside: float = 0.0
    frames: float = 0.0

    def __post_init__(self) -> None:
        _ = self.named_sets  # a kind that is none is told before anything is drawn

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

    @cached_property
    def named_sets(self) -> tuple[tuple[DrawnSet, float], ...]:
        """The sets that have names, in the order of their names, and their shares."""
        return tuple((self.set_named(text), share) for text, share in self.sets)

    def set_named(self, text: str) -> DrawnSet:
        """Read the name of a set, as `sets` has them. Raises TrainingError for a kind that is none."""
        places = {d.name: i for i, d in enumerate(self.degradations)}
        removed, kept = parts_of(text)
        kinds = {name: kind for name, kind in removed + kept if kind}
        for name, kind in kinds.items():
            there = self.degradations[places[name]].kinds
            if kind not in there:
                raise TrainingError(f"{name} has no kind {kind!r}; sets can name {', '.join(there)}")
        first, last = ([places[name] for name, _ in side] for side in (removed, kept))
        return DrawnSet(first + last, first if kept else None, kinds)

    def draw_set(self, generator: Generator) -> DrawnSet:
        """Draw the degradations of one group."""
        device = generator.device
        if self.sets:
            die = float(torch.rand(1, generator=generator, device=device))
            for named, share in self.named_sets:
                die -= share
                if die < 0:
                    order = torch.randperm(len(named.chosen), generator=generator, device=device).tolist()
                    return replace(named, chosen=[named.chosen[i] for i in order])
        elif self.chains and float(torch.rand(1, generator=generator, device=device)) < self.chains:
            chain = self.draw_chain(generator)
            if len(chain) > 1:
                return DrawnSet(chain)
        sizes = torch.tensor(self.sizes[: len(self.degradations) + 1], device=device)
        size = int(torch.multinomial(sizes, 1, generator=generator))
        if size == 0:
            return DrawnSet([])
        shares = torch.tensor(self.shares, dtype=torch.float32, device=device)
        return DrawnSet(torch.multinomial(shares, size, generator=generator).tolist())

    def compose(self, drawn: DrawnSet, shape: Sequence[int], generator: Generator) -> Compose:
        """Draw realisations of a set, for patches of this shape, (B, 3, H, W)."""
        return Compose.draw([self.degradations[i] for i in drawn.chosen], shape, generator, kinds=drawn.kinds)

    def are_shot(self, drawn: DrawnSet, choices: Generator) -> bool:
        """Draw whether the patches of a set are made by cameras."""
        names = {self.degradations[i].name for i in drawn.chosen}
        share = self.shots_beside if names & SEEN else self.shots
        if not share or NOISE not in names or not names <= {NOISE, "jpeg", *SEEN} or NOISE in drawn.kinds:
            return False
        return float(torch.rand(1, generator=choices, device=choices.device)) < share

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
        drawn = self.draw_set(choices)
        chosen, named = drawn.chosen, drawn.removed
        dice = torch.rand(4, generator=choices, device=place).tolist()
        compose = self.compose(drawn, clean.shape, generator)
        shot = self.are_shot(drawn, choices)
        removed = chosen
        if selective and named is not None:
            removed = named
        elif selective and len(chosen) > 1 and dice[0] < SELECTIVE:
            keep = 1 + int(torch.randint(0, len(chosen) - 1, (1,), generator=choices, device=place))
            removed = chosen[:keep]  # `chosen` is in random order
        names = {self.degradations[i].name for i in removed}
        if shot:
            degraded, target = shot_pair(compose, names, clean, generator, choices)
        else:
            degraded = compose.apply(clean)
            target = compose.without(names).apply(clean)
        if self.frames:
            degraded, target = framed(degraded, target, clean, self.frames, generator)
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


def mild(scale: Severity, share: float) -> float:
    """Find the severity at that share of the way from the mild one to the typical one."""
    mildest = scale.fraction(scale.mild)
    return scale.value(mildest + share * (scale.fraction(scale.typical) - mildest))


def validation_rows(degradations: Sequence[Degradation]) -> dict[str, dict[str, float]]:
    """List the rows of validation: each degradation at its typical and at a strong severity, pairs at typical and
    at mild severities: what a basis gains alone it may pay for there."""
    rows: dict[str, dict[str, float]] = {}
    for d in degradations:
        rows[f"{d.name} {d.severity.typical:g}"] = typical([d])
        rows[f"{d.name} {severe(d.severity):.3g}"] = {d.name: severe(d.severity)}
    pairs = list(combinations(degradations, 2))
    for a, b in pairs:
        rows[f"{a.name}+{b.name}"] = typical([a, b])
    for a, b in pairs:
        rows[f"{a.name}+{b.name} mild"] = {d.name: mild(d.severity, MILD) for d in (a, b)}
    return rows
