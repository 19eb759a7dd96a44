"""Go part of the way that trainings went: `python -m restorekit.training.soup WEIGHTS/noise RUN/noise=0.5`.

    basis = start + sum_i share_i (trained_i - start),    factor by factor

A basis that is trained by itself gains on what it sees and pays elsewhere. Half-way back it keeps most of what it
gained and has paid little, and two trainings together pay less than either: Wortsman et al., "Robust fine-tuning
of zero-shot models", 2022, https://arxiv.org/abs/2109.01903, and "Model soups", 2022,
https://arxiv.org/abs/2203.05482.

The trainings must have begun from the basis, so that their factors belong together. Its key stays; its judge, if
it has one, goes.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from restorekit.errors import RestorekitError, TrainingError
from restorekit.model.basis import Basis, LoraLayer, save_basis

__all__ = ["main", "souped"]


def souped(
    start: Mapping[str, LoraLayer], trained: Sequence[tuple[Mapping[str, LoraLayer], float]]
) -> dict[str, LoraLayer]:
    """Mix layers, by name.

    start: those that the trainings began from.
    trained: the layers of each and its share.
    Raises TrainingError where layers or their shapes are others.
    """
    for layers, _ in trained:
        for name in sorted(set(start) | set(layers)):
            shapes = [
                (one[name].down.shape, one[name].up.shape) if name in one else None for one in (start, layers)
            ]
            if shapes[0] != shapes[1]:
                raise TrainingError(f"layer {name} is another one there: this training began from another basis")
    return {
        name: LoraLayer(
            layer.down + sum(share * (layers[name].down - layer.down) for layers, share in trained),
            layer.up + sum(share * (layers[name].up - layer.up) for layers, share in trained),
        )
        for name, layer in start.items()
    }


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("basis", type=Path, help="folder of the basis that they began from; it is changed")
    parser.add_argument("trained", nargs="+", help="FOLDER=SHARE of each training, the folder of the same basis")
    chosen = parser.parse_args(words)
    trained = []
    for text in chosen.trained:
        folder, _, share = text.rpartition("=")
        try:
            trained.append((Path(folder), float(share)))
        except ValueError:
            parser.error(f"{text!r} is no FOLDER=SHARE, such as runs/noise=0.5")
    try:
        into = Basis(chosen.basis.name, "", chosen.basis)
        ways = [Basis(into.name, "", folder) for folder, _ in trained]
        removes = str(into.record.get("degradation", ""))
        for way in ways:
            if (way.backbone_sha256, way.record.get("degradation", "")) != (into.backbone_sha256, removes):
                raise TrainingError(f"{way.folder} is for another backbone or degradation than {into.folder}")
        layers = souped(into.layers(), [(w.layers(), share) for w, (_, share) in zip(ways, trained, strict=True)])
        digest = into.backbone_sha256
        save_basis(into.folder, layers, rank=into.rank, backbone_sha256=digest, degradation=removes)
    except RestorekitError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
