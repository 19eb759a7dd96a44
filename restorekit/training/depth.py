"""A network of another depth from saved weights: blocks that those lack start without effect; where they have too
many, the ones farthest from the picture are left out.

Net2Net: Chen et al., 2015, https://arxiv.org/abs/1511.05641
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from restorekit.errors import TrainingError
from restorekit.model.backbone.flow_unet import FlowUnet
from restorekit.model.basis import LoraLayer

__all__ = ["counterpart", "of_depth", "take_weights"]


def counterpart(name: str, old: Sequence[int], new: Sequence[int]) -> str | None:
    """The name in a network with `old` blocks per level of what is `name` in one with `new`; None: it has none.

    The first blocks of a level on the way down stay the first, the last ones on the way up the last."""
    way, *rest = name.split(".")
    if way not in ("down", "up"):
        return name
    level, index = int(rest[0]), int(rest[1])
    if way == "up":
        index += old[level] - new[level]
    return ".".join((way, rest[0], str(index), *rest[2:])) if 0 <= index < old[level] else None


def take_weights(network: FlowUnet, saved: FlowUnet) -> None:
    """Put the saved network's weights into one of the same channels and any depth."""
    if network.shape.channels != saved.shape.channels:
        raise TrainingError(
            f"the saved backbone has channels {','.join(map(str, saved.shape.channels))}, not "
            f"{','.join(map(str, network.shape.channels))}; pass the same as --channels"
        )
    tensors = saved.state_dict()
    for name, tensor in network.state_dict().items():
        source = counterpart(name, saved.shape.blocks, network.shape.blocks)
        if source is not None:
            tensor.copy_(tensors[source])
        elif ".conv2." in name:
            tensor.zero_()


def of_depth(
    layers: Mapping[str, LoraLayer], old: Sequence[int], new: Sequence[int], names: Sequence[str]
) -> dict[str, LoraLayer]:
    """A basis's updates for a network of another depth, as far as it has any.

    layers: its updates, by layer.
    old, new: blocks of the network that it was trained on, and of this one.
    names: layers of this one.
    """
    sources = {name: counterpart(name, old, new) for name in names}
    return {name: layers[source] for name, source in sources.items() if source is not None and source in layers}
