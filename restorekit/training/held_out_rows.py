"""Held-out rows: the kinds of picture on which blind restoration is compared with the right bases.

On held-out photographs, every degradation from mild to severe and every pair, mild and typical; plain as papers
have them on every other photograph, as cameras, lenses and files make them on the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import Generator, Tensor

from restorekit.composition import Compose
from restorekit.degradation import Degradation
from restorekit.training.pairs import FILES, MILD, PairMaker, as_file, mild, severe, typical
from restorekit.training.photos import softened

__all__ = ["all_late", "degraded_pictures", "held_out_rows", "kinds_for"]


def held_out_rows(degradations: Sequence[Degradation]) -> list[dict[str, float]]:
    """List the rows, severities by name: none, each degradation from mild to strong, each two mild, as most
    photographs are, and typical."""
    rows: list[dict[str, float]] = [{}]
    for i, a in enumerate(degradations):
        scale = a.severity
        rows += [{a.name: v} for v in (mild(scale, 0.1), mild(scale, 0.4), scale.typical, severe(scale))]
        for b in degradations[i + 1 :]:
            rows.append({d.name: mild(d.severity, MILD) for d in (a, b)})
            rows.append(typical([a, b]))
    return rows


def kinds_for(degradations: Sequence[Degradation], photograph: int) -> dict[str, str]:
    """Kinds by name for the `photograph`-th: every other one the plain kind, as the tables have it, the others one
    kind after another, as cameras and lenses have them."""
    turn, odd = divmod(photograph, 2)
    return {d.name: d.kinds[(turn if odd else 0) % len(d.kinds)] for d in degradations}


def all_late(pairs: PairMaker, severities: Mapping[str, float]) -> bool:
    """True where only the sensor and the file did something: then a soft photograph is meant to stay as soft."""
    return all(d.late for d in pairs.degradations if d.name in severities)


def degraded_pictures(
    pairs: PairMaker,
    severities: Mapping[str, float],
    photographs: Sequence[Tensor],
    generator: Generator,
    soft: Sequence[float],
) -> Iterator[tuple[Tensor, Tensor]]:
    """Degrade each photograph, and give it with what it should be restored to.

    pairs: has the degradations.
    severities: of the row, by name.
    photographs: (1, 3, H, W) each, in [0, 1].
    generator: draws what is done to them.
    soft: times each is enlarged first, where only what is late is to be removed.
    """
    present = [d for d in pairs.degradations if d.name in severities]
    indices = [i for i, d in enumerate(pairs.degradations) if d.name in severities]
    rounded = pairs.file_share(indices) == FILES
    for i, (photo, factor) in enumerate(zip(photographs, soft, strict=True)):
        clean = softened(photo, factor) if factor != 1 and all_late(pairs, severities) else photo
        compose = Compose.draw(present, clean.shape, generator, severities, kinds_for(present, i))
        yield as_file(compose.apply(clean), generator, float(rounded)), clean
