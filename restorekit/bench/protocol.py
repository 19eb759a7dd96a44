"""Protocols: which pictures, degraded how, scored how.

A protocol's degraded picture is  steps(clean)  in physical order, each step with the exact severity, kind and
seed that its file names; or a paired set's own input. Its target is the clean picture, or, where only some
degradations are to be removed, the same picture with the others still on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from restorekit.bench.errors import BenchError

__all__ = ["Goal", "Group", "Metric", "Protocol", "Protocols", "Published", "StepSpec"]


@dataclass(frozen=True)
class StepSpec:
    """One degradation. severity: in its own unit; None is its typical one. kernel: a set of measured kernels."""

    degradation: str
    severity: float | None = None
    kind: str | None = None
    kernel: str | None = None


@dataclass(frozen=True)
class Metric:
    """A number per picture. name: pyiqa's, st-lpips or flip. space: rgb, y (MATLAB's rgb2ycbcr) or grey.
    border: px cut off.

    In the space "weights" the encoder is scored: "decisions" is the share of bases on the right side of 0.5,
    "pictures" the share of pictures where all are.
    """

    name: str
    space: str = "rgb"
    border: int = 0

    @property
    def key(self) -> str:
        """Name in result files: "psnr-y-b4"."""
        if self.space == "weights":
            return self.name
        return f"{self.name}-{self.space}" + (f"-b{self.border}" if self.border else "")

    @property
    def label(self) -> str:
        """Name for a person: "PSNR (Y, border 4)"."""
        if self.space == "weights":
            return f"right {self.name}"
        border = f", border {self.border}" if self.border else ""
        return f"{self.name.upper()} ({self.space if self.space == 'grey' else self.space.upper()}{border})"


@dataclass(frozen=True)
class Published:
    """A row of somebody's table. scores: by metric key. source: paper, year, where."""

    method: str
    scores: Mapping[str, float]
    source: str
    note: str = ""


@dataclass(frozen=True)
class Protocol:
    """One task on one dataset.

    source: what of a clean file is degraded: its colours ("rgb") or MATLAB's 8-bit Y as a grey picture ("y").
    resize: factor by which the clean picture is resized first, bicubically, in 8 bits: below 1 for clean pixels,
        above 1 for soft ones.
    camera: tone curves of the camera that photographs the clean picture at a high ISO, in turn; () for none. The
        shot without noise is the clean picture then (`bench/camera.py`).
    scale: the picture is made small by this factor bicubically, stored in 8 bits, and enlarged again.
    stored: "8-bit" clips and rounds the degraded picture as a file does; "float" hands it over as it is.
    present: the degradations that are in the picture. remove: those that the target is without.
    rounded: restored pictures are clipped and rounded to 8 bits before they are scored.
    align: restored pictures are scored at the best shift of up to so many px. seen: whether training saw this
    combination; None where the question does not arise. identify: score the encoder's weights, not a picture.
    """

    name: str
    title: str
    dataset: str
    metrics: tuple[Metric, ...]
    steps: tuple[StepSpec, ...] = ()
    seed: int = 0
    source: str = "rgb"
    resize: float = 1.0
    camera: tuple[str, ...] = ()
    scale: int = 1
    stored: str = "8-bit"
    present: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    rounded: bool = True
    align: int = 0
    seen: bool | None = None
    identify: bool = False
    note: str = ""
    published: tuple[Published, ...] = ()

    @property
    def keep(self) -> tuple[str, ...]:
        """Degradations that are in the picture and shall stay."""
        return tuple(d for d in self.present if d not in self.remove)

    @property
    def digest(self) -> str:
        """Changes with everything that a score depends on, and with nothing else."""
        parts: tuple[object, ...] = (
            self.dataset, [m.key for m in self.metrics], self.steps, self.seed, self.source, self.scale,
            self.stored, self.remove, self.rounded, self.align, self.identify,
        )  # fmt: skip
        if self.resize != 1 or self.camera:  # so that results of older protocols stay valid
            parts = (*parts, self.resize, self.camera)
        return hashlib.sha256(repr(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Goal:
    """A number to reach: the mean over protocols of a method's first metric, or by how much it is over another
    method's. at_least: in the metric's unit; for `over`, the difference."""

    of: tuple[str, ...]
    at_least: float
    method: str = "restorekit"
    over: str = ""
    label: str = ""


@dataclass(frozen=True)
class Group:
    """A table of a report. rows: what its rows are, "methods" or "protocols"."""

    name: str
    title: str
    protocols: tuple[str, ...]
    note: str = ""
    rows: str = "methods"
    goals: tuple[Goal, ...] = ()


@dataclass(frozen=True)
class Protocols:
    """All protocols and groups, by name."""

    protocols: Mapping[str, Protocol]
    groups: Mapping[str, Group]

    def select(self, names: Iterable[str] = (), groups: Iterable[str] = ()) -> tuple[Protocol, ...]:
        """The named protocols and those of the named groups, each once; all of them if nothing is named."""
        wanted = list(names)
        for group in groups:
            if group not in self.groups:
                raise BenchError(f"no group {group!r}; there are {', '.join(sorted(self.groups))}")
            wanted += self.groups[group].protocols
        for name in wanted:
            if name not in self.protocols:
                raise BenchError(f"no protocol {name!r}; `restorekit bench list` shows them")
        return tuple(self.protocols[n] for n in dict.fromkeys(wanted or self.protocols))
