"""flow-unet, the embedded backbone: a plain residual U-Net of 3x3 convolutions on 2x2 pixel blocks.

    x̂ = degraded + head(unet(unshuffle(x_t, degraded), t, context))

The head has no weight of its own: W_head = 0, each basis brings its own, so without a basis x̂ = degraded, bit
for bit. No normalisation layers: they would tie a pixel to its tile. Time and context scale and shift each
block's inside.

U-Net: Ronneberger et al., 2015, https://arxiv.org/abs/1505.04597
Pixel-unshuffle stem: FFDNet, Zhang et al., 2018, https://arxiv.org/abs/1710.04026
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from restorekit.errors import WeightsError
from restorekit.model.backbone import Facts
from restorekit.model.backbone.blocks import UNSHUFFLE, Block
from restorekit.model.backbone.flow_unet_stream import FlowUnetStream
from restorekit.model.context import CONTEXT, describe
from restorekit.model.lora import with_tensors
from restorekit.model.weights import BACKBONE_TENSORS, load_json, load_tensors, save_json, save_tensors, write_sums
from restorekit.model.winograd import Convolution, memory_order

__all__ = ["CONFIG", "HEAD", "INLET", "TENSORS", "FlowUnet", "FlowUnetConfig"]

CONFIG, TENSORS = "config.json", BACKBONE_TENSORS
TIME_FEATURES = 32
CONTRAST_GAIN = 3.0  # of the stem's channels that answer to changes alone, at the start
HEAD, INLET = "head", "inlet"  # the layers whose own weight is zero


@dataclass(frozen=True)
class FlowUnetConfig:
    """Shape of the network. channels: per level. blocks: per level on the way down; levels but the last have
    the same number on the way up. embedding: width of the time and context embedding."""

    channels: tuple[int, ...] = (64, 128, 192)
    blocks: tuple[int, ...] = (3, 1, 1)
    embedding: int = 96

    @classmethod
    def from_folder(cls, folder: Path) -> FlowUnetConfig:
        values = load_json(folder / CONFIG)
        try:
            return cls(tuple(values["channels"]), tuple(values["blocks"]), int(values["embedding"]))
        except (KeyError, TypeError) as error:
            raise WeightsError(f"{folder} does not hold a flow-unet: {error}") from None


class FlowUnet(nn.Module):
    """The embedded backbone; fulfils `restorekit.model.backbone.Backbone`, and `Predictor`.

    shape: sizes of the network.
    generator: draws the first weights; None is torch's own.
    """

    def __init__(self, shape: FlowUnetConfig, generator: Generator | None = None) -> None:
        super().__init__()
        self.shape = shape
        ch, nb, emb = shape.channels, shape.blocks, shape.embedding
        self.time = nn.Linear(TIME_FEATURES, emb)
        self.inlet = nn.Linear(CONTEXT, emb, bias=False)
        self.stem = Convolution(6 * UNSHUFFLE**2, ch[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.ModuleList(Block(c, emb) for _ in range(n)) for c, n in zip(ch, nb, strict=True)
        )
        self.reduce = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in itertools.pairwise(ch))
        self.enlarge = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in itertools.pairwise(ch))
        self.up = nn.ModuleList(
            nn.ModuleList(Block(c, emb) for _ in range(n)) for c, n in zip(ch[:-1], nb[:-1], strict=True)
        )
        self.head = Convolution(ch[0], 3 * UNSHUFFLE**2, 3, padding=1, bias=False)
        if not self.head.weight.is_meta:  # drawing on "meta" imports sympy, for 1.6 s; loaded weights come anyway
            self.reset(generator)

    def reset(self, generator: Generator | None = None) -> None:
        """Draw first weights: small ones, smaller residual branches, head and inlet zero.

        All but the first eighth of the stem's channels do not answer to a constant colour, and answer more to
        what changes. Else brightness, the largest thing in a picture, decides which side of zero an activation is
        on, and the network stays linear in edges and noise for long."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="linear", generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
                if isinstance(module, nn.Conv2d) and module is not self.stem:
                    module.weight.data.mul_(0.7)
        for module in self.modules():
            if isinstance(module, Block):
                module.conv2.weight.data.mul_(0.3)
                module.film.weight.data.mul_(0.1)
        planes = self.stem.weight.data.unflatten(1, (-1, UNSHUFFLE**2))  # a view
        changes = CONTRAST_GAIN * (planes - planes.mean((2, 3, 4), keepdim=True))
        planes[len(planes) // 8 :] = changes[len(planes) // 8 :]
        self.head.weight.data.zero_()
        self.inlet.weight.data.zero_()

    @property
    def facts(self) -> Facts:
        """Facts that follow from the shape; the halo is rounded up to the grid."""
        radius, last = 0, len(self.shape.channels) - 1
        multiple = UNSHUFFLE * 2**last
        for level, blocks in enumerate(self.shape.blocks):
            pixel = UNSHUFFLE * 2**level
            radius += 2 * blocks * pixel * (1 if level == last else 2)
            radius += pixel  # the 2x2 cell that a step between levels joins
        radius += 2 * UNSHUFFLE  # stem and head
        halo = math.ceil(radius / multiple) * multiple
        return Facts(multiple, halo, streams=True, head=HEAD, inlet=INLET, winograd=True)

    @property
    def network(self) -> nn.Module:
        return self

    def on(self, device: torch.device) -> Self:
        """Move to a device, channels last, for prediction."""
        return self.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload, no-any-return]

    def specialise(self, tensors: Mapping[str, Tensor]) -> Self:
        """Copy the network with these tensors in the place of its own, by parameter name; the rest is shared."""
        return with_tensors(self, tensors)

    def describe(self, degraded: Tensor) -> Tensor:
        """Context of whole images, (B, 3, H, W) to (B, CONTEXT); zeros while the mixture does not look at it."""
        if not self.inlet.weight.any():
            return torch.zeros(len(degraded), CONTEXT, device=degraded.device)
        return describe(degraded)

    def embed(self, t: Tensor, context: Tensor) -> Tensor:
        """Time and context to the embedding; t: (B,), context: (B, CONTEXT); (B, embedding)."""
        features = self.time_features(t).to(self.time.weight.dtype)
        return F.silu(self.time(features) + self.inlet(context.to(features)))

    @staticmethod
    def time_features(t: Tensor) -> Tensor:
        """Sines and cosines of t, (B,) to (B, TIME_FEATURES)."""
        half = TIME_FEATURES // 2
        frequencies = torch.exp(torch.arange(half, device=t.device) * (-math.log(100.0) / (half - 1)))
        angles = t[:, None] * frequencies * math.pi
        return torch.cat([angles.sin(), angles.cos()], 1)

    def forward(self, x_t: Tensor, t: Tensor, degraded: Tensor, context: Tensor) -> Tensor:
        """Estimate of the clean images, (B, 3, H, W); H and W multiples of the facts' `multiple`."""
        embedding = self.embed(t, context)
        cells = F.pixel_unshuffle(torch.cat([x_t, degraded], 1) - 0.5, UNSHUFFLE)
        x = self.stem(cells.contiguous(memory_format=memory_order()))
        skips: list[Tensor] = []
        for level, blocks in enumerate(self.down):
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, embedding)
            if level < len(self.reduce):
                skips.append(x)
                x = self.reduce[level](x)
        for level in reversed(range(len(self.up))):
            x = F.pixel_shuffle(self.enlarge[level](x), 2).add_(skips[level])
            for block in self.up[level]:  # type: ignore[attr-defined]
                x = block(x, embedding)
        return degraded + F.pixel_shuffle(self.head(x), UNSHUFFLE)

    def stream(self, t: Tensor, context: Tensor) -> FlowUnetStream:
        """Start at the top of one picture, to take it rows at a time. t: (1,); context: (1, CONTEXT)."""
        return FlowUnetStream(
            self.embed(t, context), self.stem, self.down, self.reduce, self.enlarge, self.up, self.head
        )

    @classmethod
    def of_shape(cls, shape: FlowUnetConfig) -> Self:
        """Make one of this shape, with first weights."""
        return cls(shape)

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """Load configuration and verified weights."""
        config = FlowUnetConfig.from_folder(folder)
        try:
            with torch.device("meta"):
                backbone = cls.of_shape(config)
            backbone.load_state_dict(load_tensors(folder / TENSORS), assign=True)
        except (KeyError, TypeError, RuntimeError) as error:
            raise WeightsError(f"{folder} does not hold a flow-unet: {error}") from None
        return backbone.eval().requires_grad_(False)

    def save(self, folder: Path) -> None:
        """Write config and float16 tensors; float32 weights are rounded to what was written."""
        save_json(folder / CONFIG, {"_class_name": type(self).__name__, **asdict(self.shape)})
        save_tensors(folder / TENSORS, self.state_dict())
        write_sums(folder)
