"""The benchmark's data files (protocols, catalogue of datasets): in the package, or in the checkout."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from restorekit.bench.errors import BenchError

__all__ = ["Fields", "benchmarks_folder", "read_toml"]


def benchmarks_folder() -> Path:
    """`restorekit/_benchmarks` of an installed package, else `benchmarks` of the checkout it runs from."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_benchmarks", package.parent / "benchmarks"):
        if (folder / "protocols").is_dir():
            return folder
    raise BenchError(f"no protocols beside {package}; reinstall restorekit")


def read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise BenchError(f"{path} is missing; reinstall restorekit") from None
    except tomllib.TOMLDecodeError as error:
        raise BenchError(f"{path} is not TOML: {error}") from None


class Fields:
    """One TOML table, read key by key; what is left over at the end is a spelling mistake."""

    def __init__(self, table: dict[str, Any], where: str) -> None:
        self.table = dict(table)
        self.where = where

    def take(self, key: str, kind: type | tuple[type, ...], default: Any = ...) -> Any:
        """The value of a key, of the right type. Without a default the key must be there."""
        if key not in self.table:
            if default is ...:
                raise BenchError(f"{self.where}: {key} is missing")
            return default
        value = self.table.pop(key)
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(k.__name__ for k in kinds)
            raise BenchError(f"{self.where}: {key} must be {wanted}, got {value!r}")
        return value

    def names(self, key: str, default: Any = ()) -> tuple[str, ...]:
        """A list of strings."""
        values = self.take(key, list, None)
        if values is None:
            return tuple(default)
        if not all(isinstance(v, str) for v in values):
            raise BenchError(f"{self.where}: {key} must be a list of names, got {values!r}")
        return tuple(values)

    def tables(self, key: str) -> list[Fields]:
        """A list of tables."""
        values = self.take(key, list, [])
        if not all(isinstance(v, dict) for v in values):
            raise BenchError(f"{self.where}: {key} must be a list of tables")
        return [Fields(v, f"{self.where}, {key} {i + 1}") for i, v in enumerate(values)]

    def finish(self) -> None:
        """Raise if anything was not taken."""
        if self.table:
            raise BenchError(f"{self.where}: unknown key {', '.join(sorted(self.table))}")
