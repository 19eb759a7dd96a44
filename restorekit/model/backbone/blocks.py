"""The residual block of flow-unet, and the cells of pixels that it works on.

Leaky activations: with plain ReLU up to 60 % of a layer's channels fell silent for good in training.
FiLM: Perez et al., 2018, https://arxiv.org/abs/1709.07871
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restorekit.model.winograd import Convolution

__all__ = ["UNSHUFFLE", "Block"]

UNSHUFFLE = 2  # px; side of a cell
SLOPE = 0.1  # of the activation below zero


class Block(nn.Module):
    """x + conv(leaky_relu(film(conv(x))))."""

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.conv1 = Convolution(channels, channels, 3, padding=1)
        self.conv2 = Convolution(channels, channels, 3, padding=1)
        self.film = nn.Linear(embedding, 2 * channels)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        inside = self.conv1(x)
        out = None if torch.is_grad_enabled() else inside
        return self.conv2(self.activate(inside, self.modulation(embedding), out)).add_(x)

    def modulation(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale of the inner channels, (B, C, 1, 1) each."""
        scale, shift = self.film(embedding)[:, :, None, None].chunk(2, dim=1)
        return shift, 1 + scale

    @staticmethod
    def activate(inside: Tensor, modulation: tuple[Tensor, Tensor], out: Tensor | None = None) -> Tensor:
        """leaky_relu(film(inside))."""
        shift, scale = modulation
        return F.leaky_relu(torch.addcmul(shift, inside, scale, out=out), SLOPE, inplace=True)
