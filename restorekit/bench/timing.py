"""Measures of `restorekit.bench.speed`: two things timed in turns, A B A B ..., so that a machine that slows down
slows both; the medians are compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.bench.items import Item
    from restorekit.bench.methods import BenchMethod
    from restorekit.plugin.catalog import Catalog
    from restorekit.running.restorer import Restorer


__all__ = [
    "Ratio",
    "arithmetic_ratio",
    "bases_ratio",
    "count_operations",
    "encoder_ratio",
    "first_ratio",
    "forward",
    "in_turns",
    "mixing_ratio",
    "peer_here",
    "peer_ratios",
    "precision_ratio",
]


@dataclass(frozen=True)
class Ratio:
    """Two median times and their ratio, seconds / reference_seconds. note: anything else that was measured."""

    what: str
    reference: str
    seconds: float
    reference_seconds: float
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.seconds / self.reference_seconds


def in_turns(
    what: str, reference: str, run: Callable[[], object], base: Callable[[], object], rounds: int
) -> Ratio:
    """Time both in turns; the first round warms up and does not count."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        for function, kept in zip((run, base), times, strict=True):
            started = time.perf_counter()
            function()
            kept.append(time.perf_counter() - started)
    return Ratio(what, reference, statistics.median(times[0][1:]), statistics.median(times[1][1:]))


def forward(restorer: Restorer, image: Tensor) -> Callable[[], None]:
    """The backbone's forward pass alone, nothing merged. image: (1, 3, H, W), on its grid."""
    import torch

    degraded = restorer.passing.on_device(image)
    predictor = restorer.mixer.specialise(restorer.none)
    context, once = predictor.describe(image), torch.ones(1, device=image.device)

    @torch.inference_mode()
    def run() -> None:
        with restorer.passing.computing():
            predictor(degraded, once, degraded, context)

    return run


def mixing_ratio(size: int = 512, rounds: int = 9) -> Ratio:
    """A whole restoration, all bases with a key mixed anew for each picture, against the backbone alone."""
    import torch

    from restorekit.running.restorer import Restorer

    restorer = Restorer.from_pretrained(device="cpu")
    image = torch.rand(1, 3, size, size)
    turn = iter(range(1_000_000))

    def restore() -> None:
        # Weights that differ each time, so that the mixture cannot be one that is there already.
        weights = {name: 0.5 + 0.0001 * (next(turn) % 1000) for name in restorer.keys}
        restorer.restore(image, weights=weights, blind=False)

    plain = forward(restorer, image)
    return in_turns(f"restore {size}x{size}, mixing included", "backbone alone", restore, plain, rounds)


def encoder_ratio(size: int = 512, rounds: int = 9) -> Ratio:
    """Blind restoration against restoration with given weights."""
    import torch

    from restorekit.running.restorer import Restorer

    restorer = Restorer.from_pretrained(device="cpu")
    image = torch.rand(1, 3, size, size)
    chosen = dict.fromkeys(restorer.keys, 0.5)
    return in_turns(
        f"restore {size}x{size} blind",
        "with given weights",
        lambda: restorer.restore(image),
        lambda: restorer.restore(image, weights=chosen, blind=False),
        rounds,
    )


def arithmetic_ratio(size: int = 512, rounds: int = 7, side: int = 2048) -> Ratio:
    """The backbone against a square matrix product of as many operations: how much of the machine it uses.

    size: side of the picture, px. rounds: of timing. side: of the matrices.
    """
    import torch

    from restorekit.running.device import name_of_precision
    from restorekit.running.restorer import Restorer

    restorer = Restorer.from_pretrained(device="cpu")
    plain = forward(restorer, torch.rand(1, 3, size, size))
    left, right = torch.rand(2, side, side).to(restorer.dtype)
    operations = count_operations(plain)
    repeats = max(1, round(operations / (2 * side**3)))

    def multiply() -> None:
        for _ in range(repeats):
            left @ right

    row = in_turns("backbone", f"{side}x{side} matrix products, as many operations", plain, multiply, rounds)
    speed = [operations / 1e9 / row.seconds, repeats * 2 * side**3 / 1e9 / row.reference_seconds]
    note = f"{operations / size**2 / 1e3:.0f} kFLOP per pixel; {speed[0]:.0f} of {speed[1]:.0f} GFLOP/s"
    return replace(row, note=f"{note}, {name_of_precision(restorer.dtype)}")


