"""Draw pictures for a basis whose pictures a plugin prepares: `python -m restorekit.training.prepared_pairs NAME
PLACE PHOTOS... -o FOLDER`, for example `shake restorekit_shake.undo:undo photos/ -o pairs/`.

Each is degraded, gets the little noise that restored pictures still have, and is prepared; beside it lies the
original, moved to where the prepared one lies, since where a shaken picture was is not to be known. Those that
came out further from the original than they went in are left out. The same number is the same picture: an
interrupted call goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Generator, Tensor

from restorekit.composition import Compose
from restorekit.degradation import Degradation
from restorekit.image import write_image
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.running.prepared import prepared
from restorekit.training.photos import Photos, random_patches

__all__ = ["drawn", "main", "moved"]

SIDE = 320  # px of a picture
MARGIN = 24  # px, cut off on every side
REACH = 4  # px that it may be moved
NOISE = 3.0  # deviation at most, of 255


def moved(clean: Tensor, done: Tensor) -> tuple[Tensor, float, int, int]:
    """Find the middle of the original where a picture lies, the mean square between them, and the shift.

    clean, done: (1, 3, H, W).
    """
    height, width = clean.shape[2:]
    core = done[..., MARGIN : height - MARGIN, MARGIN : width - MARGIN]
    best = (core, float("inf"), 0, 0)
    for down in range(-REACH, REACH + 1):
        for right in range(-REACH, REACH + 1):
            part = clean[..., MARGIN - down : height - MARGIN - down, MARGIN - right : width - MARGIN - right]
            error = float((part - core).square().mean())
            if error < best[1]:
                best = (part, error, down, right)
    return best


def drawn(
    degradation: Degradation, place: str, photos: Photos, generator: Generator
) -> tuple[Tensor, Tensor] | None:
    """Draw a prepared picture and its original, (1, 3, h, w) each; None where preparing it did no good.

    degradation: happens to it.
    place: "module:function" that prepares it.
    """
    clean = random_patches(photos.training, 1, SIDE, generator, emphasis=0.0)
    degraded = Compose.draw([degradation], clean.shape, generator).apply(clean)
    noise = NOISE / 255 * float(torch.rand(1, generator=generator)) ** 2
    degraded = degraded + noise * torch.randn(clean.shape, generator=generator)
    degraded = (degraded.clamp(0, 1) * 255).round() / 255
    done = prepared(degradation.name, place, degraded, 1.0, None, degraded.dtype)
    if done is None:
        return None
    target, error, _, _ = moved(clean, done)
    if error > moved(clean, degraded)[1]:
        return None
    return done[..., MARGIN:-MARGIN, MARGIN:-MARGIN], target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a degradation that some plugin registers")
    parser.add_argument("place", help="module:function that prepares its pictures")
    parser.add_argument("photos", type=Path, nargs="+", help="folders of clean photographs")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for input/ and target/")
    parser.add_argument("--first", type=int, default=0, help="number of the first picture")
    parser.add_argument("--count", type=int, default=1200, help="number of pictures to draw")
    chosen = parser.parse_args()
    degradation = build_catalog(load_plugins()).degradation(chosen.name)
    photos = Photos.load(chosen.photos, SIDE)
    for name in ("input", "target"):
        (chosen.out / name).mkdir(parents=True, exist_ok=True)
    kept = 0
    for number in range(chosen.first, chosen.first + chosen.count):
        files = [chosen.out / name / f"{number:06d}.png" for name in ("input", "target")]
        if not files[1].exists():
            pair = drawn(degradation, chosen.place, photos, Generator().manual_seed(number))
            if pair is None:
                continue
            for path, picture in zip(files, pair, strict=True):
                write_image(path, picture, overwrite=True)
        kept += 1
        if number % 100 == 99:
            print(f"{number + 1 - chosen.first} drawn, {kept} kept", flush=True)


if __name__ == "__main__":
    main()
