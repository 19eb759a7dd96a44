"""Photographs packed to travel, and the plugins' entry points beside them.

A pack is a folder: `photos/`, `manifest.json`, and `restorekit-VERSION.dist-info/`, by which a machine where
nothing is installed finds the plugins of a working tree through PYTHONPATH alone. The photographs keep their
order, so that the same ones are held out.
"""

from __future__ import annotations

import configparser
import hashlib
import io
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

import restorekit
from restorekit.errors import ImageError, TrainingError
from restorekit.image import Picture, encode, list_images, read_image
from restorekit.machine import processors
from restorekit.plugin.hookspecs import GROUP
from restorekit.training.photos import chosen_photos, to_bytes

__all__ = ["MANIFEST", "PHOTOS", "Pack", "Packed", "pack", "read_pack"]

MANIFEST, PHOTOS = "manifest.json", "photos"
QUALITIES = {"avif": 90, "jpg": 92}
AS_THEY_ARE = (".jpg", ".jpeg", ".png", ".webp")  # formats that every Pillow reads
SMALLEST = 64  # px, of the longer side
ENTRY_POINTS = 2000  # bytes of the plugins' record, at most
SLACK = 0.97  # of the bytes, since those of a photograph fall a little slower than its pixels


@dataclass(frozen=True)
class Packed:
    """A photograph of a pack.

    name: of its file. source: name of the file that it was made of.
    bytes, sha256: of its file.
    size: height and width in px. full: the same before it was reduced.
    """

    name: str
    source: str
    bytes: int
    sha256: str
    size: tuple[int, int]
    full: tuple[int, int]


@dataclass(frozen=True)
class Pack:
    """A folder of packed photographs. side: of the longest one in px."""

    folder: Path
    photographs: tuple[Packed, ...]
    side: int

    @property
    def bytes(self) -> int:
        return sum(photo.bytes for photo in self.photographs)

    @property
    def pixels(self) -> int:
        return sum(photo.size[0] * photo.size[1] for photo in self.photographs)

    @property
    def reduced(self) -> int:
        """Number of photographs that were made smaller."""
        return sum(photo.size != photo.full for photo in self.photographs)


@dataclass(frozen=True)
class Draft:
    """A photograph on its way: its record, and the file."""

    packed: Packed
    data: bytes


