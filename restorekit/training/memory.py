"""Memory of what the encoder saw, to be read out again: looking takes far longer.

Experience replay: Lin, 1992, https://doi.org/10.1007/BF00992699
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

__all__ = ["Lesson", "Memory"]


@dataclass(frozen=True)
class Lesson:
    """Features of pictures and what to read out of them.

    features: (B, crops, F).
    fractions, presence, asked: see `restorekit.training.labelled_pictures.Pictures`.
    """

    features: Tensor
    fractions: Tensor
    presence: Tensor
    asked: Tensor


class Memory:
    """The last so many lessons, each picture apart; not kept in checkpoints.

    Pictures with fewer crops than others, being partly blank, are not kept, so that any can be read out together.
    """

    def __init__(self, size: int) -> None:
        self.pictures: deque[tuple[Tensor, ...]] = deque(maxlen=size)
        self.crops = 0  # of each picture that is kept

    def add(self, lesson: Lesson) -> None:
        crops = lesson.features.shape[1]
        if crops > self.crops:
            self.pictures.clear()
            self.crops = crops
        if crops == self.crops:
            parts = lesson.features, lesson.fractions, lesson.presence, lesson.asked
            self.pictures.extend(zip(*parts, strict=True))

    def draw(self, count: int, generator: Generator) -> Lesson:
        places = torch.randint(len(self.pictures), (count,), generator=generator).tolist()
        return Lesson(*(torch.stack(parts) for parts in zip(*(self.pictures[i] for i in places), strict=True)))
