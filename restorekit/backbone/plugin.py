"""The embedded backbone as a plugin, found through its entry point like anyone's."""

from collections.abc import Iterable

from restorekit.plugin import BackboneCard, hookimpl, shipped_weights


@hookimpl
def register_backbones() -> Iterable[BackboneCard]:
    return [
        BackboneCard(
            "flow-unet",
            "restorekit.backbone.flow_unet:FlowUnet",
            shipped_weights("backbone"),
            "plain residual U-Net, runs on a CPU",
        )
    ]
