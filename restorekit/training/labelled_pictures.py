"""Labelled pictures, which the encoder learns from: what is wrong with them, where, and how much of it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from restorekit.composition import Compose
from restorekit.model.looking import GRID
from restorekit.training.flat import FlatPhotos
from restorekit.training.pairs import PairMaker, as_file
from restorekit.training.photos import more_detailed, random_patches, softened
from restorekit.training.teacher import Curriculum
from restorekit.training.visibility import visibility

__all__ = ["SOFT", "SOFTEST", "VARIED", "PictureMaker", "Pictures", "by_share"]

EMPHASIS = 0.0  # small copies as often as large ones: they hold what is most easily mistaken for rain
DETAILED = 0.5  # of the draws take the more detailed one of two pictures
TEXTURED = 0.5  # of the draws without new kinds are of the most detailed one of eight pictures
SECOND = 0.5  # of the draws with noise or JPEG are lessons for the second look
VARIED = 0.35  # of the draws have any kind as often as the plain one: cameras and lenses make few plain ones
SOFT = 0.4  # of the draws with noise, JPEG or nothing are of photographs that are soft and stay so
SOFTEST = 1.7  # times enlarged


@dataclass(frozen=True)
class Pictures:
    """Degraded pictures and their labels.

    degraded, clean: (B, 3, H, W).
    fractions: severities as fractions of their scales, 0 where absent, (B, K).
    presence: the label, (B, K), in [0, 1].
    evidence: change by each degradation, mean square by GRID x GRID px, (B, K, H / GRID, W / GRID).
    removed: weights, (K,), of the bases that restore it before it is looked at.
    asked: 1 where the label counts, (B, K): what was removed, well or badly, is not asked for.
    labelled: whether labels teach, or what the encoder said before.
    """

    degraded: Tensor
    clean: Tensor
    fractions: Tensor
    presence: Tensor
    evidence: Tensor
    removed: Tensor
    asked: Tensor
    labelled: bool = True


@dataclass(frozen=True)
class PictureMaker:
    """Draws pictures.

    pairs: has the degradations, in the order of the labels.
    photos: uint8, (3, H, W) each.
    curriculum: kinds that are new to the encoder; None where labels teach all.
    """

    pairs: PairMaker
    photos: Sequence[Tensor] | FlatPhotos
    curriculum: Curriculum | None = None

    def draw(self, count: int, side: int, generator: Generator, choices: Generator | None = None) -> Pictures:
        """Draw pictures with the same degradations, each with realisations of its own.

        count: of the pictures.
        side: of each, px.
        generator: draws what each gets.
        choices: on the CPU, draws what concerns all of them; `generator` if None.
        """
        choices = generator if choices is None else choices
        # Stripes, twigs and whiskers look like rain; where there are none there is little to mistake.
        halvings = int(float(torch.rand(1, generator=choices)) < DETAILED)
        drawn = self.pairs.draw_set(choices)
        chosen = [self.pairs.degradations[i] for i in drawn.chosen]
        labelled, kinds = True, dict(drawn.kinds)
        if self.curriculum is not None:
            chosen, kinds, labelled = self.curriculum.draw(chosen, self.pairs.degradations, choices)
            if not labelled and float(torch.rand(1, generator=choices)) < TEXTURED:
                # A lawn looks like a camera's noise. So it is shown often, with nothing wrong that noise could be.
                halvings, new = 3, {d.name for d, _ in self.curriculum.lessons}
                chosen = [d for d in chosen if d.name not in new]
        clean = random_patches(self.photos, count << halvings, side, generator, emphasis=EMPHASIS)
        for _ in range(halvings):
            clean = more_detailed(clean)
        dice = torch.rand(2, generator=choices).tolist()
        if dice[0] < SOFT and all(d.late for d in chosen):
            clean = softened(clean, 1 + dice[1] * (SOFTEST - 1))
        if float(torch.rand(1, generator=choices)) < VARIED and self.curriculum is None:
            kinds |= {
                d.name: d.kinds[int(torch.randint(len(d.kinds), (1,), generator=choices))]
                for d in chosen
                if d.name not in kinds
            }
        drawn_for = Compose.draw(chosen, clean.shape, generator, kinds=kinds)
        # What is restored before it is looked at is not asked for: that would be no lesson.
        second = self.curriculum is None or not labelled
        return replace(self.label(clean, drawn_for, generator, choices, second=second), labelled=labelled)

    def label(
        self, clean: Tensor, compose: Compose, generator: Generator, choices: Generator, *, second: bool = True
    ) -> Pictures:
        """Degrade, and say what was done.

        clean: (B, 3, H, W).
        compose: what is done.
        generator: draws which become files.
        choices: draws whether it is a lesson for the second look.
        second: whether it may be one.
        """
        place, late = clean.device, self.pairs.late.to(clean.device)
        names = [d.name for d in self.pairs.degradations]
        degraded, without = compose.apply_without_each(clean)
        fractions = torch.zeros(len(clean), len(names), device=place)
        presence = torch.zeros_like(fractions)
        evidence = torch.zeros(*fractions.shape, *(n // GRID for n in clean.shape[-2:]), device=place)
        for step in compose.steps:
            index = names.index(step.degradation.name)
            scale = step.degradation.severity
            values = torch.tensor([scale.fraction(v) for v in step.realisation.severity.tolist()], device=place)
            fractions[:, index] = values
            presence[:, index] = (values / scale.fraction(scale.mild)).clamp(0, 1)
            changed = degraded - without[step.degradation.name]
            evidence[:, index] = F.avg_pool2d(changed.square().mean(1, keepdim=True), GRID)[:, 0]
        presence *= visibility(evidence)
        chosen = [names.index(step.degradation.name) for step in compose.steps]
        degraded = as_file(degraded, generator, self.pairs.file_share(chosen))
        removed = torch.zeros(len(names), device=place)
        asked = torch.ones_like(fractions)
        if second and float(torch.rand(1, generator=choices)) < SECOND:
            removed[chosen] = 1.0
            removed *= late
            if bool(removed.any()):
                asked[:, late] = 0
        return Pictures(degraded, clean, fractions, presence, evidence, removed, asked)


def by_share(shares: Mapping[str, float], generator: Generator) -> str:
    """Draw a name by its share."""
    return list(shares)[int(torch.multinomial(torch.tensor(list(shares.values())), 1, generator=generator))]
