"""The machine and the pack of a burst, looked over before anything expensive begins: a line each, or one error."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import restorekit
from restorekit.errors import ImageError, TrainingError
from restorekit.image import read_image
from restorekit.machine import free_memory, processors
from restorekit.plugin.catalog import Catalog
from restorekit.training.packing import PHOTOS, Pack
from restorekit.training.photos import HELD_OUT_EVERY, SCALES

__all__ = ["check_machine", "check_pack", "check_plugins", "versions"]

PACKAGES = ("torch", "numpy", "pillow", "safetensors", "pluggy", "typer")
COPIES = 3 * sum(scale * scale for scale in SCALES)  # bytes of a pixel, at every scale
WORKING = 1 << 30  # bytes of memory beside the photographs, on the machine and on a GPU
DISK = 1 << 28  # bytes for checkpoints and pieces
GIB = 1 << 30


def versions() -> dict[str, str]:
    """Versions of Python, restorekit and the packages that a burst needs; "unknown" for one without a record."""
    found = {"python": platform.python_version(), "restorekit": restorekit.__version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


def check_plugins(catalog: Catalog, tell: Callable[[str], None]) -> None:
    """Raise TrainingError where no plugin was found."""
    names = sorted(catalog.degradations)
    if not names:
        raise TrainingError("no plugins found; put the packed folder and plugins/ on PYTHONPATH")
    for failure in catalog.failures:
        tell(str(failure))
    tell(f"plugins for {', '.join(names)}")


def check_machine(pack: Pack, device: torch.device, out: Path, tell: Callable[[str], None]) -> None:
    """Raise TrainingError where memory or disk are too small for a pack; tell what there is.

    pack: of photographs.
    device: that computes.
    out: folder for checkpoints and pieces.
    tell: told a line for each thing.
    """
    tell(", ".join(f"{name} {found}" for name, found in versions().items()))
    wanted = int(COPIES * pack.pixels) + WORKING
    places: list[tuple[str, int | None, int]] = [("memory", free_memory(), wanted)]
    if device.type == "cuda":
        name = f"{device} {torch.cuda.get_device_name(device)}"
        places.append((name, torch.cuda.mem_get_info(device)[0], wanted))
    else:
        tell(f"device {device}, {processors()} processors")
    existing = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    places.append(("disk", shutil.disk_usage(existing).free, DISK))
    for name, free, least in places:
        if free is None:
            tell(f"{name}: how much is free is not known")
            continue
        if free < least:
            raise TrainingError(
                f"{name}: {free / GIB:.2f} GiB free, {least / GIB:.2f} wanted; "
                "free some, or pack fewer photographs"
            )
        tell(f"{name}: {free / GIB:.2f} GiB free, {least / GIB:.2f} wanted")


def check_pack(pack: Pack, smallest: int, tell: Callable[[str], None]) -> None:
    """Raise TrainingError where photographs are too few, too small, or of a format that Pillow cannot read here.

    pack: of photographs, whose sums were compared when it was read.
    smallest: short side in px that one needs.
    tell: told a line.
    """
    useful = [photo for photo in pack.photographs if min(photo.size) >= smallest]
    if not useful or len(pack.photographs) <= HELD_OUT_EVERY // 2:
        raise TrainingError(
            f"{len(useful)} of {len(pack.photographs)} photographs have {smallest} px on the short side; "
            f"pack more than {HELD_OUT_EVERY // 2}, at a larger --side"
        )
    for ending in sorted({Path(photo.name).suffix for photo in pack.photographs}):
        first = next(photo for photo in pack.photographs if photo.name.endswith(ending))
        try:
            read_image(pack.folder / PHOTOS / first.name)
        except ImageError as error:
            raise TrainingError(f"{error}; pack again with --format jpg") from None
    size = f"{pack.pixels / 1e6:.1f} MP, {pack.bytes / 2**20:.1f} MiB"
    tell(f"{len(pack.photographs)} photographs, {size}, all sums right")
