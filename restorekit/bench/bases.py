"""Overlap of bases, and what each is worth: are they complete, and are they disentangled?

    updates  cos(B_i A_i, B_j A_j), the mean over the layers that both change
    effects  cos(x_i - x, x_j - x) over pictures x, with x_i restored by basis i alone, all pictures together
    worth    dB lost where a named basis is left out, or where one that is not named is put in

A basis that is complete loses nothing to another; one that is disentangled changes nothing that is another's.
LoRWeB: Manor et al., 2026, https://arxiv.org/abs/2602.15727
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from restorekit.bench.datasets import Dataset, Located, locate
from restorekit.bench.errors import BenchError
from restorekit.bench.items import make_item
from restorekit.bench.protocol import Protocol
from restorekit.model.basis import LoraLayer
from restorekit.running.restorer import Restorer
from restorekit.work.setup import fingerprint

__all__ = ["Worth", "drawn", "effects", "telling_protocols", "to_markdown", "updates", "worth_of"]

SIDE = 256  # px of the pictures' middles
LEAST = 1e-9  # mean square of an effect that is none


@dataclass(frozen=True)
class Worth:
    """One protocol.

    named: bases that its degradations ask for.
    input, right: PSNR in dB of what came, and with the named bases at 1.
    lost: dB lost where a named basis is left out, or another is put in, by name of the basis.
    """

    protocol: Protocol
    named: tuple[str, ...]
    input: float
    right: float
    lost: Mapping[str, float]


def telling_protocols(
    protocols: Sequence[Protocol], places: Mapping[str, Located | None], degradations: Sequence[str]
) -> list[Protocol]:
    """The first protocol that has each degradation alone, made rather than found, and all that have several, on
    sets that are here."""
    known, chosen, alone = set(degradations), [], set()
    for protocol in sorted(protocols, key=lambda protocol: not (protocol.steps or protocol.scale > 1)):
        single = len(protocol.present) == 1
        if places.get(protocol.dataset) is None or protocol.identify or protocol.camera or protocol.keep:
            continue
        if protocol.source != "rgb" or not protocol.present or not known.issuperset(protocol.present):
            continue
        if not single or protocol.present[0] not in alone:
            alone |= set(protocol.present) if single else set()
            chosen.append(protocol)
    return sorted(chosen, key=lambda protocol: len(protocol.present))


def updates(bases: Mapping[str, Mapping[str, LoraLayer]]) -> Tensor:
    """Mean cosine of two bases' updates over the layers that both change; (K, K), NaN where there are none."""
    names = list(bases)
    cosines = torch.full((len(names), len(names)), math.nan)
    for i, first in enumerate(names):
        for j, second in enumerate(names):
            shared = [layer for layer in bases[first] if layer in bases[second]]
            if shared:
                each = [cosine(bases[first][layer], bases[second][layer]) for layer in shared]
                cosines[i, j] = sum(each) / len(each)
    return cosines


def cosine(first: LoraLayer, second: LoraLayer) -> float:
    """Cosine of two updates B A of one layer; 0 where one of them is nothing."""

    def product(one: LoraLayer, other: LoraLayer) -> float:
        inner = (one.up.T @ other.up) * (one.down.flatten(1) @ other.down.flatten(1).T)  # (r, r')
        return float(inner.double().sum())

    size = math.sqrt(max(0.0, product(first, first)) * max(0.0, product(second, second)))
    return product(first, second) / size if size > 0 else 0.0


def full_weights(restorer: Restorer) -> dict[str, float]:
    """1 for every basis, or the largest weight that it may have."""
    known = restorer.catalog.bases
    return {name: min(1.0, known[name].largest) if name in known else 1.0 for name in restorer.bases}


def alone(restorer: Restorer, picture: Tensor, weights: Mapping[str, float]) -> Tensor:
    """A picture, (1, 3, H, W), restored with these weights and no others."""
    return restorer.restore(picture, weights=dict(weights), blind=False, unclipped=True).image


def effects(restorer: Restorer, pictures: Sequence[Tensor]) -> Tensor:
    """Cosine of two bases' effects on the same pictures, all taken together; (K, K), NaN without an effect.

    pictures: (1, 3, H, W) each.
    """
    full = full_weights(restorer)
    gram = torch.zeros(len(full), len(full), dtype=torch.float64)
    count = 0
    for picture in pictures:
        changes = [(alone(restorer, picture, {name: w}) - picture).flatten().double() for name, w in full.items()]
        stack = torch.stack(changes)
        gram += stack @ stack.T
        count += picture.numel()
    size = gram.diagonal().sqrt()
    cosines = gram / torch.outer(size, size)
    return torch.where(torch.outer(size, size) > LEAST * count, cosines, math.nan).float()


