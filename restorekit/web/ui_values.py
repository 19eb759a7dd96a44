"""Values between the page and the desk: a picture that was put there, what is wanted, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from restorekit.weighing import Inspection, Wish

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.image import Picture

__all__ = ["Mask", "Order", "Outcome", "Sheet", "Trial", "mask_of"]


@dataclass(frozen=True)
class Sheet:
    """A picture on the desk: everything but its pixels.

    path: its file, in a folder of its own.
    name: name that its sender gave it.
    width, height: px, upright; of the first page.
    pages: number of pictures in the file.
    found: weights and severities that the encoder sees.
    notes: lines about reading it.
    stop: set by whoever wants the work on it to end.
    """

    path: Path
    name: str
    width: int
    height: int
    pages: int
    found: Inspection
    notes: tuple[str, ...] = ()
    stop: Event = field(default_factory=Event, compare=False)

    @property
    def pixels(self) -> int:
        """Number of pixels of a page."""
        return self.width * self.height


@dataclass(frozen=True, eq=False)
class Mask:
    """A mask over a whole picture at any size; equal to itself only.

    values: shape (h, w), uint8: 255 is restored, 0 left alone.
    """

    values: Tensor


@dataclass(frozen=True, kw_only=True)
class Order:
    """Wishes for a picture.

    wish: words over what is found.
    scale: times the size.
    mask: part that is restored; None for all of it.
    strip: leave EXIF, XMP, IPTC and text out of the file.
    look: share of a photograph's texture to give to the result.
    seed: of the look's noise.
    """

    wish: Wish = field(default_factory=Wish)
    scale: int = 1
    mask: Mask | None = None
    strip: bool = False
    look: float = 0.0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Trial:
    """A picture or a piece of it before and after, of the same size.

    before, after: with colour profile and transparency, ready to be shown.
    box: left, top, right and bottom of the piece, px of the source.
    """

    before: Picture
    after: Picture
    box: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Outcome:
    """A file that was asked for.

    name: of its source, as its sender calls it.
    path: place of the restored file; None where there is none.
    lines: findings and notes, or the error.
    view: the whole before and after, reduced, if that was asked for.
    """

    name: str
    path: Path | None
    lines: tuple[str, ...]
    view: Trial | None = None


def mask_of(layers: Sequence[object], *, spared: bool) -> Mask | None:
    """The mask that was painted; None where nothing was.

    layers: arrays of shape (h, w), uint8: how thick the paint is.
    spared: leave the painted part alone, in place of restoring it alone.
    """
    import torch

    painted = [torch.as_tensor(layer) for layer in layers]
    if not any(bool(layer.any()) for layer in painted):
        return None
    thick = torch.stack(painted).amax(0)
    return Mask(255 - thick if spared else thick)
