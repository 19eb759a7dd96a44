"""The frame of a strange kind: a number for each picture, at which it is damaged or left alone; see `other_kinds`.

degraded = damaged(image, amount)    where the amount is not `severity.off`, else image
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from restorekit.degradation import Degradation, Realisation

__all__ = ["OtherKind", "darker", "of", "plane"]

GAMMA = 2.2  # of light to values


class OtherKind(Degradation):
    """A kind with one number for each picture."""

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        amount = of(realisation.severity, image)
        return torch.where(amount == self.severity.off, image, self.damaged(image, amount, realisation))

    @abstractmethod
    def damaged(self, image: Tensor, amount: Tensor, realisation: Realisation) -> Tensor:
        """Damage pictures.

        image: shape (B, 3, H, W), in [0, 1]; same shape out.
        amount: the severities, (B, 1, 1, 1), of the picture's type. What comes of it at `off` is thrown away.
        realisation: what else was drawn.
        """


def of(numbers: Tensor, image: Tensor) -> Tensor:
    """Numbers of each picture, (B,), as (B, 1, 1, 1), of the picture's type."""
    return numbers.to(image).view(-1, 1, 1, 1)


def plane(angle: Tensor, height: int, width: int) -> Tensor:
    """Heights from -1 to 1, (B, 1, H, W), that rise in the direction of an angle, (B,), in radians."""
    down = torch.linspace(-1, 1, height, device=angle.device).view(1, 1, -1, 1)
    right = torch.linspace(-1, 1, width, device=angle.device).view(1, 1, 1, -1)
    sine, cosine = angle.sin().view(-1, 1, 1, 1), angle.cos().view(-1, 1, 1, 1)
    return (sine * down + cosine * right) / (sine.abs() + cosine.abs())


def darker(image: Tensor, stops: Tensor) -> Tensor:
    """Take light away. stops: how much, of shapes that go together with the image's."""
    return (image.clamp(0, 1) ** GAMMA * 2**-stops) ** (1 / GAMMA)
