"""Fit the read-out that tells strange pictures: `python -m restorekit.training.familiar PHOTOS [--out FOLDER]`.

Ordinary pictures are photographs of all sizes and softness, degraded by up to three of the kinds that the encoder
was trained on. Strange ones are made (`restorekit.training.strange`), half of them degraded too. The threshold is
set on photographs that the fit has not seen. How many pictures of a kind are found that the fit was never shown is
measured by leaving kinds out, some at a time.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Generator, Tensor

from restorekit.composition import Compose
from restorekit.degradation import Degradation
from restorekit.model.encoder import DegradationEncoder
from restorekit.model.familiar import FAMILIAR, save_readout
from restorekit.model.key import BasisKey
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.training.looks import Looks
from restorekit.training.pairs import as_file
from restorekit.training.photos import chosen_photos, random_patches, read_copies, softened
from restorekit.training.readout import fit
from restorekit.training.runs import FIRST_PARTY
from restorekit.training.strange import STRANGE

__all__ = ["Seen", "fit_beyond", "found_unseen", "look_at_pictures", "main", "readout_of", "seen_by"]

UNITS = 16  # of the hidden layer
ALARMS = 0.005  # share of the ordinary pictures that may count as strange
HELD_BACK = 3  # one photograph in so many is for threshold and judgement
SIDES = (160, 224, 320)  # px of a picture
SOFT, SOFTEST = 0.3, 1.8  # share of photographs that are enlarged, and how much at most
DAMAGED = 0.5  # of the strange pictures
FOLDS = 4  # groups of kinds that are left out in turn
TOGETHER = 2  # pictures that are drawn alike


@dataclass(frozen=True)
class Seen:
    """Pictures as the encoder sees them. queries: with features, (N, D + F). kinds: "" for ordinary ones, N."""

    queries: Tensor
    kinds: tuple[str, ...]

    def of(self, *kinds: str) -> Seen:
        """Those of some kinds alone."""
        kept = torch.tensor([kind in kinds for kind in self.kinds], dtype=torch.bool)
        return Seen(self.queries[kept], tuple(kind for kind in self.kinds if kind in kinds))


@torch.no_grad()
def look_at_pictures(
    encoder: DegradationEncoder,
    photos: Sequence[Tensor],
    degradations: Sequence[Degradation],
    ordinary: int,
    strange: int,
    generator: Generator,
) -> Seen:
    """Draw pictures and look at them; those that nobody photographed, by their pixels alone, are left out.

    photos: uint8, (3, H, W) each.
    ordinary, strange: number of pictures.
    """
    queries, kinds = [], []
    makers = list(STRANGE)
    for i in range((ordinary + strange) // TOGETHER):
        kind = makers[i % len(makers)] if i * TOGETHER >= ordinary else ""
        side = SIDES[int(torch.randint(len(SIDES), (1,), generator=generator))]
        fits = [photo for photo in photos if min(photo.shape[1:]) >= side]
        pictures = random_patches(fits, TOGETHER, side, generator, emphasis=0.0)
        dice = torch.rand(3, generator=generator).tolist()
        if dice[0] < SOFT:
            pictures = softened(pictures, 1 + dice[1] * (SOFTEST - 1))
        if kind:
            pictures = STRANGE[kind](pictures, generator).clamp(0, 1)
        if not kind or dice[2] < DAMAGED:
            count = int(torch.randint(1 if kind else 4, (1,), generator=generator)) + bool(kind)
            chosen = torch.randperm(len(degradations), generator=generator)[:count].tolist()
            if chosen:
                drawn = Compose.draw([degradations[n] for n in chosen], pictures.shape, generator)
                pictures = drawn.apply(pictures)
        rows = seen_by(encoder, as_file(pictures, generator))
        queries.extend(rows)
        kinds.extend([kind] * len(rows))
    return Seen(torch.stack(queries), tuple(kinds))


@torch.no_grad()
def seen_by(encoder: DegradationEncoder, pictures: Tensor) -> list[Tensor]:
    """Queries with features, (D + F,) each, of those pictures, (B, 3, H, W), that are not blank."""
    view = encoder.view(pictures)
    features = encoder.features(encoder.see(view.crops), view.crops)
    query = encoder.read(features, view.owners, view.contexts)
    there = [number for number in range(len(pictures)) if not bool(view.blank[number])]
    return [torch.cat([query[number], features[view.owners == number].mean(0)]) for number in there]


def fit_beyond(training: Seen, ordinary: Tensor, limit: Callable[[Tensor], Tensor]) -> BasisKey:
    """Fit a read-out that is above 0 for what is not ordinary.

    ordinary: queries of ordinary pictures that the fit does not see, (N, D + F).
    limit: from their scores, (N,), to the one that becomes 0, ().
    """
    other = torch.tensor([float(bool(kind)) for kind in training.kinds])
    key = fit(Looks(training.queries, other, tuple(() for _ in training.kinds)), UNITS)
    return replace(key, bias=(key.bias - limit(key.logit(ordinary))).half().float())


def readout_of(training: Seen, held_out: Seen) -> BasisKey:
    """Fit to the one, and set the threshold on the ordinary pictures of the other."""
    return fit_beyond(training, held_out.of("").queries, lambda scores: scores.quantile(1 - ALARMS))


def found_unseen(training: Seen, held_out: Seen) -> dict[str, float]:
    """Share of the strange pictures of each kind that a read-out finds which was fitted without that kind."""
    kinds = sorted(set(held_out.kinds) - {""})
    found = {}
    for fold in range(FOLDS):
        without = kinds[fold::FOLDS]
        key = readout_of(training.of("", *(k for k in kinds if k not in without)), held_out)
        for kind in without:
            found[kind] = float((key.logit(held_out.of(kind).queries) > 0).float().mean())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+", help="folders of clean photographs")
    parser.add_argument("--out", type=Path, help="folder of the encoder; by default the shipped one's")
    parser.add_argument("--limit", type=int, default=160, help="number of photographs to read")
    parser.add_argument("--ordinary", type=int, default=900, help="number of ordinary pictures")
    parser.add_argument("--strange", type=int, default=520, help="number of strange pictures")
    chosen = parser.parse_args()
    catalog = build_catalog(load_plugins())
    folder = chosen.out or catalog.model.encoder
    encoder = DegradationEncoder.from_folder(folder)
    degradations = [catalog.degradation(name) for name in FIRST_PARTY]
    copies = [read_copies(path, SIDES[0]) for path in chosen_photos(chosen.photos, chosen.limit)]
    seen = []
    for number, held in enumerate((False, True)):
        photos = [p for i, group in enumerate(copies) if (i % HELD_BACK == 0) is held for p in group]
        part = 1 / HELD_BACK if held else 1 - 1 / HELD_BACK
        counts = (round(chosen.ordinary * part), round(chosen.strange * part))
        seen.append(look_at_pictures(encoder, photos, degradations, *counts, Generator().manual_seed(number)))
        print(f"{len(seen[-1].kinds)} pictures seen", flush=True)
    key = readout_of(*seen)
    scores = key.logit(seen[1].queries)
    strange = torch.tensor([bool(kind) for kind in seen[1].kinds])
    unseen = found_unseen(*seen)
    figures = {
        "ordinary_beyond": round(float((scores[~strange] > 0).float().mean()), 4),
        "strange_beyond": round(float((scores[strange] > 0).float().mean()), 4),
        "unseen_beyond": {kind: round(share, 2) for kind, share in sorted(unseen.items())},
        "pictures": len(scores),
    }
    save_readout(folder, FAMILIAR, key, figures)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
