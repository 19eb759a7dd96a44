"""Recipe of a mixture, as a file: weights that an example showed once, for any pictures.

kind = "mixture"
model = "base"
fingerprint = "..."    sha256 over backbone and bases with a weight: other ones mean something else by it
explained = 0.87
[weights]
rain = 1.0
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restorekit.errors import ImageError, MixingError, RestorekitError
from restorekit.files import write_atomically
from restorekit.model.adapter import ADAPTER, CONFIG
from restorekit.model.mixing import Mixture
from restorekit.model.weights import recorded_sums
from restorekit.plugin.catalog import Catalog
from restorekit.remote import Remote

__all__ = ["MixtureRecipe", "check_place", "fingerprint_of", "read_recipe"]

KIND = "mixture"
KEYS = {"kind", "model", "fingerprint", "explained", "weights"}
REMEDY = "give a file that `restorekit restore --example ... --save-recipe FILE` wrote"
HEAD = "# Weights found by example. To restore with them: restorekit restore PICTURES --recipe THIS_FILE\n"


@dataclass(frozen=True)
class MixtureRecipe:
    """A mixture with what it was found for.

    model: name of the model.
    fingerprint: of the tensors that the weights are of, by `fingerprint_of`.
    explained: share of the examples' change that it explains.
    """

    mixture: Mixture
    model: str
    fingerprint: str
    explained: float

    def text(self) -> str:
        """The file's contents."""
        lines = [
            f"kind = {json.dumps(KIND)}",
            f"model = {json.dumps(self.model)}",
            f"fingerprint = {json.dumps(self.fingerprint)}",
            f"explained = {float(self.explained):.3f}",
            "",
            "[weights]",
            *(f"{json.dumps(name)} = {float(value)!r}" for name, value in sorted(self.mixture.values.items())),
        ]
        return HEAD + "\n".join(lines) + "\n"

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the file, whole or not at all."""
        write_atomically(path, self.text().encode(), overwrite=overwrite)

    def fitted(self, catalog: Catalog, path: Path, fetching: Callable[[Remote], Path]) -> Mapping[str, float]:
        """Check that the weights are for a model and its bases; those that are not 0.

        catalog: seen from the model, with loose bases.
        path: of the file, for what is said.
        fetching: gets the files of bases that lie at an address.
        Raises MixingError for another model, a basis that is missing, and a weight above the basis's largest.
        """
        if self.model != catalog.model.name:
            raise MixingError(
                f"{path} is for model {self.model}, not {catalog.model.name}; add --model {self.model}"
            )
        active = self.mixture.active
        if missing := sorted(set(active) - set(catalog.bases)):
            names = " and ".join(f"basis {name}" for name in missing)
            raise MixingError(
                f"{path} needs {names}, which model {self.model} lacks here; install the package that brings it, "
                "name its folder with --basis, or take it out of the file"
            )
        for name, value in active.items():
            remote = catalog.bases[name].remote
            if remote is not None:
                fetching(remote)
            catalog.bases[name].check_weight(value)
        return active


def fingerprint_of(catalog: Catalog, names: Iterable[str]) -> str:
    """One sha256 over the recorded ones of the backbone and of the LoRAs of these bases."""
    rows = [f"{sha256}  {name}\n" for name, sha256 in catalog.model.sums.items() if name.startswith("backbone/")]
    for basis in sorted(names):
        sums = recorded_sums(catalog.bases[basis].folder)
        rows += [f"{sums.get(file, '')}  basis {basis}/{file}\n" for file in (ADAPTER, CONFIG)]
    return hashlib.sha256("".join(sorted(rows)).encode()).hexdigest()


def check_place(path: Path, *, overwrite: bool) -> None:
    """Raise ImageError for a file that cannot be written, before anything is computed."""
    if path.suffix.lower() != ".toml":
        raise ImageError(f"cannot write the recipe {path}; give it a name that ends in .toml")
    if not path.parent.is_dir():
        raise ImageError(f"cannot write the recipe {path}: there is no folder {path.parent}; create it first")
    if path.exists() and not overwrite:
        raise ImageError(f"{path} exists; pass --overwrite or choose another --save-recipe")


def read_recipe(path: Path) -> MixtureRecipe:
    """Read the file. Raises RestorekitError for one that holds something else."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RestorekitError(f"cannot read the recipe {path}: {error.strerror}; check the name") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RestorekitError(f"{path} is no recipe ({error}); {REMEDY}") from None
    if "training" in values:
        raise RestorekitError(
            f"{path} is the recipe of a training, which `restorekit train {path}` runs; for --recipe {REMEDY}"
        )
    return parsed(path, values)


def parsed(path: Path, values: Mapping[str, Any]) -> MixtureRecipe:
    """The recipe that a file's values are."""
    weights = values.get("weights")
    if values.get("kind") != KIND or not isinstance(weights, Mapping) or not weights:
        raise RestorekitError(f"{path} is no recipe of a mixture: no kind = {KIND!r} with [weights]; {REMEDY}")
    if unknown := sorted(set(values) - KEYS):
        raise RestorekitError(f"{path} has an unknown key {unknown[0]}; the keys are {', '.join(sorted(KEYS))}")
    for name, value in weights.items():
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise MixingError(f"{path}: weight {name} must be a number, got {value!r}; write {name} = 1.0")
    explained = values.get("explained", 0.0)
    if not isinstance(explained, int | float) or isinstance(explained, bool):
        raise RestorekitError(f"{path}: explained must be a number, got {explained!r}; {REMEDY}")
    try:
        mixture = Mixture({name: float(value) for name, value in weights.items()})
    except MixingError as error:
        raise MixingError(f"{path}: {error}") from None
    return MixtureRecipe(
        mixture, str(values.get("model", "")), str(values.get("fingerprint", "")), float(explained)
    )
