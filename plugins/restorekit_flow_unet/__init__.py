"""The shipped model as a plugin, found through its entry point like anyone's."""

from __future__ import annotations

from collections.abc import Iterable

from restorekit.plugin import BackboneCard, ModelCard, hookimpl, shipped_weights

__all__ = ["register_models"]


@hookimpl
def register_models() -> Iterable[ModelCard]:
    """Name the model that ships; the first one is the default."""
    backbone = BackboneCard(
        "flow-unet",
        "restorekit.model.backbone.flow_unet:FlowUnet",
        shipped_weights("backbone"),
        "plain residual U-Net, runs on a CPU",
    )
    return [
        ModelCard("base", backbone, shipped_weights("encoder"), "for photographs, runs on a CPU", "CC BY-SA 4.0")
    ]
