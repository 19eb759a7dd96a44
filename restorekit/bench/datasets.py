"""Datasets: catalogues (`benchmarks/datasets.toml` and those of plugins), and where pictures are on this machine.

Nothing is copied into restorekit: sets are looked for in `--data DIR`, in RESTOREKIT_DATA, and in the user's
cache folder, each as DIR/NAME or DIR/test/NAME. A part of a set is used where the whole is not at hand, and is
called a part everywhere.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from restorekit.bench.errors import BenchError
from restorekit.bench.folder import Fields, benchmarks_folder, read_toml
from restorekit.files import EXTENSIONS
from restorekit.model.weights import digest
from restorekit.plugin.catalog import Catalog
from restorekit.plugin.failures import Failure

__all__ = [
    "Copy",
    "Dataset",
    "Download",
    "Located",
    "brought_datasets",
    "cache_folder",
    "data_roots",
    "how_to_get",
    "load_datasets",
    "locate",
    "pictures",
]

ENVIRONMENT = "RESTOREKIT_DATA"
KINDS = ("clean", "paired", "unpaired")


@dataclass(frozen=True)
class Copy:
    """A form in which a set may lie on a disk: all files of `folders` together. sha256: `digest_of` its files."""

    folders: tuple[str, ...]
    count: int
    sha256: str = ""
    note: str = ""


@dataclass(frozen=True)
class Download:
    """An address that can be fetched. inside: glob of the wanted files in the archive. to: "input", "target"
    or "" (the set's own folder)."""

    url: str
    inside: str
    to: str = ""


@dataclass(frozen=True)
class Dataset:
    """A set. kind: clean (to be degraded), paired, or unpaired (no reference). copies: the whole set first.

    input, target: the two folders of a paired set. Partners have the same name, or the target's name is what
    stands before the input's first "_".
    """

    name: str
    title: str
    kind: str
    count: int
    home: str
    terms: str
    copies: tuple[Copy, ...]
    downloads: tuple[Download, ...] = ()
    input: str = "input"
    target: str = "target"
    note: str = ""


@dataclass(frozen=True)
class Source:
    """One picture's files. input: None where the protocol degrades the target; target: None without reference."""

    name: str
    input: Path | None
    target: Path | None


@dataclass(frozen=True)
class Located:
    """A set, or a part of it, found on this machine."""

    dataset: Dataset
    copy: Copy
    sources: tuple[Source, ...]

    @property
    def partial(self) -> bool:
        return len(self.sources) < self.dataset.count

    @property
    def title(self) -> str:
        """The set's name, with how much of it is there."""
        part = f" ({len(self.sources)} of {self.dataset.count})" if self.partial else ""
        return f"{self.dataset.title}{part}"

    def digest(self) -> str:
        """Digest of all files of the set."""
        paired = self.dataset.kind == "paired"
        files = {f for s in self.sources for f in (s.input, s.target) if f is not None}
        return digest_of({f"{f.parent.name}/{f.name}" if paired else f.name: f for f in files})


def digest_of(files: Mapping[str, Path]) -> str:
    """One sha256 over the sorted pairs of name and sha256."""
    lines = (f"{name} {digest(path)}\n" for name, path in sorted(files.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def load_datasets(path: Path | None = None) -> Mapping[str, Dataset]:
    """The catalogue, by name."""
    path = path or benchmarks_folder() / "datasets.toml"
    top = Fields(read_toml(path), path.name)
    datasets = {}
    for fields in top.tables("dataset"):
        dataset = read_dataset(fields)
        if dataset.name in datasets:
            raise BenchError(f"{path.name}: dataset {dataset.name} exists already")
        datasets[dataset.name] = dataset
    top.finish()
    return datasets


def brought_datasets(catalog: Catalog) -> tuple[Mapping[str, Dataset], tuple[Failure, ...]]:
    """Read the catalogues that plugins bring, by name, and say what was left out.

    The first to bring a name keeps it; a catalogue with a fault costs itself alone.
    """
    datasets: dict[str, Dataset] = {}
    owners: dict[str, str] = {}
    failures = []
    for owner, path in catalog.datasets:
        try:
            mine = load_datasets(path)
        except BenchError as error:
            failures.append(Failure(owner, f"its data sets are refused: {error}"))
            continue
        for name, dataset in mine.items():
            if name in owners:
                taken = f"its data set {name!r} is refused: {owners[name]} brings one already"
                failures.append(Failure(owner, taken))
                continue
            datasets[name], owners[name] = dataset, owner
    return datasets, tuple(failures)


def read_dataset(fields: Fields) -> Dataset:
    name = fields.take("name", str)
    count = fields.take("count", int)
    copies = []
    for entry in fields.tables("copies"):
        copies.append(
            Copy(
                entry.names("folders", (name,)),
                entry.take("count", int, count),
                entry.take("sha256", str, ""),
                entry.take("note", str, ""),
            )
        )
        entry.finish()
    downloads = []
    for entry in fields.tables("downloads"):
        downloads.append(
            Download(entry.take("url", str), entry.take("inside", str, "*"), entry.take("to", str, ""))
        )
        entry.finish()
    if not any(c.count == count for c in copies):
        copies.insert(0, Copy((name,), count))
    dataset = Dataset(
        name=name,
        title=fields.take("title", str, name),
        kind=fields.take("kind", str),
        count=count,
        home=fields.take("home", str),
        terms=fields.take("terms", str),
        copies=tuple(copies),
        downloads=tuple(downloads),
        input=fields.take("input", str, "input"),
        target=fields.take("target", str, "target"),
        note=fields.take("note", str, ""),
    )
    fields.finish()
    if dataset.kind not in KINDS:
        raise BenchError(f"dataset {name}: {dataset.kind!r} is none of {', '.join(KINDS)}")
    return dataset


def cache_folder() -> Path:
    """Folder of downloaded sets."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or "~/.cache"
    return Path(cache).expanduser() / "restorekit" / "data"


def data_roots(data: Path | None = None) -> tuple[Path, ...]:
    """Folders to look in, in this order. data: the user's own."""
    if data is not None and not data.is_dir():
        raise BenchError(f"--data {data} is not a folder")
    named = [data] if data is not None else []
    from_environment = os.environ.get(ENVIRONMENT)
    if from_environment:
        named.append(Path(from_environment))
    return tuple(dict.fromkeys(p for root in [*named, cache_folder()] for p in (root, root / "test")))


def locate(dataset: Dataset, roots: Sequence[Path]) -> Located | None:
    """The set where it is first found whole, else the largest part of it that is found, else None."""
    best: Located | None = None
    for copy in dataset.copies:
        for root in roots:
            folders = [root / f for f in copy.folders]
            if not all(f.is_dir() for f in folders):
                continue
            sources = tuple(sorted((s for f in folders for s in list_sources(dataset, f)), key=lambda s: s.name))
            if best is None or len(sources) > len(best.sources):
                alike = [c for c in dataset.copies if c.folders == copy.folders and c.count == len(sources)]
                best = Located(dataset, alike[0] if alike else copy, sources)
    return best if best and best.sources else None


def list_sources(dataset: Dataset, folder: Path) -> list[Source]:
    """The pictures of one folder, by name."""
    if dataset.kind != "paired":
        files = pictures(folder)
        if dataset.kind == "clean":
            return [Source(name, None, path) for name, path in files.items()]
        return [Source(name, path, None) for name, path in files.items()]
    inputs, targets = pictures(folder / dataset.input), pictures(folder / dataset.target)
    sources = []
    for name, path in inputs.items():
        partner = name if name in targets else name.split("_")[0]
        if partner not in targets:
            raise BenchError(f"{folder}: {dataset.input}/{path.name} has no {partner} in {dataset.target}/")
        sources.append(Source(name, path, targets[partner]))
    return sources


def pictures(folder: Path) -> dict[str, Path]:
    """Image files of a folder by stem, sorted."""
    if not folder.is_dir():
        return {}
    return {p.stem: p for p in sorted(folder.iterdir()) if p.suffix.lower() in EXTENSIONS}


def how_to_get(dataset: Dataset, root: Path) -> str:
    """One line for a person."""
    inner = f"{dataset.input}/ and {dataset.target}/" if dataset.kind == "paired" else "the pictures"
    folder = root / dataset.copies[0].folders[0]
    return f"{dataset.title}: get it from {dataset.home} ({dataset.terms}); put {inner} into {folder}"
