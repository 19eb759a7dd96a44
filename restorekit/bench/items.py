"""From a protocol and one picture's files to what a method gets and what it is scored against.

Every random draw has a seed of its own, made from the protocol's seed, the picture's name and the degradation,
so that a picture is degraded alike whichever others are run, and alike with and without another step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from restorekit.bench.bicubic import resize
from restorekit.bench.camera import photograph
from restorekit.bench.datasets import Located
from restorekit.bench.errors import BenchError
from restorekit.bench.protocol import Protocol, StepSpec
from restorekit.composition import Compose, Step, in_physical_order
from restorekit.degradation import Degradation, Realisation
from restorekit.image import read_image
from restorekit.plugin.catalog import Catalog

__all__ = ["Item", "as_file", "degraded_item", "luma", "make_item"]

LUMA = (65.481, 128.553, 24.966)  # MATLAB's rgb2ycbcr, ITU-R BT.601 studio range, on the 0-255 scale


@dataclass(frozen=True)
class Item:
    """One picture to restore.

    degraded: shape (1, 3, H, W); may leave [0, 1] where the protocol stores floats. clean: what a perfect
    restoration would be, or None. small: the low-resolution picture of a super-resolution protocol, which
    `degraded` shows enlarged. grey: the picture has one channel, three times. realisations: what was drawn, by
    degradation; only methods marked as oracles may look at it, or at `clean`.
    """

    name: str
    protocol: Protocol
    degraded: Tensor
    clean: Tensor | None
    small: Tensor | None = None
    grey: bool = False
    realisations: Mapping[str, Realisation] = field(default_factory=dict)


def make_item(
    protocol: Protocol, located: Located, index: int, catalog: Catalog, roots: Sequence[Path] = ()
) -> Item:
    """Read and degrade one picture. roots: data folders, for measured kernels."""
    source = located.sources[index]
    if source.input is not None:
        if protocol.steps or protocol.camera or protocol.scale > 1 or protocol.resize != 1:
            raise BenchError(f"protocol {protocol.name} degrades, but {located.dataset.name} is degraded already")
        degraded, grey = read(source.input, protocol.source)
        clean = None if source.target is None else read(source.target, protocol.source)[0]
        if clean is not None and clean.shape != degraded.shape:
            raise BenchError(
                f"{source.name}: input {tuple(degraded.shape)} and target {tuple(clean.shape)} differ"
            )
        return Item(source.name, protocol, degraded, clean, grey=grey)
    if source.target is None:
        raise BenchError(f"{source.name}: neither an input nor a clean picture")
    clean, grey = read(source.target, protocol.source)
    return degraded_item(protocol, source.name, clean, catalog, index, roots, grey=grey)


def degraded_item(
    protocol: Protocol,
    name: str,
    clean: Tensor,
    catalog: Catalog,
    index: int = 0,
    roots: Sequence[Path] = (),
    *,
    grey: bool = False,
) -> Item:
    """Degrade one clean picture as a protocol says.

    name: of the picture; every draw depends on it.
    clean: shape (1, 3, H, W), in [0, 1].
    index: the picture's number in its set; measured kernels and tone curves are taken in turn.
    roots: data folders, for measured kernels.
    grey: whether the three channels are one.
    """
    if protocol.resize != 1:
        height, width = (round(n * protocol.resize) for n in clean.shape[-2:])
        clean = as_file(resize(clean, height, width))
    if protocol.scale > 1:
        return enlarged_item(name, protocol, clean, grey)
    shot = clean
    if protocol.camera:
        curve = protocol.camera[index % len(protocol.camera)]
        generator = torch.Generator().manual_seed(seed_of(protocol.seed, name, "camera"))
        plain, shot = photograph(clean, curve, generator)
        clean = as_file(plain)
    steps = []
    specs = {s.degradation: s for s in protocol.steps}
    for degradation in in_physical_order(catalog.degradation(step) for step in specs):
        seed = seed_of(protocol.seed, name, degradation.name)
        generator = torch.Generator().manual_seed(seed)
        steps.append(Step(degradation, draw(degradation, specs[degradation.name], clean, generator, index, roots)))
    compose = Compose(tuple(steps))
    degraded = store(compose.apply(shot), protocol.stored)
    target = store(compose.without(protocol.remove).apply(clean), protocol.stored) if protocol.keep else clean
    realisations = {s.degradation.name: s.realisation for s in steps}
    return Item(name, protocol, degraded, target, grey=grey, realisations=realisations)


def read(path: Path, source: str) -> tuple[Tensor, bool]:
    """A picture, (1, 3, H, W), and whether it is grey."""
    picture = read_image(path)
    if source == "rgb" or picture.mode == "grey":
        return picture.rgb, picture.mode == "grey"
    return (luma(picture.rgb) * 255).round().expand(-1, 3, -1, -1) / 255, True


def luma(image: Tensor) -> Tensor:
    """MATLAB's Y, in [16, 235] / 255. image: (B, 3, H, W); to (B, 1, H, W)."""
    weights = torch.tensor(LUMA, dtype=image.dtype).view(1, 3, 1, 1)
    return ((image * weights).sum(1, keepdim=True) + 16) / 255


