"""Origins of what bases remove: the sensor or the file, the lens, or things in front of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from restorekit.degradation import Degradation

__all__ = ["Origins"]


@dataclass(frozen=True)
class Origins:
    """Names of the bases by where what they remove comes from.

    late: the sensor or the file.
    optical: the lens or sampling.
    sparse: things that touch few pixels.
    sampled: sampling alone.
    """

    late: Collection[str] = ()
    optical: Collection[str] = ()
    sparse: Collection[str] = ()
    sampled: Collection[str] = ()

    @classmethod
    def of(cls, degradations: Mapping[str, Degradation]) -> Origins:
        """Sort bases by their degradations. degradations: by basis name."""
        return cls(
            frozenset(name for name, d in degradations.items() if d.late),
            frozenset(name for name, d in degradations.items() if d.optical),
            frozenset(name for name, d in degradations.items() if d.sparse),
            frozenset(name for name, d in degradations.items() if d.sampled),
        )
