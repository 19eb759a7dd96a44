"""A basis that is learnt from pairs of photographs, with a degradation that nobody can make and without it.

    degraded = others(input),   target = target, or others(target)

The pairs take the place of the draw. Other degradations come on top: of the input alone, their bases on, or of
both pictures, realisation for realisation, their bases at 0. Sometimes the degraded picture is the clean one, so
that the basis learns to leave alone what lacks its degradation. The severity of a pair is the root mean square of
its difference.

A basis whose pictures a plugin prepares (`restorekit.running.prepared`) learns from pairs of prepared pictures and
clean ones, made once. Its key, which reads pictures as they are, comes from clean photographs as any other's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from restorekit.composition import Compose
from restorekit.degradation import Degradation
from restorekit.errors import ImageError, TrainingError
from restorekit.files import list_images
from restorekit.image import read_image
from restorekit.model.encoder import DegradationEncoder
from restorekit.model.key import BasisKey
from restorekit.training.basis import HELD_BACK, BasisTraining, key_from
from restorekit.training.flat import FlatPhotos
from restorekit.training.looks import CLEAN, SHORTEST, TOGETHER, Looks, side_for, some_of
from restorekit.training.pairs import Group, as_file, typical
from restorekit.training.photos import Photos, cut_out, to_bytes, validation_crops
from restorekit.training.readout import Judgement, fit_key

__all__ = ["PairedBasisTraining", "PairedLooking", "PairedPhotos", "difference", "paired_patches"]

FEWEST = 4  # pairs
HELD_OUT = 0.1  # share of the pairs that are kept for validation, one at least
ABSENT, BESIDE, KEPT, FRACTIONAL = 0.15, 0.3, 0.5, 0.06
UNSEEN = 0.5  # of 255; a crop whose pictures differ by less has nothing of the degradation


@dataclass(frozen=True)
class PairedPhotos:
    """Photographs in pairs of equal size, one with a degradation and one without it.

    inputs: with it.
    targets: without it, in the same order.
    plain: clean ones for the key, where the inputs are prepared.
    """

    inputs: Photos
    targets: Photos
    plain: Photos | None = None

    @classmethod
    def load(
        cls,
        inputs: Path,
        targets: Path,
        smallest: int = 96,
        limit: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> PairedPhotos:
        """Read all pairs of two folders: pictures of the same path below each.

        smallest: short side in px that a pair needs.
        limit: number of pairs to read at most.
        progress: told how many of how many were read.
        Raises TrainingError for a picture without its partner, and for two of different sizes.
        """
        names = matched(inputs, targets)
        if limit is not None:
            names = names[:: max(1, len(names) // limit)][:limit]
        pairs = []
        for i, (one, other) in enumerate(names):
            pair = read_pair(one, other)
            if min(pair[0].shape[1:]) >= smallest:
                pairs.append(pair)
            if progress is not None:
                progress(i + 1, len(names))
        if len(pairs) < FEWEST:
            raise TrainingError(
                f"{len(pairs)} of {len(names)} pairs have {smallest} px on the short side; give at least {FEWEST}"
            )
        count = max(1, round(HELD_OUT * len(pairs)))
        held = {int((i + 0.5) * len(pairs) / count) for i in range(count)}
        parts = []
        for side in (0, 1):
            kept = tuple(pair[side] for i, pair in enumerate(pairs) if i in held)
            parts.append(Photos(tuple(pair[side] for i, pair in enumerate(pairs) if i not in held), kept, kept))
        return cls(*parts)


def matched(inputs: Path, targets: Path) -> list[tuple[Path, Path]]:
    """Paths of the pictures that lie under the same name below both folders, sorted."""
    try:
        found = [(folder, list_images(folder, recursive=True)) for folder in (inputs, targets)]
    except ImageError as error:
        raise TrainingError(f"--pairs: {error}") from None
    first, second = ({path.relative_to(folder): path for path in paths} for folder, paths in found)
    for one, other, here, there in ((first, second, inputs, targets), (second, first, targets, inputs)):
        alone = sorted(set(one) - set(other))
        if alone:
            raise TrainingError(
                f"{here / alone[0]} has no partner {there / alone[0]} ({len(alone)} such); "
                "give both of each pair the same name, or take it out"
            )
    return [(first[name], second[name]) for name in sorted(first)]


def read_pair(one: Path, other: Path) -> tuple[Tensor, Tensor]:
    """Read two pictures, uint8, (3, H, W) each, of one size."""
    try:
        pair = to_bytes(read_image(one).rgb), to_bytes(read_image(other).rgb)
    except ImageError as error:
        raise TrainingError(f"{error}; take the pair out") from None
    if pair[0].shape != pair[1].shape:
        (height, width), (high, wide) = (picture.shape[1:] for picture in pair)
        raise TrainingError(
            f"{one} has {width}x{height} px, its partner {other} {wide}x{high}; "
            "crop both to the same part of the scene"
        )
    return pair


def paired_patches(
    inputs: Sequence[Tensor] | FlatPhotos,
    targets: Sequence[Tensor] | FlatPhotos,
    count: int,
    size: int,
    generator: Generator,
) -> tuple[Tensor, Tensor]:
    """Cut patches of the same places out of both pictures of random pairs, under random flips and quarter turns.

    inputs, targets: uint8, (3, H, W) each, on the CPU; or FlatPhotos on the generator's device.
    count: of the patches.
    size: of their sides, px.
    generator: draws them.
    Returns two of (count, 3, size, size), in [0, 1].
    """
    sizes = inputs.sizes if isinstance(inputs, FlatPhotos) else [(p.shape[1], p.shape[2]) for p in inputs]
    fits = torch.tensor([min(sides) >= size for sides in sizes])
    if not bool(fits.any()):
        raise TrainingError(f"no pair has {size} px on its short side; give larger ones")
    device = generator.device
    often = (torch.tensor([h * w for h, w in sizes], dtype=torch.float32).sqrt() * fits).to(device)
    chosen = torch.multinomial(often, count, replacement=True, generator=generator)
    places = torch.rand(count, 2, generator=generator, device=device)
    turns = torch.randint(0, 8, (count,), generator=generator, device=device)

    def cut(photos: Sequence[Tensor] | FlatPhotos) -> Tensor:
        if isinstance(photos, FlatPhotos):
            return photos.crops(chosen, places, turns, size).float() / 255
        return cut_out(photos, chosen, places, turns, size).float() / 255

    return cut(inputs), cut(targets)


def difference(degraded: Tensor, clean: Tensor) -> Tensor:
    """Root mean square of the difference of pictures, (B, 3, H, W) each, on the 0-255 scale; (B,)."""
    return 255 * (degraded - clean).square().mean((1, 2, 3)).sqrt()


class PairedBasisTraining(BasisTraining):
    """One new basis on frozen weights, from pairs. photos: the pairs; else as in `BasisTraining`."""

    def __init__(
        self, recipe: Any, degradations: Sequence[Degradation], photos: PairedPhotos, *others: Any, **named: Any
    ) -> None:
        super().__init__(recipe, degradations, photos.targets, *others, **named)
        self.paired = photos
        self.input_patches = self.at_hand(photos.inputs.training)
        self.input_crops = validation_crops(photos.inputs.validation, 12, recipe.picture)

    def draw(self, generator: Generator, choices: Generator | None = None, count: int | None = None) -> Group:
        """Draw patches of pairs, and what comes on top of them.

        generator, choices, count: see `Training.draw`.
        """
        choices = generator if choices is None else choices
        place, number = choices.device, count or self.recipe.group_size
        degraded, target = paired_patches(self.input_patches, self.patches, number, self.recipe.patch, generator)
        dice = torch.rand(4, generator=choices, device=place).tolist()
        weights = torch.zeros(len(self.degradations))
        weights[0] = 1.0
        if dice[0] < ABSENT:
            degraded = target
        present = {self.degradations[0].name: difference(degraded, target)}
        others = self.degradations[1:]
        if others and dice[1] < BESIDE:
            count_of_them = min(len(others), 1 + int(dice[1] < BESIDE / 4))
            chosen = torch.randperm(len(others), generator=choices, device=place)[:count_of_them].tolist()
            compose = Compose.draw([others[i] for i in chosen], target.shape, generator)
            degraded = compose.apply(degraded)
            present |= {s.degradation.name: s.realisation.severity for s in compose.steps}
            if dice[2] < KEPT:
                target = compose.apply(target)
            else:
                weights[[1 + i for i in chosen]] = 1.0
        degraded = as_file(degraded, generator)
        if dice[3] < FRACTIONAL:
            fraction = float(torch.rand(1, generator=choices, device=place).clamp_min(0.05))
            weights *= fraction
            target = degraded + fraction * (target - degraded)
        return Group(degraded, target, weights.to(target.device), present, tuple(weights.tolist()))

    def degraded_crops(self, seed: int, degradations: Sequence[Degradation]) -> Tensor:
        """The held-out inputs, with those of the degradations that can be made on top."""
        generator, made = Generator().manual_seed(seed), [d for d in degradations if not d.paired]
        compose = Compose.draw(made, self.input_crops.shape, generator, typical(made))
        return as_file(compose.apply(self.input_crops), generator)

    def severities(self) -> dict[str, tuple[Tensor, Tensor]]:
        """The held-out pairs in halves, by how much the two pictures differ."""
        scale = self.degradations[0].severity
        found = difference(self.input_crops, self.crops)
        order = found.argsort()
        rows = {}
        for some in order.tensor_split(2 if len(order) > 1 else 1):
            apart = float(found[some].mean())
            told = scale.describe(apart) if self.paired.plain is None else f"{apart:.0f} of 255 apart"
            name = f"{len(some)} pairs, {told}"
            rows[name] = self.input_crops[some].to(self.device), self.crops[some].to(self.device)
        return rows

    def about_photos(self) -> str:
        """Tell how many pairs there were, in a sentence."""
        return f"{len(self.photos.training)} pairs to train on, and {len(self.photos.validation)} held out."

    def fit_key(self) -> tuple[BasisKey, Judgement]:
        """Key and gauge from two thirds of the training pairs, set and judged on all others."""
        if self.paired.plain is not None:
            return key_from(self.paired.plain, self.degradations, self.encoder, self.recipe)
        new, *others = self.degradations
        looking = PairedLooking(new, tuple(others), self.encoder)
        inputs, targets = self.paired.inputs, self.paired.targets
        generator = Generator().manual_seed(self.recipe.seed)
        fit_with, fit_without = (
            [photo for i, photo in enumerate(p.training) if i % HELD_BACK < HELD_BACK - 1]
            for p in (inputs, targets)
        )
        fitted = looking.look(fit_with, fit_without, self.recipe.looks, generator)
        others_with, others_without = (
            [*p.training[HELD_BACK - 1 :: HELD_BACK], *p.validation] for p in (inputs, targets)
        )
        held_out = looking.look(others_with, others_without, self.recipe.looks, generator)
        return fit_key(fitted, held_out, allowed=self.recipe.alarms)


@dataclass(frozen=True)
class PairedLooking:
    """Draws pairs and looks at both pictures, as `restorekit.training.looks.Looking` does at what it makes.

    new: the degradation whose key is wanted.
    others: those that it has to be told from, which come on top of both pictures.
    encoder: looks at them.
    """

    new: Degradation
    others: tuple[Degradation, ...]
    encoder: DegradationEncoder

    @torch.inference_mode()
    def look(self, inputs: Sequence[Tensor], targets: Sequence[Tensor], count: int, generator: Generator) -> Looks:
        """Look at `count` pictures without the new degradation, and at the same ones with it.

        inputs, targets: uint8, (3, H, W) each.
        count: of the pictures.
        generator: draws them.
        """
        place = next(self.encoder.parameters()).device
        queries: list[Tensor] = []
        fractions: list[Tensor] = []
        named: list[tuple[str, ...]] = []
        while len(named) < 2 * count:
            degraded, clean, compose = self.draw(inputs, targets, generator)
            found = difference(degraded, clean)
            present = torch.tensor([self.new.severity.fraction(v) if v > UNSEEN else 0.0 for v in found.tolist()])
            names = tuple(step.degradation.name for step in compose.steps) or (CLEAN,)
            for image, fraction in ((clean, torch.zeros(len(clean))), (degraded, present)):
                seen = as_file(compose.apply(image), generator).clamp(0, 1).to(place)
                queries.append(self.encoder.query(seen, statistics=True).cpu())
                fractions.append(fraction)
                named.extend([names] * len(clean))
        looks = Looks(torch.cat(queries), torch.cat(fractions), tuple(named))
        if not bool((looks.fractions > 0).any()):
            raise TrainingError(
                "input and target of the pairs do not differ; see that they are not the same files"
            )
        return looks

    def draw(
        self, inputs: Sequence[Tensor], targets: Sequence[Tensor], generator: Generator
    ) -> tuple[Tensor, Tensor, Compose]:
        """Crops of one place in both pictures, (TOGETHER, 3, H, W) each, and what is to happen to them besides."""
        dice = torch.rand(3, generator=generator).tolist()
        side = side_for(inputs, dice[0])
        short = round(side * (SHORTEST + (1 - SHORTEST) * dice[1]))
        part = (..., slice(short), slice(None)) if dice[2] < 0.5 else (..., slice(short))
        degraded, clean = (crops[part] for crops in paired_patches(inputs, targets, TOGETHER, side, generator))
        return degraded, clean, Compose.draw(some_of(self.others, generator), clean.shape, generator)
