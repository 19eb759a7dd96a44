"""The critic of an adversarial training: where in a picture would a viewer say that it is not a photograph?

A small network that judges patches; every filter has unit norm, so that the judgement cannot grow without bound.
Patches: Isola et al., 2017, https://arxiv.org/abs/1611.07004
Relative judgement: Jolicoeur-Martineau, 2018, https://arxiv.org/abs/1807.00734
Features matched to the real ones: Wang et al., 2018, https://arxiv.org/abs/1711.11585
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Critic", "relative_loss"]

CHANNELS = (32, 64, 128, 128)
SLOPE = 0.2


class Critic(nn.Module):
    """Pictures (B, 3, H, W) in [0, 1] to a judgement for each patch, (B, 1, H / 8, W / 8), and the features on the
    way, one tensor per layer."""

    def __init__(self) -> None:
        super().__init__()
        widths = zip((3, *CHANNELS), CHANNELS, strict=False)
        self.layers = nn.ModuleList(
            nn.Conv2d(inside, out, 3 if i == 0 else 4, 1 if i == 0 else 2, 1)
            for i, (inside, out) in enumerate(widths)
        )
        self.judge = nn.Conv2d(CHANNELS[-1], 1, 3, padding=1, bias=False)  # only differences count

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        x, features = 4 * image - 2, []
        for layer in self.layers:
            assert isinstance(layer, nn.Conv2d)
            weight = F.normalize(layer.weight.flatten(1), dim=1).view_as(layer.weight)
            x = 2**0.5 * F.leaky_relu(F.conv2d(x, weight, layer.bias, layer.stride, 1), SLOPE)
            features.append(x)
        return self.judge(x), features


def relative_loss(better: Tensor, worse: Tensor) -> Tensor:
    """Distance of `better` from being judged more real than the mean of `worse`, and the other way round."""
    above = F.softplus(-(better - worse.mean())).mean()
    below = F.softplus(worse - better.mean()).mean()
    return (above + below) / 2
