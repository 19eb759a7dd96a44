"""Degradations that nobody can make: known from pairs of photographs, with and without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from restorekit.degradation import Degradation, Realisation, Severity
from restorekit.errors import PluginError

if TYPE_CHECKING:
    from torch import Generator, Tensor

__all__ = ["Paired"]


class Paired(Degradation):
    """A degradation that cannot be made, and is known from pairs of photographs with and without it: moire, a
    scanner's dust, an old lens.

    Subclasses set name, order and summary. Its severity is measured on a pair: the root mean square of the
    difference between the two, on the 0-255 scale. A basis for it is trained by `restorekit train basis NAME
    --pairs INPUT/ TARGET/`; it is drawn in no training and made by no `restorekit degrade`.
    """

    paired = True
    severity = Severity("difference", "of 255", off=0, mild=2, strong=40, typical=12)
    kinds = ("real",)

    def draw(
        self,
        shape: Sequence[int],
        generator: Generator,
        *,
        severity: float | None = None,
        kind: str | None = None,
    ) -> Realisation:
        """Refuse, by a PluginError."""
        raise self.refusal()

    def apply(self, image: Tensor, realisation: Realisation) -> Tensor:
        """Refuse, by a PluginError."""
        raise self.refusal()

    def refusal(self) -> PluginError:
        """The error for whoever wants it made."""
        return PluginError(
            f"{self.name} is known from pairs of photographs and cannot be made; "
            f"train its basis with `restorekit train basis {self.name} --pairs INPUT/ TARGET/`"
        )