def enlarged_item(name: str, protocol: Protocol, clean: Tensor, grey: bool) -> Item:
    """Crop to a multiple of the scale, down bicubically, 8 bits, up bicubically."""
    height, width = (n // protocol.scale for n in clean.shape[-2:])
    clean = clean[..., : height * protocol.scale, : width * protocol.scale]
    small = as_file(resize(clean, height, width))
    degraded = resize(small, *clean.shape[-2:]).clamp(0, 1)
    return Item(name, protocol, degraded, clean, small=small, grey=grey)


def draw(
    degradation: Degradation,
    spec: StepSpec,
    clean: Tensor,
    generator: torch.Generator,
    index: int,
    roots: Sequence[Path],
) -> Realisation:
    """One realisation, or one made of a measured kernel."""
    if spec.kernel is not None:
        kernel = measured_kernel(spec.kernel, index, roots)
        return Realisation(torch.tensor([deviation(kernel)]), {"kernel": kernel[None]})
    severity = degradation.severity.typical if spec.severity is None else spec.severity
    return degradation.draw(clean.shape, generator, severity=severity, kind=spec.kind)


def measured_kernel(name: str, index: int, roots: Sequence[Path]) -> Tensor:
    """The kernel of one picture out of a measured set, in turn. (k, k), k odd."""
    import numpy as np

    for root in roots:
        path = root / "kernels" / "kernels.npz"
        if path.is_file():
            with np.load(path) as kernels:
                rows = [kernels[key] for key in sorted(kernels.files) if key.startswith(name)]
            if not rows:
                raise BenchError(f"{path} has no kernels named {name}*")
            kernel = torch.from_numpy(rows[index % len(rows)]).float()
            return kernel / kernel.sum()
    raise BenchError(f"no kernels/kernels.npz in {', '.join(map(str, roots))}; see benchmarks/README.md")


def deviation(kernel: Tensor) -> float:
    """Standard deviation per axis, px."""
    places = [torch.arange(n, dtype=kernel.dtype) for n in kernel.shape]
    variance = 0.0
    for axis, place in enumerate(places):
        share = kernel.sum(1 - axis)
        mean = (share * place).sum()
        variance += float((share * (place - mean) ** 2).sum())
    return (variance / 2) ** 0.5


def store(image: Tensor, stored: str) -> Tensor:
    return as_file(image) if stored == "8-bit" else image


def as_file(image: Tensor) -> Tensor:
    """Clipped and rounded to 8 bits."""
    return (image.clamp(0, 1) * 255).round() / 255


def seed_of(seed: int, *names: str) -> int:
    """A seed of its own for each of a picture's degradations."""
    text = "/".join((str(seed), *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])
