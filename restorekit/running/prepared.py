"""Preparation of pictures by a plugin, before the pass of its basis.

    prepared = picture + min(w, 1) (prepare(picture) - picture)

A network sees some 70 px around a place. What concerns the whole picture, such as the path of the hand that held
the camera, is found by other means, and undone as far as it can be; the basis learns to mend what is left. A basis
names its function by `prepare="module:function"` in its card, and has a pass of its own
(`restorekit.running.turns`). What the encoder's crops do not show either, it may look for itself, by
`sees="module:function"`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pkgutil import resolve_name

import torch
from torch import Tensor

from restorekit.errors import PluginError, RestorekitError
from restorekit.image import as_float
from restorekit.image.values import as_values
from restorekit.weighing.blind import Sight

__all__ = ["Prepare", "prepared", "sight_of"]

# A picture, (1, 3, H, W), in [0, 1], and what is told how many pieces of how many are done, to a picture like it;
# None where it sees that there is nothing for the basis to do.
Prepare = Callable[[Tensor, Callable[[int, int], None]], Tensor | None]


def sight_of(basis: str, place: str) -> Sight:
    """The look of a plugin's own, which names the basis in what goes wrong; see `restorekit.weighing.blind.Sight`.

    basis: its name.
    place: "module:function" of its card.
    """

    def sight(image: Tensor, clean: Callable[[Tensor], Tensor]) -> float:
        with blaming(basis, f"the look of basis {basis!r}, {place},", place):
            weight = float(resolve_name(place)(image, clean))
            if not 0 <= weight <= 1:
                raise ValueError(f"a weight of {weight:g} is not in [0, 1]")
        return weight

    return sight


def prepared(
    basis: str,
    place: str,
    image: Tensor,
    weight: float,
    progress: Callable[[int, int], None] | None,
    dtype: torch.dtype,
) -> Tensor | None:
    """Prepare a picture for a basis, as far as its weight says; None where the basis has nothing to do there.

    basis: its name.
    place: "module:function" of its card.
    image: (1, 3, H, W), floating in [0, 1], uint8 or uint16.
    weight: of the basis, not 0.
    progress: told how many pieces are done, and of how many.
    dtype: of the result, one of these.
    Raises PluginError, which names the basis, where its function fails or gives no such picture.
    """
    whole = as_float(image)
    with blaming(basis, f"the preparation of basis {basis!r}, {place},", place):
        done = resolve_name(place)(whole, progress or (lambda done, total: None))
        if done is None:
            return None
        if not isinstance(done, Tensor) or done.shape != whole.shape or not bool(torch.isfinite(done.sum())):
            raise ValueError("no picture of the same size with finite values came back")
    return as_values(whole.lerp(done.to(whole), min(1.0, weight)).clamp(0, 1), dtype)


@contextmanager
def blaming(basis: str, what: str, place: str) -> Iterator[None]:
    """Name the basis, what of it failed, and the way round it in whatever a plugin's function raises."""
    try:
        yield
    except (RestorekitError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        package = place.partition(".")[0].partition(":")[0]
        raise PluginError(
            f"{what} failed ({type(error).__name__}: {error}); update {package}, "
            f"or go on with RESTOREKIT_BLOCK_PLUGINS={basis}"
        ) from error
