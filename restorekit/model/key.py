"""A basis's key: how much of the basis a picture needs, and how severe its degradation is, read from a query.

    logit = key . q + bias                      severity = gauge . (q, 1)             a first-party key

A first-party key was trained together with the encoder, whose query is made for it. A later one reads a query
that was not, and the picture's statistics beside it. What it asks for is seldom a straight line there, so it has a
small hidden layer:

    z = clip((q - mean) gain),  h = leaky_relu(down z + shift)
    logit = key . z + up . h + bias             severity = gauge . (z, 1) + rise . h
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.errors import WeightsError
from restorekit.model.weights import load_tensors, save_tensors

__all__ = ["LIMIT", "SLOPE", "BasisKey", "Hidden", "key_of", "load_key", "write_key"]

LIMIT = 6.0  # deviations from the mean; what lies further out was never seen
SLOPE = 0.1  # of the hidden layer below zero
HIDDEN = "hidden."  # in the names of its tensors


@dataclass(frozen=True)
class Hidden:
    """Hidden layer of H units between a query, (D,), and a key.

    mean, gain: (D,), of the query's values; gain 0 for those that tell nothing.
    down: (H, D).
    shift: (H,).
    up: (H,), to the logit.
    rise: (H,), to the severity.
    """

    mean: Tensor
    gain: Tensor
    down: Tensor
    shift: Tensor
    up: Tensor
    rise: Tensor

    def standardised(self, query: Tensor) -> Tensor:
        """The query in deviations from its mean, (..., D)."""
        return ((query - self.mean.to(query)) * self.gain.to(query)).clamp(-LIMIT, LIMIT)

    def units(self, inputs: Tensor) -> Tensor:
        """The units' values, (..., H), for standardised queries, (..., D)."""
        return F.leaky_relu(inputs @ self.down.to(inputs).T + self.shift.to(inputs), SLOPE)


@dataclass(frozen=True)
class BasisKey:
    """Read-outs of the encoder's query. It reads as many of the query's values, from the first, as it is long.

    key: (D,).
    bias: ().
    gauge: (D + 1,), to a fraction of the degradation's severity scale.
    second: share of the second look in the query, in [0, 1]; see `restorekit.weighing.looks`.
    hidden: the layer between; None for keys that were trained together with the encoder.
    """

    key: Tensor
    bias: Tensor
    gauge: Tensor
    second: float = 0.0
    hidden: Hidden | None = None

    @property
    def length(self) -> int:
        """Number of the query's values that it reads."""
        return len(self.key)

    def logit(self, query: Tensor) -> Tensor:
        """Logits, (...), of queries, (..., D or more)."""
        inputs, units = self.read(query)
        logit = inputs @ self.key.to(inputs) + self.bias.to(inputs)
        return logit if self.hidden is None else logit + units @ self.hidden.up.to(inputs)

    def fraction(self, query: Tensor) -> Tensor:
        """Severities as fractions of the scale, (...), of queries, (..., D or more); without the degradation they
        mean nothing."""
        inputs, units = self.read(query)
        gauge = self.gauge.to(inputs)
        fraction = inputs @ gauge[:-1] + gauge[-1]
        return fraction if self.hidden is None else fraction + units @ self.hidden.rise.to(inputs)

    def read(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs of key and gauge, (..., D), and the hidden units, (..., H)."""
        seen = query[..., : self.length]
        if self.hidden is None:
            return seen, seen[..., :0]
        inputs = self.hidden.standardised(seen)
        return inputs, self.hidden.units(inputs)


def write_key(path: Path, key: BasisKey) -> None:
    """Write a key's tensors as float16."""
    tensors = {"key": key.key, "bias": key.bias, "gauge": key.gauge}
    if key.second:
        tensors["second"] = torch.tensor(key.second)
    if key.hidden is not None:
        tensors |= {HIDDEN + field.name: getattr(key.hidden, field.name) for field in fields(Hidden)}
    save_tensors(path, tensors)


def load_key(path: Path, lengths: Sequence[int] = ()) -> BasisKey:
    """Read a key, verified.

    path: of its file.
    lengths: the lengths that it may have, those of the encoder's query; empty where that is not known.
    """
    return key_of(path, load_tensors(path), lengths)


def key_of(path: Path, tensors: Mapping[str, Tensor], lengths: Sequence[int] = ()) -> BasisKey:
    """Make a key of a file's tensors; path, lengths: as in `load_key`."""
    if missing := sorted({"key", "bias", "gauge"} - set(tensors)):
        raise WeightsError(f"{path} has no {', '.join(missing)}; train its key again")
    length = tensors["key"].numel()
    if lengths and length not in lengths:
        wanted = " or ".join(str(n) for n in lengths)
        raise WeightsError(
            f"{path} has a key of {length} values, the encoder's query has {wanted}; "
            "train its key again with `restorekit train basis`"
        )
    shapes: dict[str, tuple[int, ...]] = {"key": (length,), "bias": (), "gauge": (length + 1,), "second": ()}
    hidden = {name: tensors[name] for field in fields(Hidden) if (name := HIDDEN + field.name) in tensors}
    if hidden:
        if missing := sorted({HIDDEN + field.name for field in fields(Hidden)} - set(hidden)):
            raise WeightsError(f"{path} has no {', '.join(missing)}; train its key again")
        units = hidden[HIDDEN + "shift"].numel()
        shapes |= {HIDDEN + name: (length,) for name in ("mean", "gain")}
        shapes |= {HIDDEN + name: (units,) for name in ("shift", "up", "rise")}
        shapes[HIDDEN + "down"] = (units, length)
    for name in sorted(set(shapes) & set(tensors)):
        if tuple(tensors[name].shape) != shapes[name]:
            raise WeightsError(
                f"{path} has a {name} of shape {tuple(tensors[name].shape)}, its key wants {shapes[name]}; "
                "train its key again with `restorekit train basis`"
            )
    second = float(tensors["second"]) if "second" in tensors else 0.0
    if not 0 <= second <= 1:
        raise WeightsError(f"{path} has a share of the second look of {second:g}; it lies in [0, 1]")
    layer = Hidden(*(hidden[HIDDEN + field.name] for field in fields(Hidden))) if hidden else None
    return BasisKey(tensors["key"], tensors["bias"], tensors["gauge"], second, layer)