def count_operations(run: Callable[[], object]) -> int:
    """Floating-point operations of torch's products and convolutions in one run."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

    def winograd(x: list[int], weight: list[int], *_: object, out_shape: list[int], **__: object) -> int:
        return conv_flop_count(x, weight, out_shape)  # as many as the plain way would take

    ways = {torch.ops.aten._nnpack_spatial_convolution: winograd}
    with FlopCounterMode(display=False, custom_mapping=ways) as counter:
        run()
    total: int = counter.get_total_flops()
    return total


def precision_ratio(size: int = 512, rounds: int = 5) -> Ratio:
    """bf16 against fp32, and how far apart their results are."""
    import torch

    from restorekit.running.restorer import Restorer

    image = torch.rand(1, 3, size, size)
    chosen = {"noise": 1.0}
    half, full = (Restorer.from_pretrained(device="cpu", precision=p) for p in ("bf16", "fp32"))
    results: list[Tensor] = [image, image]

    def run(i: int) -> None:
        results[i] = (half, full)[i].restore(image, weights=chosen, blind=False).image

    row = in_turns("bf16", "fp32", lambda: run(0), lambda: run(1), rounds)
    apart = -10 * torch.log10((results[0] - results[1]).square().mean().clamp_min(1e-10))
    return replace(row, note=f"{float(apart):.1f} dB apart")


def bases_ratio(count: int, size: int = 512, rounds: int = 5) -> Ratio:
    """With many bases installed and in use against one."""
    import torch

    from restorekit.model.mixing import Mixer, MixingWeights
    from restorekit.running.passing import Pass
    from restorekit.running.restorer import Restorer

    restorer = Restorer.from_pretrained(device="cpu")
    image = torch.rand(1, 3, size, size)
    layers = list(restorer.mixer.bases.values())
    mixers = [Mixer(restorer.backbone, {str(i): layers[i % len(layers)] for i in range(n)}) for n in (count, 1)]
    turn = iter(range(1_000_000))

    @torch.inference_mode()
    def run(mixer: Mixer) -> None:
        weight = (0.5 + 0.0001 * (next(turn) % 1000)) / len(mixer.bases)
        predictor = mixer.specialise(MixingWeights(dict.fromkeys(mixer.bases, weight)))
        restorer.passing.run(predictor, image, torch.float32, Pass(1, 1024))

    return in_turns(f"{count} bases mixed", "1 basis", lambda: run(mixers[0]), lambda: run(mixers[1]), rounds)


def first_ratio(size: int = 512) -> Ratio:
    """The first picture after the weights are loaded against later ones."""
    import torch

    from restorekit.running.restorer import Restorer

    image = torch.rand(1, 3, size, size)
    restorer = Restorer.from_pretrained(device="cpu")
    times = []
    for _ in range(6):
        started = time.perf_counter()
        restorer.restore(image)
        times.append(time.perf_counter() - started)
    return Ratio("first picture after loading", "later ones", times[0], statistics.median(times[1:]))


def peer_ratios(size: int = 512, rounds: int = 3) -> list[Ratio]:
    """Blind restoration of a noisy picture against denoisers that are told sigma. Those that are here."""
    from restorekit.bench.methods import make
    from restorekit.plugin.catalog import build_catalog, load_plugins

    catalog = build_catalog(load_plugins())
    item = noisy_item(size)
    ours = make("restorekit", catalog)
    ours.prepare()
    rows = []
    for name, times in (("opencv-nlm", rounds), ("ffdnet", rounds), ("bm3d", 1)):
        if (peer := peer_here(name, catalog)) is None:
            continue
        runs = (bound(ours, item), bound(peer, item))
        row = in_turns(f"restore {size}x{size} blind", name, *runs, times)
        counts = [count_operations(run) for run in runs] if name == "ffdnet" else []  # the one in torch
        speeds = [n / 1e9 / s for n, s in zip(counts, (row.seconds, row.reference_seconds), strict=False)]
        rows.append(replace(row, note=" against ".join(f"{s:.0f}" for s in speeds) + " GFLOP/s" if speeds else ""))
    return rows


def peer_here(name: str, catalog: Catalog) -> BenchMethod | None:
    """A peer, prepared; None where its packages are not here. name: of the method."""
    from restorekit.bench.methods import make, missing

    if missing(catalog.method(name)):
        return None
    peer = make(name, catalog)
    peer.prepare()
    return peer


def bound(method: Callable[[Item], Tensor], item: Item) -> Callable[[], object]:
    return lambda: method(item)


def noisy_item(size: int) -> Item:
    """A smooth picture with noise of sigma 25."""
    import torch

    from restorekit.bench.items import Item
    from restorekit.bench.protocol_files import load_protocols

    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, size // 16, size // 16, generator=generator)
    clean = torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)
    noise = torch.randn(clean.shape, generator=generator)
    return Item("smooth", load_protocols().protocols["cbsd68-noise25"], clean + 25 / 255 * noise, clean)
