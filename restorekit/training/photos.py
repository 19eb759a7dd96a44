"""Clean photographs in memory, and random patches of them.

Each photograph is kept as 8-bit RGB at full size and at reduced sizes: reduction makes pixels sharper and less
noisy than the camera's, which is what a network must learn to give back. The smallest hold a whole scene on as few
pixels as the field's test pictures do, whose twigs and stripes the encoder otherwise takes for rain.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from restorekit.errors import ImageError, TrainingError
from restorekit.files import list_images
from restorekit.image import read_image
from restorekit.image.pixels import luma
from restorekit.machine import processors
from restorekit.training.flat import FlatPhotos

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "GREY",
    "HELD_OUT_EVERY",
    "SCALES",
    "Photos",
    "by_photograph",
    "chosen_photos",
    "cut_out",
    "jitter_colours",
    "more_detailed",
    "random_patches",
    "read_copies",
    "reduced_copies",
    "softened",
    "to_bytes",
    "validation_crops",
]

SCALES = (1.0, 0.7, 0.5, 0.38, 0.25)
GREY = 0.16  # of the patches have no colour
HELD_OUT_EVERY = 16  # one photograph in so many is kept for validation


@dataclass(frozen=True)
class Photos:
    """Photographs for training and, apart, for validation; each uint8, shape (3, H, W).

    training: full sizes and reduced copies.
    validation: held out, full sizes.
    calibration: those of the validation and their reduced copies.
    """

    training: tuple[Tensor, ...]
    validation: tuple[Tensor, ...]
    calibration: tuple[Tensor, ...]

    @classmethod
    def load(
        cls,
        folders: Sequence[Path],
        smallest: int = 96,
        limit: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Photos:
        """Read every photograph below the folders.

        folders: of the photographs, looked through to any depth.
        smallest: no copy has a side shorter than this, px.
        limit: read at most this many photographs.
        progress: told how many of how many were read.
        """
        paths = chosen_photos(folders, limit)
        training: list[Tensor] = []
        validation: list[Tensor] = []
        calibration: list[Tensor] = []
        with ThreadPoolExecutor(processors()) as pool:
            for i, copies in enumerate(pool.map(partial(read_copies, smallest=smallest), paths)):
                if i % HELD_OUT_EVERY == HELD_OUT_EVERY // 2:
                    validation.extend(copies[:1])
                    calibration.extend(copies)
                else:
                    training.extend(copies)
                if progress is not None:
                    progress(i + 1, len(paths))
        if not training or not validation:
            raise TrainingError(
                f"{len(paths)} photographs are too few; give a folder with at least {HELD_OUT_EVERY} of them, "
                f"each at least {smallest} px on its short side"
            )
        return cls(tuple(training), tuple(validation), tuple(calibration))


def chosen_photos(folders: Sequence[Path], limit: int | None = None) -> list[Path]:
    """List the paths of the photographs below the folders, sorted; at most `limit` of them, evenly spread."""
    paths = sorted(p for folder in folders for p in list_images(folder, recursive=True))
    return paths if limit is None else paths[:: max(1, len(paths) // limit)][:limit]


def read_copies(path: Path, smallest: int) -> list[Tensor]:
    """Read a photograph and reduce it, see `reduced_copies`; nothing where its short side is below `smallest`."""
    try:
        rgb = read_image(path).rgb
    except ImageError as error:
        raise TrainingError(f"{error}; remove that file from the training folder") from None
    return reduced_copies(rgb, smallest) if min(rgb.shape[-2:]) >= smallest else []


def by_photograph(copies: Sequence[Tensor]) -> list[list[Tensor]]:
    """Put the copies of each photograph together. copies: (3, H, W) each, of one photograph after the other, the
    largest first."""
    groups: list[list[Tensor]] = []
    for copy in copies:
        if not groups or max(copy.shape) >= max(groups[-1][-1].shape):
            groups.append([])
        groups[-1].append(copy)
    return groups


def to_bytes(rgb: Tensor) -> Tensor:
    """Round to 8 bits; (1, 3, H, W), in [0, 1], to (3, H, W), uint8."""
    return (rgb[0].clamp(0, 1) * 255).round().to(torch.uint8)


def reduced_copies(rgb: Tensor, smallest: int) -> list[Tensor]:
    """Reduce the photograph to each of SCALES, less those that would be too small."""
    copies = []
    for scale in SCALES:
        size = [round(n * scale) for n in rgb.shape[-2:]]
        if scale == 1.0 or min(size) >= smallest:
            small = F.interpolate(rgb, size, mode="bicubic", antialias=True) if scale < 1 else rgb
            copies.append(to_bytes(small))
    return copies


def random_patches(
    photos: Sequence[Tensor] | FlatPhotos,
    count: int,
    size: int,
    generator: Generator,
    emphasis: float = 0.5,
    grey: float = GREY,
) -> Tensor:
    """Cut random patches under random flips and quarter turns, some with their colours moved.

    photos: uint8, (3, H, W) each, on the CPU; or FlatPhotos on the generator's device, which is never waited for.
    count: of the patches.
    size: of their sides, px.
    generator: draws them.
    emphasis: a photograph comes as often as this power of its area says.
    grey: share without colour.
    Returns (count, 3, size, size), in [0, 1].
    """
    sizes = photos.sizes if isinstance(photos, FlatPhotos) else [(p.shape[1], p.shape[2]) for p in photos]
    fits = [min(sides) >= size for sides in sizes]
    if not any(fits):
        raise TrainingError(f"no photograph has {size} px on its short side; give larger ones")
    device = generator.device
    areas = torch.tensor([height * width for height, width in sizes], dtype=torch.float32)
    often = (areas**emphasis * torch.tensor(fits)).to(device)
    chosen = torch.multinomial(often, count, replacement=True, generator=generator)
    places = torch.rand(count, 2, generator=generator, device=device)
    turns = torch.randint(0, 8, (count,), generator=generator, device=device)
    if isinstance(photos, FlatPhotos):
        patches = photos.crops(chosen, places, turns, size)
    else:
        patches = cut_out(photos, chosen, places, turns, size)
    return jitter_colours(patches.float() / 255, generator, grey)


def cut_out(photos: Sequence[Tensor], chosen: Tensor, places: Tensor, turns: Tensor, size: int) -> Tensor:
    """Cut patches, like `FlatPhotos.crops`, from photographs that lie apart on the CPU.

    photos: uint8, (3, H, W) each.
    chosen: place of each patch's photograph among them, (B,).
    places: in [0, 1), how far down and right, (B, 2).
    turns: 0 to 7: quarter turns, and from 4 on mirrored after them, (B,).
    size: side, px.
    """
    patches = []
    for index, (down, right), turn in zip(chosen.tolist(), places.tolist(), turns.tolist(), strict=True):
        photo = photos[index]
        top, left = int(down * (photo.shape[1] - size + 1)), int(right * (photo.shape[2] - size + 1))
        patch = photo[:, top : top + size, left : left + size]
        patch = torch.rot90(patch, turn % 4, (1, 2))
        patches.append(patch.flip(2) if turn >= 4 else patch)
    return torch.stack(patches)


def more_detailed(patches: Tensor) -> Tensor:
    """Keep of each two patches in a row the one with the larger differences between neighbours: flat ones teach
    little, and there are many. (2 B, ...) to (B, ...)."""
    detail = patches.diff(dim=-1).abs().mean((1, 2, 3)) + patches.diff(dim=-2).abs().mean((1, 2, 3))
    better = detail.view(-1, 2).argmax(1)
    return patches[2 * torch.arange(len(better), device=better.device) + better]


def softened(images: Tensor, factor: float) -> Tensor:
    """Enlarge the middles of pictures to their size: as soft as the pixels of most cameras and scanners, and meant
    to be.

    images: (B, 3, H, W), in [0, 1]; same out.
    factor: of the enlargement.
    """
    size = images.shape[-2:]
    height, width = (max(1, round(n / factor)) for n in size)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    inner = images[..., top : top + height, left : left + width]
    return F.interpolate(inner, size, mode="bicubic", align_corners=False).clamp(0, 1)


def jitter_colours(image: Tensor, generator: Generator, grey: float = GREY, share: float = 0.3) -> Tensor:
    """Change gamma and the gain of each channel on a share of the images, and take the colour from some.

    image: (B, 3, H, W), in [0, 1]; same out.
    generator: draws which, and how.
    grey: share without colour.
    share: of those with another gamma and gain.
    """
    batch, device = len(image), generator.device
    gamma = torch.exp(0.8 * torch.rand(batch, 1, 1, 1, generator=generator, device=device) - 0.4)
    gain = 1 + 0.3 * torch.rand(batch, 3, 1, 1, generator=generator, device=device) - 0.2
    moved = torch.rand(batch, generator=generator, device=device) < share
    if device.type != "cpu":  # to ask whether there are any would make the device wait
        adjusted = (image.clamp_min(1e-4) ** gamma * gain).clamp(0, 1)
        image = torch.where(moved.view(-1, 1, 1, 1), adjusted, image)
    elif bool(moved.any()):
        image = image.clone()
        image[moved] = (image[moved].clamp_min(1e-4) ** gamma[moved] * gain[moved]).clamp(0, 1)
    colourless = (torch.rand(batch, generator=generator, device=device) < grey).view(-1, 1, 1, 1)
    return torch.where(colourless, luma(image), image)


def validation_crops(photos: Sequence[Tensor], count: int, size: int) -> Tensor:
    """Cut the middles out of held-out photographs, always the same.

    photos: uint8, (3, H, W) each.
    count: of photographs at most.
    size: of their sides, px; smaller photographs are left out.
    Returns (N, 3, size, size), in [0, 1].
    """
    crops = []
    for photo in photos[:count]:
        top, left = ((n - size) // 2 for n in photo.shape[1:])
        if min(top, left) >= 0:
            crops.append(photo[:, top : top + size, left : left + size])
    return torch.stack(crops).float() / 255
