"""The files of a PEFT adapter: its configuration checked, its tensors paired."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorekit.errors import WeightsError
from restorekit.model.weights import load_json

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ADAPTER", "CONFIG", "PREFIX", "anchored", "checked_config", "pairs_of", "value_at"]

ADAPTER, CONFIG = "adapter_model.safetensors", "adapter_config.json"
PREFIX = "base_model.model."


def checked_config(path: Path) -> dict[str, Any]:
    """Load a PEFT configuration; refuse other kinds of adapter and other scales, which would be merged wrongly."""
    config = load_json(path)
    numbers: dict[str, Any] = {"r": config.get("r"), "lora_alpha": config.get("lora_alpha")}
    for pattern in ("rank_pattern", "alpha_pattern"):
        values = config.get(pattern) or {}
        if not isinstance(values, dict):
            raise WeightsError(f"{path} has a {pattern} that is not an object; export the basis again")
        numbers |= {f"{pattern} of {layer}": value for layer, value in values.items()}
        for layer in values:
            try:
                re.compile(layer)
            except re.error as error:
                raise WeightsError(f"{path} has a {pattern} for {layer!r}, which is no pattern: {error}") from None
    for name, number in numbers.items():
        numeric = isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
        if not numeric or (name.startswith("r") and (number < 1 or not isinstance(number, int))):
            raise WeightsError(f"{path} has {name} {number!r}; a number above 0 is wanted: export the basis again")
    plain: dict[str, Any] = {"peft_type": "LORA", "bias": "none"}
    plain |= dict.fromkeys(("use_rslora", "use_dora", "fan_in_fan_out", "modules_to_save"))
    for name, value in plain.items():
        if (config.get(name) or None) != value:
            raise WeightsError(
                f"{path} has {name} {config.get(name)!r}; only plain LoRA is merged: train it as such"
            )
    return config


def value_at(layer: str, patterns: Mapping[str, Any], default: Any) -> Any:
    """Value of a layer in a rank_pattern or alpha_pattern: by its whole name, else by its end, as peft matches."""
    if layer in patterns:
        return patterns[layer]
    found = (value for key, value in patterns.items() if re.match(rf"(.*\.)?({key})$", layer))
    return next(found, default)


def anchored(layer: str, layers: Iterable[str]) -> str:
    """Pattern that matches a layer's name and no other's; it is the name where that ends no other."""
    return f"^{layer}" if any(other.endswith(f".{layer}") for other in layers) else layer


def pairs_of(path: Path, tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Pair the halves in an adapter's file: layer, down, and up as (out, r)."""
    halves = {name.replace(".lora_B.", ".lora_A.") for name in tensors}
    if not halves:
        raise WeightsError(f"{path} is empty; export the basis again")
    for name in sorted(halves):
        twin = name.replace(".lora_A.", ".lora_B.")
        if not name.endswith(".lora_A.weight") or name not in tensors or twin not in tensors:
            raise WeightsError(f"{path} has not both lora_A and lora_B for {name}; export the basis again")
        down, up = tensors[name], tensors[twin]
        flat = up.flatten(1) if up.ndim > 1 else up[:, None]
        if not {down.ndim, up.ndim} <= {2, 3, 4, 5} or tuple(flat.shape) != (len(up), len(down)):
            raise WeightsError(
                f"{path} has lora_A {tuple(down.shape)} and lora_B {tuple(up.shape)} for {name}, which do not "
                "fit each other; export the basis again"
            )
        yield name.removeprefix(PREFIX).removesuffix(".lora_A.weight"), down, flat
