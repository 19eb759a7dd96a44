"""Fit the read-out that tells pages of text: `python -m restorekit.training.letters PHOTOS --fonts FOLDER`.

Blurred strokes are streaks to the encoder, and it finds rain on pages. Pages here are lines of letters drawn at
random, dark on light or light on dark, with rules and boxes between them as screens have them, degraded by what
happens to pages: noise, blur, low resolution, JPEG. Photographs are degraded by up to three of the kinds that the
encoder was trained on, half of them by rain, which must not be given up for a page. The threshold is above all
photographs of a part that the fit has not seen.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Generator, Tensor

from restorekit.composition import Compose
from restorekit.degradation import Degradation
from restorekit.errors import TrainingError
from restorekit.image.pixels import from_pil
from restorekit.model.encoder import DegradationEncoder
from restorekit.model.familiar import LETTERS, save_readout
from restorekit.model.key import BasisKey
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.training.familiar import HELD_BACK, SIDES, SOFT, SOFTEST, Seen, fit_beyond, seen_by
from restorekit.training.pairs import as_file
from restorekit.training.photos import chosen_photos, random_patches, read_copies, softened
from restorekit.training.runs import FIRST_PARTY

__all__ = ["draw_page", "look_at_photographs_and_pages", "main", "readout_of"]

TOGETHER = 2  # pictures that are drawn alike
RAINY = 0.5  # of the photographs
SMALLEST, LARGEST = 8, 30  # of the typeface, px
LIGHT = 0.7  # share of the pages with dark letters on light ground
MARGIN = 0.5  # of a logit, between threshold and the photograph nearest to it
ALPHABET = "eeeeetttaaooiinnsshhrrddlluuccmmwwffggyyppbbvkjxqzETAOINSHRDLU0123456789.,;:()-"


def number(low: float, high: float, generator: Generator) -> float:
    """A number between two."""
    return low + (high - low) * float(torch.rand(1, generator=generator))


def draw_page(side: int, fonts: Sequence[Path], generator: Generator) -> Tensor:
    """Draw a page, (1, 3, side, side), 8 bits in [0, 1].

    fonts: files of typefaces.
    """
    from PIL import Image, ImageDraw, ImageFont

    light = float(torch.rand(1, generator=generator)) < LIGHT
    tint = [number(0, 25, generator) for _ in range(3)]
    far, near = number(215, 255, generator), number(0, 90, generator)
    ground, ink = (far, near) if light else (0.5 * near, far)
    page = Image.new("RGB", (side, side), tuple(round(max(0.0, ground - t)) for t in tint))
    pen, colour = ImageDraw.Draw(page), tuple(round(max(0.0, ink - t)) for t in tint)
    size = round(SMALLEST * (LARGEST / SMALLEST) ** number(0, 1, generator))
    font = ImageFont.truetype(fonts[int(torch.randint(len(fonts), (1,), generator=generator))], size)
    leading, left = number(1.05, 1.8, generator) * size, round(number(-20, 30, generator))
    top = number(-size, size, generator)
    while top < side:
        kind = float(torch.rand(1, generator=generator))
        if kind < 0.08:
            pen.line((left, top, side, top), fill=colour, width=1 + int(3 * kind / 0.08))
        elif kind < 0.12:
            pen.rectangle((left, top, side * number(0.3, 1, generator) + left, top + 2 * leading), outline=colour)
        elif kind > 0.25 or size > 20:
            picks = torch.randint(len(ALPHABET), (2 * side // size + 4,), generator=generator).tolist()
            gaps = torch.rand(len(picks), generator=generator).tolist()
            text = "".join(ALPHABET[p] + (" " if gap < 0.18 else "") for p, gap in zip(picks, gaps, strict=True))
            shown = max(3, round(len(text) * number(0.4, 1, generator)))
            pen.text((left, top), text[:shown], fill=colour, font=font)
        top += leading
    return from_pil(page)


@torch.no_grad()
def look_at_photographs_and_pages(
    encoder: DegradationEncoder,
    photos: Sequence[Tensor],
    degradations: Sequence[Degradation],
    fonts: Sequence[Path],
    count: int,
    generator: Generator,
) -> Seen:
    """Draw pictures and look at them, every other pair a page; what is plainly no photograph is left out.

    photos: uint8, (3, H, W) each.
    degradations: those of photographs; what is sparse, as rain, does not happen to pages.
    fonts: files of typefaces.
    count: pictures.
    """
    sparse = [d for d in degradations if d.sparse]
    dry = [d for d in degradations if not d.sparse]
    queries, kinds = [], []
    for i in range(count // TOGETHER):
        kind = "page" if i % 2 else ""
        side = SIDES[int(torch.randint(len(SIDES), (1,), generator=generator))]
        dice = torch.rand(3, generator=generator).tolist()
        most = torch.randperm(len(dry), generator=generator)[: int(torch.randint(4, (1,), generator=generator))]
        chosen = [dry[n] for n in most.tolist()]
        if kind:
            pictures = torch.cat([draw_page(side, fonts, generator) for _ in range(TOGETHER)])
        else:
            fits = [photo for photo in photos if min(photo.shape[1:]) >= side]
            pictures = random_patches(fits, TOGETHER, side, generator, emphasis=0.0)
            if dice[0] < SOFT:
                pictures = softened(pictures, 1 + dice[1] * (SOFTEST - 1))
            chosen = [*(sparse if dice[2] < RAINY else ()), *chosen[:2]]
        if chosen:
            pictures = Compose.draw(chosen, pictures.shape, generator).apply(pictures)
        rows = seen_by(encoder, as_file(pictures, generator))
        queries.extend(rows)
        kinds.extend([kind] * len(rows))
    return Seen(torch.stack(queries), tuple(kinds))


def readout_of(training: Seen, held_out: Seen) -> BasisKey:
    """Fit to the one, and set the threshold above all photographs of the other."""
    return fit_beyond(training, held_out.of("").queries, lambda scores: scores.max() + MARGIN)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+", help="folders of clean photographs, not of screens")
    parser.add_argument("--fonts", type=Path, required=True, help="folder of TrueType files")
    parser.add_argument("--out", type=Path, help="folder of the encoder; by default the shipped one's")
    parser.add_argument("--limit", type=int, default=200, help="number of photographs to read")
    parser.add_argument("--pictures", type=int, default=2400, help="number of pictures to look at")
    chosen = parser.parse_args()
    fonts = sorted(chosen.fonts.rglob("*.ttf"))
    if not fonts:
        raise TrainingError(f"{chosen.fonts} holds no .ttf file; matplotlib carries some in mpl-data/fonts/ttf")
    catalog = build_catalog(load_plugins())
    folder = chosen.out or catalog.model.encoder
    encoder = DegradationEncoder.from_folder(folder)
    degradations = [catalog.degradation(name) for name in FIRST_PARTY]
    copies = [read_copies(path, SIDES[0]) for path in chosen_photos(chosen.photos, chosen.limit)]
    seen = []
    for turn, held in enumerate((False, True)):
        photos = [p for i, group in enumerate(copies) if (i % HELD_BACK == 0) is held for p in group]
        count = round(chosen.pictures * (1 / HELD_BACK if held else 1 - 1 / HELD_BACK))
        typefaces = [font for i, font in enumerate(fonts) if len(fonts) == 1 or (i % HELD_BACK == 0) is held]
        generator = Generator().manual_seed(turn)
        seen.append(look_at_photographs_and_pages(encoder, photos, degradations, typefaces, count, generator))
        print(f"{len(seen[-1].kinds)} pictures seen", flush=True)
    key = readout_of(*seen)
    scores = key.logit(seen[1].queries)
    pages = torch.tensor([bool(kind) for kind in seen[1].kinds])
    figures = {
        "pages_found": round(float((scores[pages] > 0).float().mean()), 4),
        "photographs_beyond": round(float((scores[~pages] > 0).float().mean()), 4),
        "pictures": len(scores),
    }
    save_readout(folder, LETTERS, key, figures)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
