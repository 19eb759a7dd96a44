"""Read-outs beside the encoder: whether it has seen anything like this picture, and whether it is a page of text.

    excess = max(0, key . z + up . h + bias)    z, h of (query, mean of the crops' features), as a basis's key

Each lies beside the encoder and names the encoder that it reads; without its file nothing is said.

`familiar` was fitted to ordinary pictures and to made ones that no photograph looks like
(`restorekit.training.familiar`). Its bias puts all but a few in a thousand ordinary pictures below 0. It finds few
kinds that it was never shown: so a strange picture is told of, and its weights stay what they are.

`letters` was fitted to photographs, half of them with rain, and to pages of letters, degraded alike
(`restorekit.training.letters`): strokes of blurred letters are streaks to the encoder, and rain does not fall on
pages. Its bias puts all photographs that it was judged on below 0.
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

__all__ = ["FAMILIAR", "LETTERS", "excess", "load_readout", "save_readout"]

FAMILIAR, LETTERS = "familiar", "letters"  # names of the files, .safetensors and .json


def excess(key: BasisKey | None, query: Tensor, features: Tensor) -> float:
    """Tell how far a picture is beyond the threshold of a read-out; 0 below it, and where there is none.

    query: (D,).
    features: of its crops, (N, F).
    """
    if key is None:
        return 0.0
    return max(0.0, float(key.logit(torch.cat([query, features.mean(0)]))))


def load_readout(folder: Path, name: str, length: int) -> BasisKey | None:
    """Read a read-out beside an encoder; None where there is none, or one for another encoder.

    folder: of the encoder.
    name: FAMILIAR or LETTERS.
    length: of query and features together.
    """
    path = folder / f"{name}.safetensors"
    if not path.exists():
        return None
    if load_json(path.with_suffix(".json")).get("encoder_sha256") != recorded_sums(folder).get(ENCODER_TENSORS):
        return None
    return load_key(path, (length,))


def save_readout(folder: Path, name: str, key: BasisKey, figures: Mapping[str, Any]) -> None:
    """Write a read-out beside the encoder in a folder.

    name: FAMILIAR or LETTERS.
    figures: how good it is.
    """
    write_key(folder / f"{name}.safetensors", key)
    save_json(
        folder / f"{name}.json",
        {"encoder_sha256": recorded_sums(folder).get(ENCODER_TENSORS, ""), "figures": dict(figures)},
    )
    write_sums(folder)
