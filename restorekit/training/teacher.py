"""New kinds of a degradation for an encoder that knows others, without forgetting them.

On pictures of kinds that it knew, the encoder learns to say what it said before: `q`, weights and severities are
those of the encoder that it started from. Labels teach on pictures of the new kinds only. The keys stay as they
are, so that those of bases from elsewhere go on fitting.
Li & Hoiem, "Learning without forgetting", 2016, https://arxiv.org/abs/1606.09282
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from restorekit.degradation import Degradation
from restorekit.errors import TrainingError
from restorekit.model.encoder import DegradationEncoder
from restorekit.training.keys import Keys
from restorekit.training.memory import Lesson

__all__ = ["ALONE", "Curriculum", "Teacher", "curriculum_of"]

ALONE, WITH_LATE = 0.45, 0.3  # shares of the lessons with nothing else, and with something of sensor or file
PLAIN = 0.7  # share of the plain kind among those that were known


@dataclass(frozen=True)
class Curriculum:
    """Kinds that are new. lessons: degradation and kind of each. share: of all draws."""

    lessons: tuple[tuple[Degradation, str], ...]
    share: float

    def draw(
        self, chosen: list[Degradation], others: Sequence[Degradation], choices: Generator
    ) -> tuple[list[Degradation], dict[str, str], bool]:
        """Decide whether a draw is a lesson.

        chosen: what would happen to the picture.
        others: all degradations.
        choices: draws it.
        Returns what happens to it, its kinds by name, and whether it is a lesson.
        """
        dice = torch.rand(2, generator=choices).tolist()
        if dice[0] >= self.share:
            return chosen, {d.name: self.known_kind(d, choices) for d in chosen}, False
        new, kind = self.lessons[int(torch.randint(len(self.lessons), (1,), generator=choices))]
        beside: list[Degradation] = []
        if dice[1] >= ALONE:
            late = dice[1] < ALONE + WITH_LATE
            possible = [d for d in (others if late else chosen) if d is not new and (d.late or not late)]
            if possible:
                beside = [possible[int(torch.randint(len(possible), (1,), generator=choices))]]
        kinds = {d.name: self.known_kind(d, choices) for d in beside}
        return [new, *beside], {**kinds, new.name: kind}, True

    def known_kind(self, degradation: Degradation, choices: Generator) -> str:
        """Draw one of the kinds that are not new."""
        new = {kind for d, kind in self.lessons if d.name == degradation.name}
        known = [kind for kind in degradation.kinds if kind not in new]
        plain = float(torch.rand(1, generator=choices)) < PLAIN
        return known[0 if plain else int(torch.randint(len(known), (1,), generator=choices))]


def curriculum_of(names: Sequence[str], degradations: Sequence[Degradation], share: float) -> Curriculum | None:
    """Read lessons; None where there are none.

    names: "noise:camera" for the kind camera of noise.
    degradations: all that there are.
    share: of all draws.
    """
    if not names:
        return None
    by_name, lessons = {d.name: d for d in degradations}, []
    for text in names:
        name, _, kind = text.partition(":")
        if name not in by_name or kind not in by_name[name].kinds[1:]:
            known = ", ".join(f"{d.name}:{kind}" for d in degradations for kind in d.kinds[1:])
            raise TrainingError(f"no lesson {text}; there are {known}")
        lessons.append((by_name[name], kind))
    return Curriculum(tuple(lessons), share)


class Teacher:
    """An encoder and keys as they were, which say what they see."""

    def __init__(self, encoder: DegradationEncoder, keys: Keys) -> None:
        self.encoder = copy.deepcopy(encoder).eval().requires_grad_(False)
        self.keys = copy.deepcopy(keys).requires_grad_(False)

    @torch.no_grad()
    def lesson(self, lesson: Lesson, crops: Tensor, owners: Tensor, contexts: Tensor) -> tuple[Lesson, Tensor]:
        """The lesson with its own answers in place of the labels, and its queries, (B, D).

        lesson: features and labels.
        crops: (N, 3, s, s).
        owners: (N,), picture that each is of.
        contexts: (B, CONTEXT).
        """
        query = self.encoder(crops, owners, contexts)
        logits, fractions = self.keys(query)
        return Lesson(lesson.features, fractions, logits.sigmoid(), lesson.asked), query
