"""Fetching sets that have a direct public address, with pooch. What was fetched is counted; whether it is the
catalogue's to the bit, every run records. Nothing is fetched unless a user says so."""

from __future__ import annotations

import fnmatch
import shutil
from pathlib import Path

from restorekit.bench.datasets import Dataset, how_to_get, locate, pictures
from restorekit.bench.errors import BenchError

__all__ = ["download"]


def download(dataset: Dataset, root: Path) -> Path:
    """Fetch a set into root/NAME; or raise BenchError, saying what to get and where to put it."""
    if not dataset.downloads:
        raise BenchError(f"{dataset.name} has no direct address. {how_to_get(dataset, root)}")
    try:
        import pooch
    except ImportError:
        raise BenchError("downloading needs pooch: pip install 'restorekit[bench]'") from None
    folder = root / dataset.name
    for entry in dataset.downloads:
        unpack = pooch.Unzip() if entry.url.endswith(".zip") else pooch.Untar()
        try:
            files = pooch.retrieve(entry.url, known_hash=None, path=root / ".downloads", processor=unpack)
        except Exception as error:  # requests and urllib3 have many
            raise BenchError(f"{entry.url} cannot be fetched ({error}). {how_to_get(dataset, root)}") from None
        wanted = [Path(f) for f in files if fnmatch.fnmatch(Path(f).as_posix(), entry.inside)]
        if not wanted:
            raise BenchError(f"{entry.url} holds nothing like {entry.inside}. {how_to_get(dataset, root)}")
        place = folder / entry.to
        place.mkdir(parents=True, exist_ok=True)
        for file in wanted:
            shutil.copyfile(file, place / file.name)
    found = locate(dataset, (root,))
    if found is None or found.partial:
        count = len(found.sources) if found else len(pictures(folder))
        raise BenchError(f"{folder} has {count} pictures of {dataset.count}. {how_to_get(dataset, root)}")
    return folder
