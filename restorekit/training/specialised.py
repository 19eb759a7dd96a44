"""Any backbone, called with tensors that are being trained: x̂(x_t, t, degraded; W + sum_k w_k B_k A_k).

A backbone whose predictor is its network is called without a copy, its blocks compiled if that is wanted. Any
other one is specialised for each call, by its own `specialise`, through which the gradients go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from restorekit.errors import TrainingError
from restorekit.model.backbone import Backbone
from restorekit.training.bank import Stateless

__all__ = ["Specialised", "describer_of", "on_device", "stateless_of"]


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


def is_its_own_predictor(backbone: Backbone) -> bool:
    """Tell whether predictors are networks of the backbone's kind, so that its network can be called like them."""
    return type(backbone.specialise({})) is type(backbone.network)


def stateless_of(backbone: Backbone) -> Stateless | Specialised:
    """The backbone as a function of tensors and inputs, for `restorekit.training.bank.in_one_step`."""
    return Stateless(backbone.network) if is_its_own_predictor(backbone) else Specialised(backbone)


def describer_of(backbone: Backbone) -> Callable[[Tensor], Tensor]:
    """The map from whole pictures to their context, of a mixture that looks at it: a backbone may leave it out
    while its inlet has no weight, and the inlet would never learn."""
    inlet = backbone.facts.inlet
    if not inlet:
        return backbone.specialise({}).describe
    weight = backbone.network.get_submodule(inlet).get_parameter("weight")
    return backbone.specialise({f"{inlet}.weight": torch.ones_like(weight)}).describe


def on_device(backbone: Backbone, device: torch.device) -> Backbone:
    """The backbone on a device, frozen. One that is its own predictor keeps its memory order."""
    backbone.network.requires_grad_(False)
    if is_its_own_predictor(backbone):
        backbone.network.to(device)
        return backbone
    return backbone.on(device)
