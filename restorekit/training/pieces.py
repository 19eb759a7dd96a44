"""A folder in pieces: one archive cut below a size, each piece with its sha256; put together and verified.

The pieces of one archive have its digest in their names, and an index names those that count. It is replaced last,
in one step: a writer that is killed leaves the archive before, whole.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from restorekit.errors import TrainingError

__all__ = ["INDEX", "Piece", "join_pieces", "size_in", "write_pieces", "write_whole"]

INDEX = "pieces.json"
STEM = "burst-"
AGAIN = "copy the folder again"
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@dataclass(frozen=True)
class Piece:
    """A part of an archive: name of the file, its bytes, its sha256 in hex."""

    name: str
    size: int
    sha256: str


def size_in(text: str, option: str) -> int:
    """Read a size with its unit, as 14MiB, in bytes."""
    unit = next((unit for unit in ("KiB", "MiB", "GiB", "B") if text.strip().endswith(unit)), "")
    try:
        size = int(float(text.strip().removesuffix(unit)) * UNITS[unit])
    except (KeyError, ValueError, OverflowError):
        size = 0
    if size < 1:
        raise TrainingError(f"{option} must be a size with its unit, as 14MiB or 500KiB, got {text!r}")
    return size


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file in one step: it is never there by half."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)


def archive_of(folder: Path) -> bytes:
    """All files below a folder as a tar archive, the same bytes for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            data = path.read_bytes()
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def write_pieces(folder: Path, output: Path, most: int) -> tuple[Piece, ...]:
    """Write a folder as pieces, and remove those of an earlier archive.

    folder: whose files are written.
    output: folder for the pieces and the index; made if it is missing.
    most: bytes of a piece at most.
    """
    output.mkdir(parents=True, exist_ok=True)
    data = archive_of(folder)
    whole = hashlib.sha256(data).hexdigest()
    pieces = []
    for number, start in enumerate(range(0, len(data), most)):
        part = data[start : start + most]
        piece = Piece(f"{STEM}{whole[:8]}.tar.{number:02}", len(part), hashlib.sha256(part).hexdigest())
        write_whole(output / piece.name, part)
        pieces.append(piece)
    index = {"sha256": whole, "size": len(data), "pieces": [asdict(piece) for piece in pieces]}
    write_whole(output / INDEX, json.dumps(index, indent=2).encode())
    kept = {piece.name for piece in pieces}
    for path in output.glob(f"{STEM}*.tar.*"):
        if path.name not in kept:
            path.unlink()
    return tuple(pieces)


def join_pieces(folder: Path, output: Path) -> tuple[Path, ...]:
    """Put the pieces in a folder together, verify them, and unpack the archive.

    folder: with the pieces and their index.
    output: folder for what was packed, missing or empty.
    Returns the files. Raises TrainingError, before anything is written, where a piece is missing or not as it was.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise TrainingError(f"{output} is not empty; name another folder with -o")
    data = joined(folder)
    written = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        entries = archive.getmembers()
        for entry in entries:
            place = PurePosixPath(entry.name)
            if not entry.isfile() or place.is_absolute() or ".." in place.parts:
                raise TrainingError(f"{folder} holds {entry.name!r}, which no burst writes; {AGAIN}")
        for entry in entries:
            content = archive.extractfile(entry)
            path = output / entry.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"" if content is None else content.read())
            written.append(path)
    return tuple(written)


def joined(folder: Path) -> bytes:
    """The verified archive whose pieces are in a folder."""
    try:
        index = json.loads((folder / INDEX).read_text())
        pieces = [Piece(str(p["name"]), int(p["size"]), str(p["sha256"])) for p in index["pieces"]]
        whole = str(index["sha256"])
    except OSError as error:
        raise TrainingError(f"{folder} has no {INDEX} ({error.strerror}); {AGAIN}") from None
    except (ValueError, KeyError, TypeError):
        raise TrainingError(f"{folder / INDEX} is not an index of pieces; {AGAIN}") from None
    parts = []
    for piece in pieces:
        path = folder / PurePosixPath(piece.name).name
        try:
            part = path.read_bytes()
        except OSError as error:
            raise TrainingError(f"{path} cannot be read ({error.strerror}); {AGAIN}") from None
        if hashlib.sha256(part).hexdigest() != piece.sha256:
            raise TrainingError(
                f"{path} is not as it was written ({len(part)} of {piece.size} bytes, another sha256); {AGAIN}"
            )
        parts.append(part)
    data = b"".join(parts)
    if hashlib.sha256(data).hexdigest() != whole:
        raise TrainingError(f"the pieces in {folder} are not one archive; {AGAIN}")
    return data
