"""The cache folder: what can be had again, kept for the next time."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = ["CACHE", "cache_folder", "kept"]

CACHE = "RESTOREKIT_CACHE"
HALF = ".half-"  # prefix of a folder that is being made
DAY = 86400.0  # seconds


def cache_folder() -> Path:
    """The folder, which need not be there yet: as the system has it, unless RESTOREKIT_CACHE names one."""
    if chosen := os.environ.get(CACHE):
        return Path(chosen)
    if sys.platform == "win32":
        place = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/AppData/Local")
    elif sys.platform == "darwin":
        place = os.path.expanduser("~/Library/Caches")
    else:
        place = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(place) / "restorekit"


def kept(place: Path, fill: Callable[[Path], None]) -> Path:
    """A folder of the cache, made whole or not at all where it is not there.

    place: below the cache folder.
    fill: writes its files into the folder that it is given.
    """
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    _sweep(place.parent)
    half = Path(tempfile.mkdtemp(prefix=HALF, dir=place.parent))
    try:
        fill(half)
        half.chmod(0o755)  # mkdtemp makes folders that only their owner can enter
        try:
            os.rename(half, place)
        except OSError:
            if not place.is_dir():  # else another process was faster
                raise
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return place


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed left half made, a day ago or longer."""
    for path in folder.glob(f"{HALF}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > DAY:
                shutil.rmtree(path)
