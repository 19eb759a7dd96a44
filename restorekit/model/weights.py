"""Weights on disk: where they are, whether they are whole, and how they are read and written.

Safetensors only, float16 on disk, float32 in memory. Each folder of weights has a `sha256sums` file in the
format of sha256sum(1); a file whose digest differs, or is not recorded, is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorekit.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ASIDE",
    "BACKBONE_TENSORS",
    "ENCODER_TENSORS",
    "SUMS",
    "WEIGHTS",
    "digest",
    "digest_of_weights",
    "load_json",
    "load_tensors",
    "recorded_sums",
    "save_json",
    "save_tensors",
    "shipped_weights",
    "size_of",
    "verify",
    "write_sums",
]

SUMS = "sha256sums"
BACKBONE_TENSORS = "diffusion_pytorch_model.safetensors"  # diffusers' name
ENCODER_TENSORS = "model.safetensors"
# Files that are told from, to people: no pixel depends on them.
ASIDE = ("familiar.safetensors", "familiar.json", "severity.json")
WEIGHTS = "RESTOREKIT_WEIGHTS"


def shipped_weights(name: str) -> Path:
    """The folder of weights that travels with restorekit: in the package, or in the checkout it runs from.

    The environment variable RESTOREKIT_WEIGHTS names a folder, laid out as weights/ is, to use in its place.
    """
    if chosen := os.environ.get(WEIGHTS):
        if not Path(chosen).is_dir():
            raise WeightsError(f"{WEIGHTS}={chosen} is not a folder; correct or unset it")
        return Path(chosen).absolute() / name
    package = Path(__file__).resolve().parent.parent
    for root in (package / "_weights", package.parent / "weights"):
        if root.is_dir():
            return root / name
    raise WeightsError(f"no weights beside {package}; reinstall restorekit")


def digest(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_of(folder: Path) -> int:
    """Bytes of the files that a folder's sums list; those that are not there count nothing."""
    paths = [folder / name for name in recorded_sums(folder)]
    return sum(path.stat().st_size for path in paths if path.is_file())


def write_sums(folder: Path, *, nested: bool = False) -> None:
    """Record the digest of every safetensors and json file of a folder. nested: those of its subfolders too."""
    found = [f for kind in ("safetensors", "json") for f in folder.glob(f"{'**/' * nested}*.{kind}")]
    lines = [f"{digest(f)}  {f.relative_to(folder).as_posix()}\n" for f in sorted(found)]
    (folder / SUMS).write_text("".join(lines))


def recorded_sums(folder: Path) -> dict[str, str]:
    """File name to recorded sha256. Raises WeightsError where the record is missing or not one."""
    path = folder / SUMS
    try:
        rows = [line.split(maxsplit=1) for line in path.read_text().splitlines() if line.strip()]
        return {name.strip().lstrip("*"): value for value, name in rows}
    except FileNotFoundError:
        raise WeightsError(f"{path} is missing; reinstall the package that brings these weights") from None
    except (ValueError, UnicodeDecodeError):
        raise WeightsError(f"{path} is not a list of sha256 sums; reinstall the package it is in") from None
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}); reinstall the package it is in") from None


def digest_of_weights(folder: Path) -> str:
    """Digest of a backbone's weights, by which a basis names it, from the folder's record alone.

    That of the file of tensors; where there are several, as in a latent backbone, of the lines that record them.
    Empty where the record names none.
    """
    sums = recorded_sums(folder)
    if BACKBONE_TENSORS in sums:
        return sums[BACKBONE_TENSORS]
    lines = [f"{sums[name]}  {name}\n" for name in sorted(sums) if name.endswith(".safetensors")]
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else ""


def verify(path: Path, folder: Path | None = None) -> str:
    """The file's sha256, after comparing it with the recorded one. folder: the one with the record, if it is not
    the file's own."""
    folder = folder or path.parent
    expected = recorded_sums(folder).get(path.relative_to(folder).as_posix())
    if not path.is_file():
        raise WeightsError(f"{path} is missing; reinstall the package that brings these weights")
    if expected is None:
        raise WeightsError(f"{path} is not listed in {SUMS}; reinstall the package that brings these weights")
    try:
        actual = digest(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}); reinstall the package it is in") from None
    if actual != expected:
        raise WeightsError(
            f"{path} has sha256 {actual[:12]}, not the recorded {expected[:12]}; "
            "reinstall the package that brings these weights"
        )
    return actual


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Verified tensors of a safetensors file, as float32, all of their values finite."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    verify(path)
    try:
        tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a safetensors file ({error}); reinstall") from None
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor.sum())):  # a sum is NaN or infinite where one value is
            raise WeightsError(f"{path} has values in {name} that are not finite; train or export it again")
    return tensors


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as float16."""
    import torch
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({n: t.detach().to("cpu", torch.float16).contiguous() for n, t in tensors.items()}, path)
    path.chmod(0o644)  # safetensors makes files that only their owner can read


def load_json(path: Path) -> dict[str, Any]:
    """The verified object in a json file of a weights folder."""
    verify(path)
    try:
        value = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path} is not json ({error}); reinstall the package it is in") from None
    if not isinstance(value, dict):
        raise WeightsError(f"{path} does not hold a json object; reinstall the package it is in")
    return value


def save_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a json object, its keys sorted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")
