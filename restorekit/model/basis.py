"""A basis: one LoRA that removes one degradation, with the key by which the encoder finds it.

On disk it is a PEFT adapter (`adapter_config.json`, `adapter_model.safetensors`) with two files beside it:
`basis.json` names its backbone and the encoder that its key reads, or a look's flow; `basis.safetensors` holds key
(D,), bias () and gauge (D + 1,), which a look has not. The card is torch-free; tensors load when asked for.
LoRA: Hu et al., 2021, https://arxiv.org/abs/2106.09685
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorekit.errors import MixingError, WeightsError
from restorekit.model.adapter import ADAPTER, CONFIG, PREFIX, anchored, checked_config, pairs_of, value_at
from restorekit.model.flow import LookFlow
from restorekit.model.severities import SEVERITY, error_at, read_errors, save_severity
from restorekit.model.weights import (
    digest,
    load_json,
    load_tensors,
    recorded_sums,
    save_json,
    save_tensors,
    verify,
    write_sums,
)
from restorekit.remote import Remote

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.model.amount import Judge
    from restorekit.model.key import BasisKey

__all__ = [
    "KEY",
    "LARGEST",
    "RECORD",
    "SEVERITY",
    "Basis",
    "LoraLayer",
    "add_to_record",
    "drop_key",
    "save_basis",
    "save_key",
    "save_severity",
]

KEY = "basis.safetensors"  # key and gauge, for the encoder
EVIDENCE = "evidence.safetensors"  # what judges it by what it changes, `restorekit.model.evidence`
RECORD = "basis.json"
LARGEST = 1.5  # weight of any basis; `basis.json` may say less


@dataclass(frozen=True)
class LoraLayer:
    """One layer's low-rank update B A.

    down (A): (r, in, kh, kw) for a convolution, (r, in) for a linear layer.
    up (B): (out, r).
    """

    down: Tensor
    up: Tensor

    def delta(self) -> Tensor:
        """B A in the shape of the layer's weight: (out, in, kh, kw) or (out, in)."""
        return (self.up @ self.down.flatten(1)).view(len(self.up), *self.down.shape[1:])


