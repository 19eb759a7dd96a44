"""Checkpoints: all that a training needs to go on, in one file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restorekit.errors import TrainingError
from restorekit.training.counters import Counters

__all__ = ["CHECKPOINT", "load_checkpoint", "optimiser_tensors", "restore_optimisers", "save_checkpoint"]

CHECKPOINT = "checkpoint.safetensors"
INSIDE = "/"  # between the names of a dictionary in an optimiser's state and of a tensor in it


def optimiser_tensors(optimisers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Optimiser states as named tensors."""
    tensors = {}
    for i, optimiser in enumerate(optimisers):
        for j, state in optimiser.state_dict()["state"].items():
            for name, value in state.items():
                inner = {f"{name}{INSIDE}{k}": v for k, v in value.items()} if isinstance(value, dict) else {}
                for whole, one in (inner or {name: value}).items():
                    tensors[f"optimiser.{i}.{j}.{whole}"] = torch.as_tensor(one)
    return tensors


def restore_optimisers(optimisers: Sequence[torch.optim.Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Inverse of `optimiser_tensors`."""
    for i, optimiser in enumerate(optimisers):
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        state: dict[int, dict[str, Any]] = {}
        for key, value in tensors.items():
            kind, *place = key.split(".")
            if kind == "optimiser" and int(place[0]) == i:
                parameter = parameters[int(place[1])]
                if value.shape == parameter.shape:
                    # In the parameter's own memory order: fused optimisers go through memory, not indices.
                    value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
                outer, _, inner = place[2].partition(INSIDE)
                into = state.setdefault(int(place[1]), {})
                if inner:
                    into.setdefault(outer, {})[inner] = value
                else:
                    into[outer] = value
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], counters: Counters, recipe: dict[str, Any]) -> None:
    """Write all that is needed to go on, whole or not at all. Safetensors: nothing in it can run.

    path: of the file.
    tensors: by name.
    counters: the point that was reached.
    recipe: fields of the training's recipe.
    """
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    metadata = {"counters": json.dumps(vars(counters)), "recipe": json.dumps(recipe)}
    whole = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    save_file(whole, temporary, metadata)
    os.replace(temporary, path)


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], Counters, dict[str, Any]]:
    """Read the tensors, counters and recipe of a checkpoint."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"{path} is not a checkpoint ({error}); delete it to start anew") from None
    saved = json.loads(metadata["counters"])
    counters = Counters(**{f.name: saved[f.name] for f in fields(Counters) if f.name in saved})
    return tensors, counters, json.loads(metadata["recipe"])