def middle(picture: Tensor) -> Tensor:
    """The middle of a picture, no side above SIDE, cut along the grid of JPEG."""
    top, left = (max(0, n - SIDE) // 16 * 8 for n in picture.shape[-2:])
    return picture[..., top : top + SIDE, left : left + SIDE]


def psnr(image: Tensor, right: Tensor) -> float:
    """PSNR in dB of a picture that is clipped to the range."""
    return float(-10 * (image.clamp(0, 1) - right).square().mean().clamp_min(1e-12).log10())


def worth_of(
    restorer: Restorer,
    protocol: Protocol,
    located: Located,
    limit: int,
    roots: Sequence[Path],
    keep: Callable[[Tensor], None] = lambda picture: None,
) -> Worth:
    """Measure one protocol.

    limit: number of pictures.
    roots: data folders, for measured kernels.
    keep: told the first degraded picture.
    """
    catalog, full = restorer.catalog, full_weights(restorer)
    known = {n: catalog.bases[n].degradation for n in full if n in catalog.bases}
    named = tuple(name for name, degradation in known.items() if degradation in protocol.remove)
    right = {name: full[name] for name in named}
    mixtures = {name: changed(right, name, full[name]) for name in full}
    count = min(limit, len(located.sources))
    sums = dict.fromkeys(("input", "right", *mixtures), 0.0)
    for index in range(count):
        item = make_item(protocol, located, index, catalog, roots)
        if item.clean is None:
            raise BenchError(f"protocol {protocol.name} has no clean pictures; choose another with --protocol")
        picture, clean = middle(item.degraded), middle(item.clean)
        if index == 0:
            keep(picture)
        sums["input"] += psnr(picture, clean)
        sums["right"] += psnr(alone(restorer, picture, right), clean)
        for name, mixture in mixtures.items():
            sums[name] += psnr(alone(restorer, picture, mixture) if mixture else picture, clean)
    means = {name: value / count for name, value in sums.items()}
    lost = {name: means["right"] - means[name] for name in mixtures}
    return Worth(protocol, named, means["input"], means["right"], lost)


def changed(right: Mapping[str, float], name: str, full: float) -> dict[str, float]:
    """The right weights without a basis that they have, or with one that they have not."""
    if name in right:
        return {other: weight for other, weight in right.items() if other != name}
    return {**right, name: full}


def located_sets(datasets: Mapping[str, Dataset], roots: Sequence[Path]) -> dict[str, Located | None]:
    """Sets by name, where they are on this machine; None for those that are not here."""
    return {name: locate(dataset, roots) for name, dataset in datasets.items()}


def to_markdown(
    restorer: Restorer, updated: Tensor, effected: Tensor, rows: Sequence[Worth], limit: int, picture: str
) -> str:
    """The report. picture: name of the picture beside it; empty for none."""
    names = restorer.bases
    lines = [
        "# Bases: overlap, and what each is worth",
        "",
        f"Made by `restorekit basis report --limit {limit} -o benchmarks/bases.md`, in fp32, on middles of {SIDE} "
        f"px of the first {limit} pictures of each set; weights {fingerprint(restorer)[:12]}.",
        "",
        *([f"![overlap and worth]({picture})", ""] if picture else []),
        "## Cosine of updates, mean over layers",
        "",
        *table(names, updated),
        "## Cosine of effects on the same pictures",
        "",
        "Each basis alone at its full weight on one picture of each protocol below. 0: what they take away has "
        "nothing in common; 1: they do the same.",
        "",
        *table(names, effected),
        "## Worth",
        "",
        "dB. *right*: the named bases at 1. **Bold**: lost where this named basis is left out. Others: lost where "
        "this basis, which nothing asks for, is put in as well.",
        "",
        f"| protocol | input | right | {' | '.join(names)} |",
        f"|---|{'---|' * (len(names) + 2)}",
    ]
    for row in rows:
        cells = [f"**{row.lost[n]:.2f}**" if n in row.named else f"{row.lost[n]:.2f}" for n in names]
        lines.append(f"| {row.protocol.title} | {row.input:.2f} | {row.right:.2f} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def table(names: Sequence[str], values: Tensor) -> list[str]:
    """A square table with a blank line behind it."""
    rows = [f"| | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for name, line in zip(names, values.tolist(), strict=True):
        rows.append(f"| {name} | {' | '.join('-' if v != v else f'{v:.2f}' for v in line)} |")
    return [*rows, ""]


def drawn(names: Sequence[str], updated: Tensor, effected: Tensor, rows: Sequence[Worth]) -> Tensor:
    """The same as one picture, (1, 3, H, W)."""
    from restorekit.image.matrices import matrix
    from restorekit.image.panels import side_by_side

    panels = [
        ("cosine of updates", matrix(updated, names, names, 1.0)),
        ("cosine of effects", matrix(effected, names, names, 1.0)),
    ]
    squares = side_by_side(panels, 2)
    if not rows:
        return squares
    lost = torch.tensor([[row.lost[name] for name in names] for row in rows])
    named = torch.tensor([[name in row.named for name in names] for row in rows])
    worth = matrix(lost, [row.protocol.title for row in rows], names, 6.0, named)
    return side_by_side([("", squares), ("dB lost: a named basis (framed) left out, or another put in", worth)], 1)
