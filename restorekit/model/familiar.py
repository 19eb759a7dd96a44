"""Familiar pictures: whether the encoder has seen anything like this one.

    strangeness = max(0, key . z + up . h + bias)    z, h of (query, mean of the crops' features), as a basis's key

The read-out lies beside the encoder, names the encoder that it reads, and was fitted to ordinary pictures and to
made ones that no photograph looks like (`restorekit.training.familiar`). Its bias puts all but a few in a thousand
ordinary pictures below 0. It finds few kinds that it was never shown: so a strange picture is told of, and its
weights stay what they are. Without the file nothing is told.
Outlier exposure: Hendrycks et al., 2019, https://arxiv.org/abs/1812.04606
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from restorekit.model.key import BasisKey, load_key, write_key
from restorekit.model.weights import ENCODER_TENSORS, load_json, recorded_sums, save_json, write_sums

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FAMILIAR", "load_familiar", "save_familiar", "strangeness"]

FAMILIAR, RECORD = "familiar.safetensors", "familiar.json"


def strangeness(key: BasisKey | None, query: Tensor, features: Tensor) -> float:
    """Distance of a picture from all that is ordinary; 0 for ordinary ones, and where there is no read-out.

    query: (D,).
    features: of its crops, (N, F).
    """
    if key is None:
        return 0.0
    return max(0.0, float(key.logit(torch.cat([query, features.mean(0)]))))


def load_familiar(folder: Path, length: int) -> BasisKey | None:
    """Read the read-out beside an encoder; None where there is none, or one for another encoder.

    folder: of the encoder.
    length: of query and features together.
    """
    if not (folder / FAMILIAR).exists():
        return None
    if load_json(folder / RECORD).get("encoder_sha256") != recorded_sums(folder).get(ENCODER_TENSORS):
        return None
    return load_key(folder / FAMILIAR, (length,))


def save_familiar(folder: Path, key: BasisKey, figures: Mapping[str, Any]) -> None:
    """Write the read-out beside the encoder in a folder. figures: how good it is."""
    write_key(folder / FAMILIAR, key)
    save_json(
        folder / RECORD,
        {"encoder_sha256": recorded_sums(folder).get(ENCODER_TENSORS, ""), "figures": dict(figures)},
    )
    write_sums(folder)
