"""flow-unet in one pass down the image; see `restorekit.streaming`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restorekit.backbone.flow_unet import UNSHUFFLE, Block, FlowUnet
from restorekit.streaming import StreamedConvolution, StreamedHalving, Waiting, convolve


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
    """`FlowUnet.forward` of one picture; fulfils `restorekit.streaming.Stream`. t: (1,). context: (1, C)."""

    def __init__(self, network: FlowUnet, t: Tensor, context: Tensor) -> None:
        embedding = network.embed(t, context)
        self.stem, self.head = StreamedConvolution(network.stem), StreamedConvolution(network.head)
        self.down, self.up = (
            [[BlockStream(block, embedding) for block in blocks] for blocks in levels]  # type: ignore[attr-defined]
            for levels in (network.down, network.up)
        )
        self.reduce = [StreamedHalving(layer) for layer in network.reduce]  # type: ignore[arg-type]
        self.enlarge: list[nn.Conv2d] = list(network.enlarge)  # type: ignore[arg-type]
        self.skips = [Waiting() for _ in self.reduce]
        self.degraded = Waiting()

    def push(self, x_t: Tensor, degraded: Tensor, last: bool) -> Tensor:
        """Whole 2x2 blocks go in and come out: even numbers of rows."""
        self.degraded.add(degraded)
        if degraded.shape[2]:
            x = F.pixel_unshuffle(torch.cat([x_t, degraded], 1) - 0.5, UNSHUFFLE)
        else:
            x = degraded.new_empty(len(degraded), self.stem.layer.in_channels, 0, degraded.shape[3] // UNSHUFFLE)
        x = self.level(0, self.stem.push(x, last), last)
        change = F.pixel_shuffle(self.head.push(x, last), UNSHUFFLE)
        return self.degraded.add_to(change.to(degraded.dtype))

    def level(self, depth: int, x: Tensor, last: bool) -> Tensor:
        """One level and all below it."""
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
