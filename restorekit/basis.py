"""A basis: one LoRA that removes one degradation, with the key by which the encoder finds it.

On disk it is a PEFT adapter (`adapter_config.json`, `adapter_model.safetensors`) with two files beside it:
`basis.json` names the backbone it is for, `basis.safetensors` holds key (D,), bias () and gauge (D + 1,). The
card is torch-free; tensors load when asked for.
LoRA: Hu et al., 2021, https://arxiv.org/abs/2106.09685
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorekit.errors import WeightsError
from restorekit.weights import load_json, load_tensors, save_json, save_tensors, write_sums

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "base_model.model."
KEY = "basis.safetensors"  # what the encoder reads of a basis


@dataclass(frozen=True)
class LoraLayer:
    """One layer's low-rank update B A.

    down (A): (r, in, kh, kw) for a convolution, (r, in) for a linear layer. up (B): (out, r).
    """

    down: Tensor
    up: Tensor

    def delta(self) -> Tensor:
        """B A in the shape of the layer's weight: (out, in, kh, kw) or (out, in)."""
        return (self.up @ self.down.flatten(1)).view(len(self.up), *self.down.shape[1:])


@dataclass(frozen=True)
class BasisKey:
    """How the encoder reads a basis: w from the logit query . key + bias; severity from gauge . (query, 1).

    key: (D,). bias: (). gauge: (D + 1,), a fraction of the degradation's severity scale. second: share of the
    second look in the query, in [0, 1]; see `restorekit.reading`.
    """

    key: Tensor
    bias: Tensor
    gauge: Tensor
    second: float = 0.0


@dataclass(frozen=True)
class Basis:
    """A basis on disk. name: what users type; degradation: the name of what it removes, empty if it is for a look
    instead; folder: its files."""

    name: str
    degradation: str
    folder: Path
    summary: str = ""

    @cached_property
    def config(self) -> dict[str, Any]:
        """The PEFT configuration."""
        return load_json(self.folder / "adapter_config.json")

    @property
    def backbone_sha256(self) -> str:
        """Digest of the backbone weights that this basis was trained on."""
        try:
            return str(load_json(self.folder / "basis.json")["backbone_sha256"])
        except KeyError:
            raise WeightsError(
                f"{self.folder / 'basis.json'} does not say which backbone it is for; "
                "train the basis with `restorekit train basis`"
            ) from None

    @property
    def rank(self) -> int:
        return self.config["r"]

    def layers(self) -> dict[str, LoraLayer]:
        """The LoRA of every layer, by the layer's name in the backbone, with PEFT's scale alpha / r applied."""
        tensors = load_tensors(self.folder / "adapter_model.safetensors")
        ranks, alphas = self.config.get("rank_pattern", {}), self.config.get("alpha_pattern", {})
        layers = {}
        for name, down in tensors.items():
            if not name.endswith(".lora_A.weight"):
                continue
            layer = name.removeprefix(PREFIX).removesuffix(".lora_A.weight")
            up = tensors[name.replace(".lora_A.", ".lora_B.")].flatten(1)
            scale = alphas.get(layer, self.config["lora_alpha"]) / ranks.get(layer, self.config["r"])
            layers[layer] = LoraLayer(down, up * scale)
        return layers

    def key(self) -> BasisKey | None:
        """Key, bias and gauge; None for a basis whose key has not been trained yet."""
        path = self.folder / KEY
        if not path.exists():
            return None
        tensors = load_tensors(path)
        second = float(tensors["second"]) if "second" in tensors else 0.0
        return BasisKey(tensors["key"], tensors["bias"], tensors["gauge"], second)


def save_basis(
    folder: Path, layers: Mapping[str, LoraLayer], *, rank: int, backbone_sha256: str, degradation: str
) -> None:
    """Write a basis as a PEFT adapter. Layers may have ranks of their own."""
    tensors: dict[str, Tensor] = {}
    ranks: dict[str, int] = {}
    for name, layer in layers.items():
        up = layer.up[:, :, None, None] if layer.down.ndim == 4 else layer.up
        tensors[f"{PREFIX}{name}.lora_A.weight"] = layer.down
        tensors[f"{PREFIX}{name}.lora_B.weight"] = up
        if len(layer.down) != rank:
            ranks[name] = len(layer.down)
    save_tensors(folder / "adapter_model.safetensors", tensors)
    config = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": rank,
        "rank_pattern": ranks,
        "alpha_pattern": ranks,
        "target_modules": sorted(layers),
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
    }
    save_json(folder / "adapter_config.json", config)
    save_json(folder / "basis.json", {"backbone_sha256": backbone_sha256, "degradation": degradation})
    write_sums(folder)


def save_key(folder: Path, key: BasisKey) -> None:
    """Write key, bias and gauge beside the adapter, and the share of the second look if there is one."""
    import torch

    tensors = {"key": key.key, "bias": key.bias, "gauge": key.gauge}
    if key.second:
        tensors["second"] = torch.tensor(key.second)
    save_tensors(folder / KEY, tensors)
    write_sums(folder)
