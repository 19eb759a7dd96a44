"""flow-unet in one pass down the image; see `restorekit.model.streaming`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restorekit.model.backbone.blocks import UNSHUFFLE, Block
from restorekit.model.streaming import StreamedConvolution, StreamedHalving, Waiting, convolve

__all__ = ["FlowUnetStream"]


class BlockStream:
    """A residual block. embedding: (1, E)."""

    def __init__(self, block: Block, embedding: Tensor) -> None:
        self.block = block
        self.film = block.modulation(embedding)
        self.conv1, self.conv2 = StreamedConvolution(block.conv1), StreamedConvolution(block.conv2)
        self.skip = Waiting()

    def push(self, x: Tensor, last: bool) -> Tensor:
        self.skip.add(x)
        inside = self.conv1.push(x, last)
        self.block.activate(inside, self.film, out=self.conv2.room(inside, last))
        return self.skip.add_to(self.conv2.convolve())


class FlowUnetStream:
    """`FlowUnet.forward` of one picture; fulfils `restorekit.model.streaming.Stream`.

    embedding: of time and context, (1, E).
    The other arguments are the network's layers, in the order in which they are met.
    """

    def __init__(
        self,
        embedding: Tensor,
        stem: nn.Conv2d,
        down: nn.ModuleList,
        reduce: nn.ModuleList,
        enlarge: nn.ModuleList,
        up: nn.ModuleList,
        head: nn.Conv2d,
    ) -> None:
        self.stem, self.head = StreamedConvolution(stem), StreamedConvolution(head)
        self.down, self.up = (
            [[BlockStream(block, embedding) for block in blocks] for blocks in levels]  # type: ignore[attr-defined]
            for levels in (down, up)
        )
        self.reduce = [StreamedHalving(layer) for layer in reduce]  # type: ignore[arg-type]
        self.enlarge: list[nn.Conv2d] = list(enlarge)  # type: ignore[arg-type]
        self.skips = [Waiting() for _ in self.reduce]
        self.degraded = Waiting()

    def push(self, x_t: Tensor, degraded: Tensor, last: bool) -> Tensor:
        """Take the next rows, return those that are certain: even numbers of rows, whole cells."""
        self.degraded.add(degraded)
        if degraded.shape[2]:
            x = F.pixel_unshuffle(torch.cat([x_t, degraded], 1) - 0.5, UNSHUFFLE)
        else:
            x = degraded.new_empty(len(degraded), self.stem.layer.in_channels, 0, degraded.shape[3] // UNSHUFFLE)
        x = self.level(0, self.stem.push(x, last), last)
        change = F.pixel_shuffle(self.head.push(x, last), UNSHUFFLE)
        return self.degraded.add_to(change.to(degraded.dtype))

    def level(self, depth: int, x: Tensor, last: bool) -> Tensor:
        """Take rows through one level and all below it."""
        for block in self.down[depth]:
            x = block.push(x, last)
        if depth == len(self.reduce):
            return x
        self.skips[depth].add(x)
        below = self.level(depth + 1, self.reduce[depth].push(x), last)
        x = self.skips[depth].add_to(F.pixel_shuffle(convolve(self.enlarge[depth], below), 2))
        for block in self.up[depth]:
            x = block.push(x, last)
        return x
