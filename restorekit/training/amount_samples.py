"""Samples for amounts: pictures that the noise key is unsure of, and what weights of the basis lose in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Generator, Tensor

from restorekit.model.amount import WEIGHTS, Amount
from restorekit.model.key import BasisKey
from restorekit.running.restorer import Restorer
from restorekit.training.developed import MAKES, drawn, drawn_beside, drawn_file, shot
from restorekit.training.parallel import gathered
from restorekit.training.pieces import write_whole
from restorekit.training.runs import FIRST_PARTY
from restorekit.training.shots import NOISE
from restorekit.weighing.amounts import change_of, others_found, unsure
from restorekit.weighing.looks import look_twice, read_query

__all__ = ["ASKED", "FILES", "LOTS", "Sample", "asked", "on_disk", "sample", "samples"]

ASKED = ("noise", "jpeg", "blur", "lowres")  # keys whose answers are read beside the change
GAUGED = ("noise", "jpeg")  # gauges as well
FILES = "files"
LOTS = ("developed", "beside", FILES)  # of pictures: by what they are drawn
MIDDLE = 128  # px of a picture that decibels are of
SHOTS = 0.5  # share of the pictures that cameras of another make shoot
LEAST = -7.0  # logit of the key: there is more to learn from than what is asked in use


@dataclass(frozen=True)
class Sample:
    """A picture that the key is unsure of.

    numbers: what an amount reads, (N,).
    errors: mean squares with the basis at each of WEIGHTS, (5,).
    weight: by the key.
    make: what was drawn, one of MAKES.
    """

    numbers: Tensor
    errors: Tensor
    weight: float
    make: str


@torch.no_grad()
def sample(restorer: Restorer, photos: Sequence[Tensor], seed: int, lot: str = LOTS[0]) -> Sample | None:
    """Draw a picture and measure what weights of the basis lose; None where the key is sure, and for files that
    are none to the keys.

    restorer: with all first-party bases.
    photos: uint8, (3, H, W) each.
    seed: of the picture.
    lot: one of LOTS, with other degradations or files.
    """
    generator = Generator().manual_seed(seed)
    is_shot = float(torch.rand(1, generator=generator)) < SHOTS
    degradations = {name: restorer.catalog.degradation(name) for name in FIRST_PARTY}
    draw = {"beside": drawn_beside, FILES: drawn_file}.get(lot, shot if is_shot else drawn)
    clean, image, make = draw(photos, degradations, generator)
    view = restorer.encoder.view(image)
    if bool(view.blank[0]):
        return None
    first = restorer.encoder.query_of(view)[0]
    if not unsure(restorer.keys[NOISE], first, LEAST):
        return None
    keys = {name: key for name, key in restorer.keys.items() if key.length <= len(first)}
    halves, second = look_twice(restorer.encoder, keys, restorer.origins, view, first, restorer.remove)
    if lot == FILES and not others_found(halves.found, NOISE):
        return None
    weights = read_query(first, keys, second).weights
    change = change_of(view, NOISE, halves.found, restorer.remove)
    numbers = blank(asked(restorer.keys)).numbers(change, first)
    start = (clean.shape[-1] - MIDDLE) // 2
    middle, target = (p[..., start : start + MIDDLE, start : start + MIDDLE] for p in (image, clean))

    def error(weight: float) -> Tensor:
        restored = restorer.remove(middle, {**weights, NOISE: weight}).clamp(0, 1)
        return (restored - target).square().mean()

    errors = torch.stack([error(weight) for weight in WEIGHTS])
    return Sample(numbers, errors, halves.found.get(NOISE, 0.0), make)


def asked(keys: Mapping[str, BasisKey]) -> tuple[Tensor, Tensor]:
    """The keys and gauges that are asked, (A, D), and their biases, (A,), as a file holds them."""
    rows = [(keys[name].key, keys[name].bias) for name in ASKED]
    rows += [(gauge[:-1], gauge[-1]) for gauge in (keys[name].gauge for name in GAUGED)]
    return on_disk(torch.stack([row for row, _ in rows])), on_disk(torch.stack([bias for _, bias in rows]))


def blank(keys: tuple[Tensor, Tensor]) -> Amount:
    """An amount that says nothing yet, of keys that are asked."""
    return Amount(*keys, *[torch.zeros(())] * 8)


def samples(
    restorer: Restorer,
    photos: Sequence[Tensor],
    count: int,
    path: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
    lot: str = LOTS[0],
) -> list[Sample]:
    """Draw pictures with seeds from 0 on, as many at once as there are threads.

    count: of the pictures.
    path: file where samples are kept, every half minute, and gone on from; None for none.
    tell: told lines.
    lot: as in `sample`.
    """

    def one(seed: int) -> list[Sample]:
        made = sample(restorer, photos, seed, lot)
        return [] if made is None else [made]

    return gathered(one, count, path, tell, keep, kept)


def keep(path: Path, some: Sequence[Sample], done: int) -> None:
    """Write samples, and how many pictures were drawn for them; whole, or as it was before."""
    numbers, errors = (torch.stack([getattr(one, name) for one in some]) for name in ("numbers", "errors"))
    marks = torch.tensor([[one.weight, MAKES.index(one.make)] for one in some], dtype=torch.float64)
    tensors = {"numbers": numbers, "errors": errors, "marks": marks, "done": torch.tensor(done)}
    write_whole(path, save(tensors))


def kept(path: Path) -> tuple[list[Sample], int]:
    """Read what `keep` wrote."""
    tensors = load_file(path)
    rows = zip(tensors["numbers"], tensors["errors"], tensors["marks"].tolist(), strict=True)
    found = [Sample(numbers, errors, weight, MAKES[int(make)]) for numbers, errors, (weight, make) in rows]
    return found, int(tensors["done"])


def on_disk(tensor: Tensor) -> Tensor:
    """The values that a file of weights holds."""
    return tensor.half().float()
