"""A backbone from outside, laid out as the diffusion models of diffusers are: attention, normalisation,
embeddings, and convolutions that enlarge. It works in full precision, and every pixel sees every other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from restorekit.model.backbone import Facts, Predictor
from restorekit.model.lora import with_tensors
from restorekit.model.streaming import Stream

WIDTH = 8


class StrangeNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Embedding(11, WIDTH)
        self.stem = nn.Conv2d(6, WIDTH, 3, padding=1)
        self.norm = nn.GroupNorm(2, WIDTH)
        self.depthwise = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=4)
        self.reduce = nn.Conv2d(WIDTH, WIDTH, 2, stride=2)
        self.before = nn.LayerNorm(WIDTH)
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(3))
        self.joint = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.along = nn.Conv1d(WIDTH, WIDTH, 3, padding=1)
        self.bound = weight_norm(nn.Linear(WIDTH, WIDTH))
        self.enlarge = nn.ConvTranspose2d(WIDTH, WIDTH, 2, stride=2)
        self.head = nn.Conv2d(WIDTH, 3, 3, padding=1, bias=False)
        nn.init.zeros_(self.head.weight)
        self.again = [self.query]  # a reference that is no child: a copy has to follow it

    def forward(self, x_t: Tensor, t: Tensor, degraded: Tensor) -> Tensor:
        x = self.depthwise(self.norm(self.stem(torch.cat([x_t, degraded], 1))))
        x = x + self.time((10 * t).round().long())[:, :, None, None]
        small = self.reduce(x)
        tokens = self.before(small.flatten(2).transpose(1, 2))
        tokens = F.scaled_dot_product_attention(self.again[0](tokens), self.key(tokens), self.value(tokens))
        tokens = tokens + self.joint(tokens, tokens, tokens)[0] + self.bound(tokens)
        tokens = self.along(tokens.transpose(1, 2)).view_as(small)
        return degraded + self.head(x + self.enlarge(tokens))


class StrangeBackbone:
    """Fulfils `restorekit.model.backbone.Backbone` without being a module."""

    def __init__(self, network: StrangeNetwork) -> None:
        self.network = network.eval().requires_grad_(False)
        self.seen: list[tuple[int, ...]] = []  # shapes of what the network was given

    @property
    def facts(self) -> Facts:
        return Facts(multiple=2, halo=None, half=False, head="head")

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        with torch.random.fork_rng():
            torch.manual_seed(int((folder / "seed.txt").read_text()))
            return cls(StrangeNetwork())

    def on(self, device: torch.device) -> Self:
        self.network.to(device)
        return self

    def specialise(self, tensors: Mapping[str, Tensor]) -> Predictor:
        return StrangePredictor(with_tensors(self.network, tensors), self.seen)


class StrangePredictor:
    def __init__(self, network: StrangeNetwork, seen: list[tuple[int, ...]]) -> None:
        self.network, self.seen = network, seen

    def describe(self, degraded: Tensor) -> Tensor:
        return torch.zeros(len(degraded), 0)

    def __call__(self, x_t: Tensor, t: Tensor, degraded: Tensor, context: Tensor) -> Tensor:
        self.seen.append(tuple(degraded.shape))
        return self.network(x_t, t, degraded)

    def stream(self, t: Tensor, context: Tensor) -> Stream:
        raise AssertionError("the facts say that it cannot")