def pack(
    folders: Sequence[Path],
    output: Path,
    most: int,
    *,
    side: int | None = None,
    quality: int | None = None,
    format: str = "auto",
    limit: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Pack:
    """Pack photographs as AVIF or JPEG, 4:4:4; a file that is smaller as it is stays so.

    folders: of photographs, searched recursively.
    output: folder for the pack, missing or empty.
    most: bytes of the pack; where the photographs take more, the largest are reduced.
    side: longest side in px.
    quality: 1 to 100; 90 for AVIF and 92 for JPEG if None.
    format: avif, jpg, or auto for AVIF if Pillow writes it.
    limit: pack at most so many photographs.
    progress: told how many of how many are done.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise TrainingError(f"{output} is not empty; delete it, or name another folder with -o")
    if format not in ("auto", *QUALITIES):
        raise TrainingError(f"--format must be auto, avif or jpg, got {format!r}")
    paths = chosen_photos(folders, limit)
    ending = ("avif" if writes_avif() else "jpg") if format == "auto" else format
    tried = quality or QUALITIES[ending]

    def drafts(numbers: Sequence[int], side: int | None) -> list[Draft]:
        with ThreadPoolExecutor(processors()) as pool:
            made = pool.map(lambda i: draft(i, paths[i], ending, tried, side), numbers)
            done = []
            for one in made:
                done.append(one)
                progress(len(done), len(numbers))
            return done

    photos = drafts(range(len(paths)), side)
    room = most - len(manifest([photo.packed for photo in photos], tried)) - ENTRY_POINTS
    while (total := sum(len(photo.data) for photo in photos)) > room:
        side = side_for([photo.packed for photo in photos], room)
        if side < SMALLEST:
            count = len(paths)
            raise TrainingError(f"{count} photographs do not fit in {most} bytes; raise --most, or pass --limit")
        large = [i for i, photo in enumerate(photos) if max(photo.packed.size) > side]
        for i, smaller in zip(large, drafts(large, side), strict=True):
            photos[i] = smaller
        if sum(len(photo.data) for photo in photos) >= total:
            raise TrainingError(f"photographs do not get below {total} bytes; raise --most, or lower --quality")
    (output / PHOTOS).mkdir(parents=True)
    for photo in photos:
        (output / PHOTOS / photo.packed.name).write_bytes(photo.data)
    packed = tuple(photo.packed for photo in photos)
    write_entry_points(output)
    (output / MANIFEST).write_bytes(manifest(packed, tried))
    return Pack(output, packed, max(max(p.size) for p in packed))


def manifest(photos: Sequence[Packed], quality: int) -> bytes:
    """List of packed photographs, as JSON."""
    record = {"restorekit": restorekit.__version__, "quality": quality, "photographs": [asdict(p) for p in photos]}
    return json.dumps(record, indent=1).encode() + b"\n"


def writes_avif() -> bool:
    """True where Pillow writes AVIF."""
    black = Picture(torch.zeros(1, 3, 16, 16, dtype=torch.uint8))
    try:
        encode("black.avif", black.rgb, black)
    except ImageError:
        return False
    return True


def draft(number: int, path: Path, ending: str, quality: int, side: int | None) -> Draft:
    """Make a packed photograph of a file.

    number: its place among all, which its name keeps.
    path: of the file.
    ending: format to pack it as.
    quality: of that format.
    side: longest side in px; None for the file's own.
    """
    try:
        rgb = read_image(path).rgb
    except ImageError as error:
        raise TrainingError(f"{error}; remove that file from the training folder") from None
    height, width = full = (rgb.shape[2], rgb.shape[3])
    factor = 1.0 if side is None else min(1.0, side / max(full))
    if factor < 1:
        size = [max(1, round(n * factor)) for n in full]
        rgb = F.interpolate(rgb, size, mode="bicubic", antialias=True).clamp(0, 1)
        height, width = size
    picture = Picture(to_bytes(rgb)[None])
    data = encode(f"photo.{ending}", picture.rgb, picture, quality=quality).content
    if not isinstance(data, bytes):
        raise TrainingError(f"{ending} is no format for packed photographs; use avif or jpg")
    suffix = f".{ending}"
    if factor == 1 and path.suffix.lower() in AS_THEY_ARE and path.stat().st_size <= len(data):
        data, suffix = path.read_bytes(), path.suffix.lower()
    name = f"{number:05}{suffix}"
    return Draft(Packed(name, path.name, len(data), hashlib.sha256(data).hexdigest(), (height, width), full), data)


def side_for(photos: Sequence[Packed], most: int) -> int:
    """Longest side, in px, at which photographs take so many bytes together, if bytes go with pixels."""

    def estimated(side: int) -> float:
        return sum(photo.bytes * min(1.0, side / max(photo.size)) ** 2 for photo in photos)

    low, high = 0, max(max(photo.size) for photo in photos)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if estimated(middle) <= SLACK * most else (low, middle)
    return low


def own_entry_points() -> Mapping[str, str]:
    """Plugins that come with restorekit, name to module: of the working tree, else of the installed package."""
    project = Path(restorekit.__file__).resolve().parent.parent / "pyproject.toml"
    if project.is_file():
        tables: Mapping[str, Any] = tomllib.loads(project.read_text())["project"]["entry-points"]
        return dict(tables[GROUP])
    found = entry_points(group=GROUP)
    return {entry.name: entry.value for entry in found if entry.dist and entry.dist.name == "restorekit"}


def write_entry_points(output: Path) -> None:
    """Write the record of an installed package: with the folder on PYTHONPATH, its plugins are found."""
    folder = output / f"restorekit-{restorekit.__version__}.dist-info"
    folder.mkdir()
    lines = ("Metadata-Version: 2.1", "Name: restorekit", f"Version: {restorekit.__version__}", "")
    (folder / "METADATA").write_text("\n".join(lines))
    table = configparser.ConfigParser(delimiters=("=",))
    table.optionxform = str  # type: ignore[assignment,method-assign]
    table[GROUP] = dict(own_entry_points())
    text = io.StringIO()
    table.write(text)
    (folder / "entry_points.txt").write_text(text.getvalue())


def read_pack(folder: Path) -> Pack:
    """Read a pack and verify every file in it.

    Raises TrainingError for a file that is missing, changed, or not in the list.
    """
    again = "copy the pack again, or make one with `restorekit train pack`"
    try:
        record = json.loads((folder / MANIFEST).read_text())
        photos = tuple(Packed(**photo) for photo in record["photographs"])
        photos = tuple(replace(p, size=(p.size[0], p.size[1]), full=(p.full[0], p.full[1])) for p in photos)
        side = max(max(photo.size) for photo in photos)
    except OSError as error:
        raise TrainingError(f"{folder} has no {MANIFEST} ({error.strerror}); {again}") from None
    except (ValueError, KeyError, TypeError):
        raise TrainingError(f"{folder / MANIFEST} is no list of packed photographs; {again}") from None
    there = {path.name for path in list_images(folder / PHOTOS)}
    if others := there.symmetric_difference(photo.name for photo in photos):
        raise TrainingError(f"{folder / PHOTOS} and its list differ by {min(others)}; {again}")
    for photo in photos:
        path = folder / PHOTOS / photo.name
        if hashlib.sha256(path.read_bytes()).hexdigest() != photo.sha256:
            raise TrainingError(f"{path} is not as it was packed (another sha256); {again}")
    return Pack(folder, photos, side)
