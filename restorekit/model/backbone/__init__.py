"""The contract of a backbone: a network that estimates the clean image, into which bases are merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, Self

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from restorekit.model.streaming import Stream

__all__ = ["Backbone", "Facts", "Predictor"]


@dataclass(frozen=True)
class Facts:
    """Properties of a backbone that the rest of the package goes by.

    multiple: sides of pictures and origins of tiles are multiples of it, px; the caller pads and crops.
    halo: receptive radius, px, beyond which a pixel cannot influence another; tiles overlap by it. None where
        every pixel may influence every other, as with attention or normalisation: a picture is then one piece.
    space: where the network works; "latent" for one between an encoder and a decoder of pictures.
    half: whether it may compute in bf16 or fp16.
    streams: whether it can go down a picture row by row, see `Predictor.stream`.
    head: name of the layer without a weight of its own, which a basis brings whole; empty if there is none. What
        it makes is added to the picture, so that without bases a picture stays as it is.
    inlet: name of the layer that reads the context and has no weight of its own; empty if there is none.
    winograd: whether its convolutions are `restorekit.model.winograd.Convolution`.
    """

    multiple: int
    halo: int | None
    space: Literal["pixels", "latent"] = "pixels"
    half: bool = True
    streams: bool = False
    head: str = ""
    inlet: str = ""
    winograd: bool = False


class Predictor(Protocol):
    """A network with one mixture merged: a value that nothing done later changes; threads may share it."""

    def describe(self, degraded: Tensor, /) -> Tensor:
        """Context of whole pictures, computed once and shared by their tiles: (B, 3, H, W) to (B, C)."""
        ...

    def __call__(self, x_t: Tensor, t: Tensor, degraded: Tensor, context: Tensor, /) -> Tensor:
        """Estimate of the clean pictures. x_t, degraded: (B, 3, H, W); t: (B,); context: (B, C)."""
        ...

    def stream(self, t: Tensor, context: Tensor, /) -> Stream:
        """Start at the top of one picture, to take it rows at a time; asked only where the facts say `streams`.

        t: (1,).
        context: (1, C).
        """
        ...


class Backbone(Protocol):
    """A network and the way in which it is specialised for a mixture."""

    @property
    def facts(self) -> Facts: ...

    @property
    def network(self) -> nn.Module:
        """The module that bases are merged into; they name its layers."""
        ...

    @classmethod
    def from_folder(cls, folder: Path, /) -> Self:
        """Load configuration and verified weights."""
        ...

    def on(self, device: torch.device, /) -> Self:
        """Move to a device, in the memory order that is fastest there, for prediction."""
        ...

    def specialise(self, tensors: Mapping[str, Tensor], /) -> Predictor:
        """Make a predictor with these tensors in the place of the network's parameters of those names.

        Nothing in the backbone changes; the other tensors are shared. Gradients go through the given tensors, as
        `restorekit.model.lora.with_tensors` lets them: bases are trained so.
        """
        ...
