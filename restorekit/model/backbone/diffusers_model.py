"""flow-unet as a model of diffusers, for those who build on that library: the same folder, the same numbers.

    from restorekit.model.backbone.diffusers_model import FlowUnetModel
    model = FlowUnetModel.from_pretrained("weights/backbone")
    model.load_lora_adapter(...)                 # or peft.PeftModel.from_pretrained(model, "weights/noise")

restorekit itself does not need diffusers and never imports this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.loaders import PeftAdapterMixin
from diffusers.models.modeling_utils import ModelMixin

from restorekit.model.backbone.flow_unet import FlowUnet, FlowUnetConfig

__all__ = ["FlowUnetModel"]


class FlowUnetModel(ModelMixin, FlowUnet, ConfigMixin, PeftAdapterMixin):
    """`FlowUnet` with diffusers' loading, saving and adapters; a `restorekit.model.backbone.Backbone` as well.

    Arguments as in `FlowUnetConfig`.
    """

    config_name = "config.json"  # type: ignore[assignment]

    @register_to_config
    def __init__(
        self, channels: Sequence[int] = (48, 96, 192), blocks: Sequence[int] = (2, 2, 4), embedding: int = 96
    ) -> None:
        FlowUnet.__init__(self, FlowUnetConfig(tuple(channels), tuple(blocks), embedding))

    @classmethod
    def of_shape(cls, shape: FlowUnetConfig) -> Self:
        """Make one of this shape, with first weights."""
        return cls(shape.channels, shape.blocks, shape.embedding)
