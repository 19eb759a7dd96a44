"""The contract of a family: all that differs between the networks of public latent models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["EMBEDS", "IDS", "POOLED", "Family"]

EMBEDS, POOLED, IDS = "prompt_embeds", "pooled_prompt_embeds", "time_ids"  # tensors of prompt.safetensors


class Family(Protocol):
    """Networks that are called in one way. `network` is of the class `kind` of diffusers."""

    kind: str
    head: str

    def channels(self, network: Any) -> int:
        """Number of channels of the latents."""
        ...

    def multiple(self, network: Any) -> int:
        """Number that sides of latents are multiples of."""
        ...

    def prompt_shapes(self, network: Any) -> dict[str, tuple[int, ...]]:
        """Shapes that the stored tensors of the prompt must have; -1 for any length."""
        ...

    def embed(self, pipeline: Any, prompt: str) -> dict[str, Tensor]:
        """Compute the tensors of a prompt with the pipeline's text encoders, batches of one."""
        ...

    def __call__(
        self, network: nn.Module, latents: Tensor, time: Tensor, prompt: Mapping[str, Tensor], guidance: float
    ) -> Tensor:
        """Output of the network for latents, (B, C, h, w), in their shape.

        time: (B,), in the schedule's steps, up to 1000.
        prompt: batches of one.
        """
        ...
