"""Amounts: how much of a basis a picture needs, by what the basis changes in it.

Noise is in most pictures, more or less; the question is seldom whether, but how much of its basis is best. So a
basis of what the sensor or the file does may bring an amount where others bring a judge
(`restorekit.model.evidence`): a read-out of what the basis changes at weight 1, and of some keys' answers, that
says how many decibels each of five weights would lose. Between them the loss is a polynomial of degree four.

    z = clip((x - mean) gain),  x = (evidence, asked . q + bias of these)
    losses = straight z + up leaky_relu(down z + shift) + bias
    weight = argmin of the losses, where that promises enough

What it is fitted to is what a training draws, and cameras differ: so where it promises little, the key keeps the
word. How much is little is measured on kinds of pictures that a fit has never seen.

Where the sensor or the file did something else that is strong, changes mean other things: JPEG smooths noise, and
what it leaves looks like smoothed noise. So such pictures may have a read-out of their own, of the same numbers.
Files that are compressed a little, as cameras write them, are the first one's, which has seen more cameras.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.errors import WeightsError
from restorekit.model.evidence import EVIDENCE_LENGTH, JUDGE_LENGTH
from restorekit.model.key import LIMIT, SLOPE, BasisKey, key_of
from restorekit.model.weights import load_tensors, save_tensors

__all__ = ["WEIGHTS", "Amount", "Judge", "between", "load_judge", "write_amount"]

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
STEPS = 41  # weights to choose from
STRONG = 0.5  # of its scale, what another late basis removes
BESIDE = "beside."  # what the tensors of the read-out beside it begin with


@dataclass(frozen=True)
class Amount:
    """Read-out of what a basis changes, N numbers: EVIDENCE_LENGTH of the change, and A answers of keys.

    asked, answers: straight keys that are asked of the first look's query, (A, D), and their biases, (A,).
    mean, gain: of the numbers, (N,).
    down, shift: to H units, (H, N) and (H,).
    up: from them to the losses at WEIGHTS, (5, H).
    straight, bias: from the numbers to the losses, (5, N) and (5,).
    least: dB that a larger and a smaller weight than the key's have to promise, (2,).
    beside: the same for pictures with much for another late basis to remove; None where that makes no difference.
    """

    asked: Tensor
    answers: Tensor
    mean: Tensor
    gain: Tensor
    down: Tensor
    shift: Tensor
    up: Tensor
    straight: Tensor
    bias: Tensor
    least: Tensor
    beside: Amount | None = field(default=None, kw_only=True)

    def of(self, strength: float) -> Amount:
        """The read-out for a picture. strength: of what other late bases remove, as a fraction of its scale."""
        return self.beside if self.beside is not None and strength >= STRONG else self

    def numbers(self, change: Tensor, query: Tensor) -> Tensor:
        """Gather what it reads, (N,), on the CPU: of a change's evidence and of the first look's query, (D,)."""
        query = query.float().cpu()
        return torch.cat([change, self.asked @ query[: self.asked.shape[1]] + self.answers])

    def losses(self, numbers: Tensor) -> Tensor:
        """Decibels that the basis would lose at each of WEIGHTS, (..., 5); numbers: (..., N)."""
        inputs = ((numbers - self.mean) * self.gain).clamp(-LIMIT, LIMIT)
        units = F.leaky_relu(inputs @ self.down.T + self.shift, SLOPE)
        return inputs @ self.straight.T + units @ self.up.T + self.bias

    def promise(self, numbers: Tensor, weight: float) -> tuple[float, float]:
        """The weight in [0, 1] that loses least, and the decibels that it promises against another weight."""
        losses = self.losses(numbers)
        places = torch.linspace(0, 1, STEPS)
        each = between(losses, places)
        lowest = int(each.argmin())
        promised = between(losses, torch.tensor([min(weight, 1.0)]))[0] - each[lowest]
        return float(places[lowest]), float(promised)

    def weight(self, numbers: Tensor, weight: float) -> float:
        """The weight that it gives in the place of the key's, in [0, 1]; that itself where little is promised."""
        best, promised = self.promise(numbers, weight)
        return best if promised > float(self.least[int(best < weight)]) else weight


Judge = BasisKey | Amount
NAMES = tuple(one.name for one in fields(Amount) if one.name != "beside")


def between(losses: Tensor, weights: Tensor) -> Tensor:
    """The polynomial through losses at WEIGHTS, (..., 5), at weights, (..., M), in [0, 1]."""
    powers = torch.arange(len(WEIGHTS))
    points = torch.tensor(WEIGHTS, dtype=torch.float64)[:, None] ** powers
    coefficients = losses.double() @ torch.linalg.inv(points).T
    return ((weights.double()[..., None] ** powers) * coefficients[..., None, :]).sum(-1).to(losses.dtype)


def write_amount(path: Path, amount: Amount) -> None:
    """Write an amount's tensors as float16."""
    tensors = {name: getattr(amount, name) for name in NAMES}
    if amount.beside is not None:
        tensors |= {BESIDE + name: getattr(amount.beside, name) for name in NAMES}
    save_tensors(path, tensors)


def load_judge(path: Path) -> Judge:
    """Read what judges a basis by what it changes, verified: an amount, or a read-out of one logit."""
    tensors = load_tensors(path)
    again = f"make it again with `python -m restorekit.training.{'amounts' if 'asked' in tensors else 'evidence'}`"
    if "asked" in tensors:
        beside = {name.removeprefix(BESIDE): t for name, t in tensors.items() if name.startswith(BESIDE)}
        return replace(
            read_amount(path, tensors, again), beside=read_amount(path, beside, again) if beside else None
        )
    judge = key_of(path, tensors)
    if judge.length != JUDGE_LENGTH:
        raise WeightsError(
            f"{path} reads {judge.length} numbers of what the basis changes, there are {JUDGE_LENGTH}; {again}"
        )
    return judge


def read_amount(path: Path, tensors: Mapping[str, Tensor], again: str) -> Amount:
    """Make one read-out of its tensors. Raises WeightsError where they do not belong together."""
    if missing := sorted(set(NAMES) - set(tensors)):
        raise WeightsError(f"{path} has no {', '.join(missing)}; {again}")
    asked, units, ends = len(tensors["asked"]), tensors["shift"].numel(), len(WEIGHTS)
    numbers = EVIDENCE_LENGTH + asked
    shapes: dict[str, tuple[int, ...]] = {"answers": (asked,), "mean": (numbers,), "gain": (numbers,)}
    shapes |= {"down": (units, numbers), "shift": (units,), "up": (ends, units)}
    shapes |= {"straight": (ends, numbers), "bias": (ends,), "least": (2,)}
    for name, shape in shapes.items():
        if tuple(tensors[name].shape) != shape:
            raise WeightsError(f"{path} has {name} of shape {tuple(tensors[name].shape)}, not {shape}; {again}")
    return Amount(*[tensors[name] for name in NAMES])
