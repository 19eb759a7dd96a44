"""Tiny random weights, laid out as `weights/` is: backbone/, encoder/ and one folder per basis."""

from __future__ import annotations

from pathlib import Path

import torch

from restorekit.model.backbone import Backbone
from restorekit.model.backbone.flow_unet import TENSORS, FlowUnet, FlowUnetConfig
from restorekit.model.basis import LoraLayer, save_basis, save_key
from restorekit.model.encoder import DegradationEncoder, EncoderConfig
from restorekit.model.flow import LookFlow
from restorekit.model.key import BasisKey
from restorekit.model.lora import mergeable_layers
from restorekit.model.weights import ENCODER_TENSORS, digest

BASES = ("blur", "jpeg", "lowres", "noise", "rain")
LOOK = "detail"  # the basis that removes nothing and has no key
FLOW = "look"  # the look, which is no part of the mixture
RANK = 3


def random_layers(backbone: Backbone, generator: torch.Generator, size: float = 0.1) -> dict[str, LoraLayer]:
    """A basis that changes every layer that a basis may change, but for the inlet."""
    layers = {}
    for name, weight in mergeable_layers(backbone.network).items():
        if name == backbone.facts.inlet:
            continue
        down = size * torch.randn((RANK, *weight.shape[1:]), generator=generator)
        layers[name] = LoraLayer(down, size * torch.randn((len(weight), RANK), generator=generator))
    return layers


def tiny_weights(folder: Path, seed: int = 0) -> Path:
    """Write the weights; the folder itself."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    backbone = FlowUnet(FlowUnetConfig((8, 16), (1, 1), 16))
    backbone.save(folder / "backbone")
    sha256 = digest(folder / "backbone" / TENSORS)
    encoder = DegradationEncoder(EncoderConfig(32, 2, (8, 8, 8, 8), 8, (1, 0, 1), 0))
    encoder.save(folder / "encoder")
    for name in BASES:
        layers = random_layers(backbone, generator)
        save_basis(folder / name, layers, rank=RANK, backbone_sha256=sha256, degradation=name)
        key = torch.randn(encoder.dimension, generator=generator)
        gauge = 0.1 * torch.randn(encoder.dimension + 1, generator=generator)
        key_of_it = BasisKey(key, torch.zeros(()), gauge)
        save_key(folder / name, key_of_it, encoder_sha256=digest(folder / "encoder" / ENCODER_TENSORS))
    layers = random_layers(backbone, generator)
    save_basis(folder / LOOK, layers, rank=RANK, backbone_sha256=sha256, degradation="")
    flow, layers = LookFlow(0.05), random_layers(backbone, generator)
    save_basis(folder / FLOW, layers, rank=RANK, backbone_sha256=sha256, degradation="", flow=flow)
    return folder