@dataclass(frozen=True)
class Basis:
    """A basis on disk.

    name: as users type it.
    degradation: name of the one that it removes; empty if it is for a look instead.
    folder: its files.
    summary: a line about it.
    model: name of the model that it is for; empty for those whose digests `basis.json` names.
    remote: address of its files, in place of a folder; they are fetched when the basis is loaded.
    prepare: "module:function" for what is done to a picture before its pass, which is then one of its own
        (`restorekit.running.prepared`).
    sees: "module:function" for a look of the plugin's own at whole pictures, beside the key's
        (`restorekit.running.prepared`).
    """

    name: str
    degradation: str
    folder: Path = Path()
    summary: str = ""
    model: str = ""
    remote: Remote | None = None
    prepare: str = ""
    sees: str = ""

    def __post_init__(self) -> None:
        if self.remote is not None:
            object.__setattr__(self, "folder", self.remote.folder)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The PEFT configuration, checked."""
        return checked_config(self.folder / CONFIG)

    @cached_property
    def record(self) -> dict[str, Any]:
        """`basis.json`: digests of backbone and encoder, and how good the key is."""
        if self.remote is not None and not self.remote.there:
            raise WeightsError(
                f"{self.remote.url} is not fetched yet; `restorekit restore` and `inspect` fetch it"
            )
        if not self.folder.is_dir():
            raise WeightsError(f"there is no folder {self.folder}; its package was built without the weights")
        return load_json(self.folder / RECORD)

    @property
    def backbone_sha256(self) -> str:
        """Digest of the backbone weights that this basis was trained on."""
        try:
            return str(self.record["backbone_sha256"])
        except KeyError:
            raise WeightsError(
                f"{self.folder / RECORD} does not say which backbone it is for; "
                "train the basis with `restorekit train basis`"
            ) from None

    @property
    def encoder_sha256(self) -> str:
        """Digest of the encoder weights whose queries the key reads; empty where that was not recorded."""
        return str(self.record.get("encoder_sha256", ""))

    @property
    def apart(self) -> bool:
        """True where it wants a pass of its own, after the bases beside it (`restorekit.running.turns`)."""
        if self.prepare:
            return True
        if self.remote is not None and not self.remote.there:
            return False  # which is looked at again once it is fetched
        if not isinstance(value := self.record.get("apart", False), bool):
            raise WeightsError(f"{self.folder / RECORD} has apart {value!r}; it is true or false")
        return value

    @property
    def largest(self) -> float:
        """Largest weight that a user may give it."""
        if self.remote is not None and not self.remote.there:
            return LARGEST  # which is looked at again once it is fetched
        value = self.record.get("largest", LARGEST)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= LARGEST:
            raise WeightsError(f"{self.folder / RECORD} has a largest weight {value!r}; it lies in (0, {LARGEST}]")
        return float(value)

    @property
    def flow(self) -> LookFlow | None:
        """The flow that it is, from the restored picture to a look; None for a basis of the mixture."""
        try:
            return LookFlow(**self.record["flow"]) if "flow" in self.record else None
        except (TypeError, ValueError) as error:
            raise WeightsError(f'{self.folder / RECORD} has no flow such as {{"sigma": 0.05}}: {error}') from None

    @cached_property
    def severity_errors(self) -> tuple[tuple[float, float], ...]:
        """Pairs of an estimated severity and its measured error, rising; empty where none was measured."""
        return read_errors(self.folder / SEVERITY)

    def severity_error(self, estimate: float) -> float | None:
        """Measured error of an estimated severity, in its unit, between its neighbours; None where unmeasured."""
        return error_at(self.severity_errors, estimate)

    def check_weight(self, value: float) -> None:
        """Raise MixingError for a weight above the largest."""
        if value > self.largest:
            raise MixingError(
                f"weight {self.name}={value:g} is outside [0, {self.largest:g}]; beyond, it does harm"
            )

    @property
    def rank(self) -> int:
        return self.config["r"]

    def check(self) -> None:
        """Raise WeightsError unless every file is there and whole and the records make sense. Needs no torch."""
        recorded = self.record.get("degradation", self.degradation)
        if recorded != self.degradation:
            raise WeightsError(
                f"{self.folder / RECORD} is of a basis for {recorded or 'no degradation'!r}, not for "
                f"{self.degradation or 'no degradation'!r}; correct the folder or the degradation of its card"
            )
        self.check_files()
        if not self.degradation and (self.folder / KEY).exists():
            raise WeightsError(f"{self.folder / KEY} is a key, but its card names no degradation; delete the key")

    def check_files(self) -> None:
        """Raise WeightsError unless every file is there and whole and can be read. Needs no torch."""
        files = {ADAPTER, CONFIG, RECORD}
        for name in sorted(files | set(recorded_sums(self.folder))):
            verify(self.folder / name)
        _ = self.config, self.largest, self.apart, self.severity_errors
        if self.flow is not None and (self.degradation or (self.folder / KEY).exists()):
            raise WeightsError(
                f"{self.folder} is a flow to a look, which has no degradation and no key; delete them"
            )

    def layers(self) -> dict[str, LoraLayer]:
        """The LoRA of every layer, by the layer's name in the backbone, with PEFT's scale alpha / r applied."""
        path, config = self.folder / ADAPTER, self.config
        tensors = load_tensors(path)
        ranks, alphas = config.get("rank_pattern") or {}, config.get("alpha_pattern") or {}
        layers = {}
        for layer, down, up in pairs_of(path, tensors):
            rank = value_at(layer, ranks, config["r"])
            if len(down) != rank:
                raise WeightsError(
                    f"{path} has rank {len(down)} at {layer}, adapter_config.json says {rank}; export it again"
                )
            layers[layer] = LoraLayer(down, up * (value_at(layer, alphas, config["lora_alpha"]) / rank))
        return layers

    def layers_for(self, shapes: Mapping[str, Sequence[int]]) -> dict[str, LoraLayer]:
        """Load `layers` and compare them with a backbone. shapes: `restorekit.model.lora.layer_shapes` of it."""
        layers = self.layers()
        again = "train the basis for this backbone with `restorekit train basis`"
        if foreign := sorted(set(layers) - set(shapes)):
            raise WeightsError(
                f"{self.folder / ADAPTER} changes layers that the backbone lacks, or that are neither "
                f"convolutions nor linear: {', '.join(foreign)}; {again}"
            )
        for name, layer in layers.items():
            shape = (len(layer.up), *layer.down.shape[1:])
            if shape != tuple(shapes[name]):
                raise WeightsError(
                    f"{self.folder / ADAPTER} has shape {shape} at {name}, the backbone's weight is "
                    f"{tuple(shapes[name])}; {again}"
                )
        return layers

    def key(self, lengths: Sequence[int] = ()) -> BasisKey | None:
        """Key, bias and gauge; None for a basis without one. lengths: as in `restorekit.model.key.load_key`."""
        from restorekit.model.key import load_key

        path = self.folder / KEY
        return load_key(path, lengths) if path.exists() else None

    def judge(self) -> Judge | None:
        """Read-out of what the basis changes (`restorekit.model.evidence`, `restorekit.model.amount`); None for a
        basis without one."""
        from restorekit.model.amount import load_judge

        path = self.folder / EVIDENCE
        return load_judge(path) if path.exists() else None


def save_basis(
    folder: Path,
    layers: Mapping[str, LoraLayer],
    *,
    rank: int,
    backbone_sha256: str,
    degradation: str,
    flow: LookFlow | None = None,
) -> None:
    """Write a basis as a PEFT adapter. Layers may have ranks of their own. A key that is there stays, with what
    `basis.json` says of it. flow: of a look, whose degradation is ""."""
    if flow and (degradation or (folder / KEY).exists()):
        raise WeightsError(f"a look removes no degradation and has no key, got {degradation!r} in {folder}")
    tensors: dict[str, Tensor] = {}
    ranks: dict[str, int] = {}
    for name, layer in layers.items():
        up = layer.up.reshape(*layer.up.shape, *(1 for _ in layer.down.shape[2:]))
        tensors[f"{PREFIX}{name}.lora_A.weight"] = layer.down
        tensors[f"{PREFIX}{name}.lora_B.weight"] = up
        if len(layer.down) != rank:
            ranks[anchored(name, layers)] = len(layer.down)
    before = digest(folder / ADAPTER) if (folder / ADAPTER).exists() else ""
    save_tensors(folder / ADAPTER, tensors)
    config = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": rank,
        "rank_pattern": ranks,
        "alpha_pattern": ranks,
        "target_modules": sorted(layers),
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
    }
    save_json(folder / CONFIG, config)
    if not (folder / KEY).exists():
        (folder / RECORD).unlink(missing_ok=True)
    said: dict[str, Any] = {"backbone_sha256": backbone_sha256, "degradation": degradation}
    add_to_record(folder, said if flow is None else {**said, "flow": asdict(flow)})
    if digest(folder / ADAPTER) != before:
        (folder / EVIDENCE).unlink(missing_ok=True)  # of what it changed before
        write_sums(folder)


def save_key(
    folder: Path, key: BasisKey, *, encoder_sha256: str = "", figures: Mapping[str, float] | None = None
) -> None:
    """Write key, bias and gauge beside the adapter, and the share of the second look if there is one.

    encoder_sha256: digest of the encoder weights that the key reads; into `basis.json`.
    figures: how good the key is; into `basis.json`.
    """
    from restorekit.model.key import write_key

    write_key(folder / KEY, key)
    said: dict[str, Any] = {"encoder_sha256": encoder_sha256} if encoder_sha256 else {}
    for name in (SEVERITY, EVIDENCE):  # measured with another gauge, and another key
        (folder / name).unlink(missing_ok=True)
    add_to_record(folder, said | ({"key": dict(figures)} if figures else {}))


def drop_key(folder: Path, *, figures: Mapping[str, float]) -> None:
    """Leave the basis without a key, at the user's command only. figures: how good it would have been."""
    (folder / KEY).unlink(missing_ok=True)
    for name in (SEVERITY, EVIDENCE):  # of the gauge and the key that go
        (folder / name).unlink(missing_ok=True)
    record = json.loads((folder / RECORD).read_text())
    record.pop("encoder_sha256", None)
    save_json(folder / RECORD, record | {"key": dict(figures)})
    write_sums(folder)


def add_to_record(folder: Path, values: Mapping[str, Any]) -> None:
    """Write values into `basis.json`, beside what it says, and the sums anew."""
    if values:
        path = folder / RECORD
        save_json(path, (json.loads(path.read_text()) if path.exists() else {}) | dict(values))
    write_sums(folder)
