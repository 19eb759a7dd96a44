"""Pictures for the training of the basis: `python -m restorekit_shake.pairs PHOTOS... -o FOLDER`.

Each is shaken, gets the little noise that restored pictures still have, and is undone; beside it lies the
original, moved to where the undone one lies, since where a shaken picture was is not to be known. Those that were
not undone at all, whose kernel was not found, are left out. The same number is the same picture: an interrupted
call goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Generator, Tensor

from restorekit.composition import Compose
from restorekit.image import write_image
from restorekit.training.photos import Photos, random_patches
from restorekit_shake.shake import Shake
from restorekit_shake.undo import undo

__all__ = ["drawn", "main", "moved"]

SIDE = 320  # px of a picture
MARGIN = 24  # px, cut off on every side
REACH = 4  # px that it may be moved
NOISE = 3.0  # deviation at most, of 255


def moved(clean: Tensor, undone: Tensor) -> tuple[Tensor, float, int, int]:
    """The middle of the original where the undone picture lies, the mean square between, and the shift.

    clean, undone: (1, 3, H, W).
    """
    height, width = clean.shape[2:]
    core = undone[..., MARGIN : height - MARGIN, MARGIN : width - MARGIN]
    best = (clean[..., MARGIN : height - MARGIN, MARGIN : width - MARGIN], float("inf"), 0, 0)
    for down in range(-REACH, REACH + 1):
        for right in range(-REACH, REACH + 1):
            part = clean[..., MARGIN - down : height - MARGIN - down, MARGIN - right : width - MARGIN - right]
            error = float((part - core).square().mean())
            if error < best[1]:
                best = (part, error, down, right)
    return best


def drawn(photos: Photos, generator: Generator) -> tuple[Tensor, Tensor] | None:
    """Draw an undone picture and its original, (1, 3, h, w) each; None where no good kernel was found."""
    clean = random_patches(photos.training, 1, SIDE, generator, emphasis=0.0)
    shaken = Compose.draw([Shake()], clean.shape, generator).apply(clean)
    noise = NOISE / 255 * float(torch.rand(1, generator=generator)) ** 2
    shaken = shaken + noise * torch.randn(clean.shape, generator=generator)
    shaken = (shaken.clamp(0, 1) * 255).round() / 255
    undone = undo(shaken, lambda done, total: None)
    if undone is None:
        return None
    target, error, _, _ = moved(clean, undone)
    if error > moved(clean, shaken)[1]:
        return None
    return undone[..., MARGIN:-MARGIN, MARGIN:-MARGIN], target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+", help="folders of clean photographs")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for input/ and target/")
    parser.add_argument("--first", type=int, default=0, help="number of the first picture")
    parser.add_argument("--count", type=int, default=2400, help="number of pictures to draw")
    chosen = parser.parse_args()
    photos = Photos.load(chosen.photos, SIDE)
    for name in ("input", "target"):
        (chosen.out / name).mkdir(parents=True, exist_ok=True)
    kept = 0
    for number in range(chosen.first, chosen.first + chosen.count):
        files = [chosen.out / name / f"{number:06d}.png" for name in ("input", "target")]
        if not files[1].exists():
            pair = drawn(photos, Generator().manual_seed(number))
            if pair is None:
                continue
            for path, picture in zip(files, pair, strict=True):
                write_image(path, picture, overwrite=True)
        kept += 1
        if number % 100 == 99:
            print(f"{number + 1 - chosen.first} drawn, {kept} kept", flush=True)


if __name__ == "__main__":
    main()
