"""Any backbone, called with tensors that are being trained: x̂(x_t, t, degraded; W + sum_k w_k B_k A_k).

Any backbone is specialised for each call, by its own `specialise`, through which the gradients go. The embedded
one, whose network is its own predictor, is called without a copy, its blocks compiled if that is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from restorekit.errors import TrainingError
from restorekit.model.backbone import Backbone
from restorekit.model.backbone.flow_unet import FlowUnet
from restorekit.model.context import describe
from restorekit.training.bank import Stateless

__all__ = ["Specialised", "describer_of", "on_device", "save_memory", "stateless_of"]


class Specialised:
    """A backbone called with other tensors than its own, by parameter name."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone

    def __call__(self, tensors: Mapping[str, Tensor], *inputs: Tensor) -> Tensor:
        output = self.backbone.specialise(tensors)(*inputs)
        wanted = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors.values())
        if wanted and not output.requires_grad:
            raise TrainingError(
                f"no basis can be trained for {type(self.backbone).__name__}: its specialise lets no gradient "
                "through; make its predictors by restorekit.model.lora.with_tensors"
            )
        return output


def stateless_of(backbone: Backbone) -> Stateless | Specialised:
    """The backbone as a function of tensors and inputs, for `restorekit.training.bank.in_one_step`."""
    return Stateless(backbone) if isinstance(backbone, FlowUnet) else Specialised(backbone)


def describer_of(backbone: Backbone) -> Callable[[Tensor], Tensor]:
    """The map from whole pictures to their context, of a mixture that looks at it: a backbone may leave it out
    while its inlet has no weight, and the inlet would never learn."""
    if isinstance(backbone, FlowUnet):
        return describe  # which asks the device for no value
    inlet = backbone.facts.inlet
    if not inlet:
        return backbone.specialise({}).describe
    weight = backbone.network.get_submodule(inlet).get_parameter("weight")
    return backbone.specialise({f"{inlet}.weight": torch.ones_like(weight)}).describe


def on_device(backbone: Backbone, device: torch.device) -> Backbone:
    """The backbone on a device, frozen. The embedded one keeps its memory order."""
    backbone.network.requires_grad_(False)
    return backbone.to(device) if isinstance(backbone, FlowUnet) else backbone.on(device)


def save_memory(backbone: Backbone) -> None:
    """Let a backbone keep only some activations for the backward pass; TrainingError for one that cannot."""
    saving = getattr(backbone, "save_memory", None)
    if saving is None:
        raise TrainingError(f"{type(backbone).__name__} keeps all activations; leave --recompute out")
    saving()
