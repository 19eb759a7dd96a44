"""Measures of `restorekit.bench.speed` on photographs: what it costs to find out what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from restorekit.bench.timing import Ratio, in_turns, peer_here

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.bench.methods import BenchMethod


__all__ = ["photograph_ratios"]

# What photographs are degraded by.
PHOTOGRAPHS: tuple[dict[str, float], ...] = (
    {"noise": 25.0},
    {"jpeg": 30.0},
    {"rain": 18.0, "noise": 15.0},
    {"blur": 1.6, "jpeg": 60.0},
)


def photograph_ratios(folder: Path, count: int = 8, size: int = 512, rounds: int = 2) -> list[Ratio]:
    """Blind restoration of degraded photographs against restoration with the weights that it found; where they are
    noisy, against FFDNet too, which is told how much, if it is here.

    folder: of clean photographs, of which the first are taken.
    count: of them.
    size: largest side of the middle that is restored, px.
    rounds: of timing.
    """
    from torch import Generator

    from restorekit.bench.items import Item, as_file
    from restorekit.bench.protocol_files import load_protocols
    from restorekit.composition import Compose
    from restorekit.image import read_image
    from restorekit.running.restorer import Restorer

    restorer = Restorer.from_pretrained(device="cpu")
    files = sorted(path for path in folder.iterdir() if path.is_file())[:count]
    clean = [middle(read_image(path).rgb, size) for path in files]
    rows = []
    for kind in PHOTOGRAPHS:
        pictures = []
        for seed, image in enumerate(clean):
            degradations = [restorer.catalog.degradation(name) for name in kind]
            compose = Compose.draw(degradations, image.shape, Generator().manual_seed(seed), kind)
            pictures.append(as_file(compose.apply(image)))
        chosen = [restorer.restore(picture).weights[0].values for picture in pictures]

        def blind(pictures: Sequence[Tensor] = pictures) -> None:
            for picture in pictures:
                restorer.restore(picture)

        def given(pictures: Sequence[Tensor] = pictures, chosen: Sequence[Mapping[str, float]] = chosen) -> None:
            for picture, weights in zip(pictures, chosen, strict=True):
                restorer.restore(picture, weights=weights, blind=False)

        what = " + ".join(f"{name} {value:g}" for name, value in kind.items())
        rows.append(in_turns(f"{len(pictures)} photographs with {what}, blind", "as found", blind, given, rounds))
        peer = peer_here("ffdnet", restorer.catalog) if set(kind) == {"noise"} else None
        if peer is not None:
            protocol = load_protocols().protocols[f"cbsd68-noise{kind['noise']:g}"]
            items = [Item("", protocol, picture, picture) for picture in pictures]

            def told(items: Sequence[Item] = items, peer: BenchMethod = peer) -> None:
                for item in items:
                    peer(item)

            rows.append(in_turns(rows[-1].what, "ffdnet", blind, told, rounds))
    return rows


def middle(image: Tensor, size: int) -> Tensor:
    """Cut out the middle of a picture, (1, 3, H, W), at most `size` px high and wide."""
    height, width = (min(side, size) for side in image.shape[-2:])
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]
