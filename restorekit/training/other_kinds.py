"""Degradations that no basis removes, simply made: what the encoder's query has to be open to.

A later basis brings a key that reads the query of an encoder which has never heard of it. How well that goes is
measured with these (`restorekit.training.openness`); and every later key is fitted beside them, so that a picture
with something strange about it is not taken for one that needs the basis.

    haze      image t + light (1 - t), t falling with the depth          Koschmieder, 1924
    dark      image 2^-stops, in linear light; a noisy sensor is another matter
    cast      channels times gains, as under another light's white balance
    faded     contrast lost and colours washed out, as in an old print
    vignette  light lost towards the corners
    impulse   pixels that are black, white, or of any value
    banding   fewer levels
    stripes   rows or columns with an offset of their own, or a sine across the picture, as of a screen
    halo      sharpened too much
    blocks    squares of one colour
    scratches thin lines, bright or dark
    fringe    red and blue moved apart, growing from the middle, as by a lens
"""

from __future__ import annotations

from collections.abc import Iterable

from restorekit.degradation import Degradation
from restorekit.training.other_light import Cast, Dark, Faded, Haze, Vignette
from restorekit.training.other_pixels import Banding, Blocks, Fringe, Halo, Impulse, Scratches, Stripes

__all__ = ["OTHER_KINDS", "strangers_to"]

OTHER_KINDS: tuple[type[Degradation], ...] = (
    Haze,
    Dark,
    Cast,
    Faded,
    Vignette,
    Impulse,
    Banding,
    Stripes,
    Halo,
    Blocks,
    Scratches,
    Fringe,
)


def strangers_to(known: Iterable[Degradation]) -> tuple[Degradation, ...]:
    """Make one of each whose name no known degradation has."""
    names = {degradation.name for degradation in known}
    return tuple(kind() for kind in OTHER_KINDS if kind.name not in names)
