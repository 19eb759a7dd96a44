"""What `restorekit.bench.speed` measures: things timed in turns, A B A B ..., so that a machine that slows down
slows both; the medians are compared."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from restorekit.bench.errors import BenchError
from restorekit.passing import Pass

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.bench.items import Item
    from restorekit.restorer import Restorer


@dataclass(frozen=True)
class Ratio:
    """What was compared, the median seconds of each, and seconds / reference. note: what else was measured."""

    what: str
    reference: str
    seconds: float
    reference_seconds: float
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.seconds / self.reference_seconds


def compare(
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

    degraded = image.contiguous(memory_format=torch.channels_last)
    predictor = restorer.mixer.specialise(restorer.none)
    context, once = predictor.describe(image), torch.ones(1)

    @torch.inference_mode()
    def run() -> None:
        with restorer.passing.autocast():
            predictor(degraded, once, degraded, context)

    return run


def mixing_ratio(size: int = 512, rounds: int = 9) -> Ratio:
    """A whole restoration, all bases with a key mixed anew for each picture, against the backbone alone."""
    import torch

    from restorekit.restorer import Restorer

    restorer = Restorer.from_pretrained(device="cpu")
    image = torch.rand(1, 3, size, size)
    turn = iter(range(1_000_000))

    def restore() -> None:
        # Weights that differ each time, so that the mixture cannot be one that is there already.
        weights = {name: 0.5 + 0.0001 * (next(turn) % 1000) for name in restorer.keys}
        restorer.restore(image, weights=weights, blind=False)

    plain = forward(restorer, image)
    return compare(f"restore {size}x{size}, mixing included", "backbone alone", restore, plain, rounds)


def encoder_ratio(size: int = 512, rounds: int = 9) -> Ratio:
    """Blind restoration against restoration with given weights."""
    import torch

    from restorekit.restorer import Restorer

    restorer = Restorer.from_pretrained(device="cpu")
    image = torch.rand(1, 3, size, size)
    chosen = dict.fromkeys(restorer.keys, 0.5)
    return compare(
        f"restore {size}x{size} blind",
        "with given weights",
        lambda: restorer.restore(image),
        lambda: restorer.restore(image, weights=chosen, blind=False),
        rounds,
    )


def command_ratio(size: int = 512, rounds: int = 5) -> Ratio:
    """The whole command on a PNG, from a cold interpreter, against `import torch`."""
    import torch

    from restorekit.image import write_image

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        write_image(path, torch.rand(1, 3, size, size))
        command = [sys.executable, "-m", "restorekit", "restore", str(path), "--overwrite"]
        return compare(
            f"restorekit restore, a {size}x{size} PNG",
            'python -c "import torch"',
            lambda: subprocess.run(command, check=True, capture_output=True),
            lambda: subprocess.run([sys.executable, "-c", "import torch"], check=True),
            rounds,
        )


def arithmetic_ratio(size: int = 512, rounds: int = 7) -> Ratio:
    """The backbone against a square matrix product of as many operations: how much of the machine it uses."""
    import torch

    from restorekit.device import name_of_precision
    from restorekit.restorer import Restorer

    restorer = Restorer.from_pretrained(device="cpu")
    plain = forward(restorer, torch.rand(1, 3, size, size))
    left, right = torch.rand(2, 2048, 2048).to(restorer.dtype)
    operations = count_operations(plain)
    repeats = max(1, round(operations / (2 * 2048**3)))

    def multiply() -> None:
        for _ in range(repeats):
            left @ right

    row = compare("backbone", "2048x2048 matrix products, as many operations", plain, multiply, rounds)
    speed = [operations / 1e9 / row.seconds, repeats * 2 * 2048**3 / 1e9 / row.reference_seconds]
    note = f"{operations / size**2 / 1e3:.0f} kFLOP per pixel; {speed[0]:.0f} of {speed[1]:.0f} GFLOP/s"
    return replace(row, note=f"{note}, {name_of_precision(restorer.dtype)}")


def count_operations(run: Callable[[], object]) -> int:
    """Floating-point operations of torch's products and convolutions in one run."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    total: int = counter.get_total_flops()
    return total


def precision_ratio(size: int = 512, rounds: int = 5) -> Ratio:
    """bf16 against fp32, and how far apart their results are."""
    import torch

    from restorekit.restorer import Restorer

    image = torch.rand(1, 3, size, size)
    chosen = {"noise": 1.0}
    half, full = (Restorer.from_pretrained(device="cpu", precision=p) for p in ("bf16", "fp32"))
    results: list[Tensor] = [image, image]

    def run(i: int) -> None:
        results[i] = (half, full)[i].restore(image, weights=chosen, blind=False).image

    row = compare("bf16", "fp32", lambda: run(0), lambda: run(1), rounds)
    apart = -10 * torch.log10((results[0] - results[1]).square().mean().clamp_min(1e-10))
    return replace(row, note=f"{float(apart):.1f} dB apart")


def bases_ratio(count: int, size: int = 512, rounds: int = 5) -> Ratio:
    """With many bases installed and in use against one."""
    import torch

    from restorekit.mixing import Mixer, MixingWeights
    from restorekit.restorer import Restorer

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

    return compare(f"{count} bases mixed", "1 basis", lambda: run(mixers[0]), lambda: run(mixers[1]), rounds)


def size_ratio(megapixels: int) -> Ratio:
    """The command on a large JPEG against pictures of a megapixel, per megapixel; and the memory that it takes."""
    import torch

    from restorekit.image import write_image

    side = round((megapixels * 2**20) ** 0.5)
    coarse = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    unit = torch.nn.functional.interpolate(coarse, (1024, 1024), mode="bicubic").clamp(0, 1)
    unit = (unit + 0.05 * torch.randn(unit.shape)).clamp(0, 1).mul(255).byte()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i in range(3):
            write_image(folder / f"small{i}.jpg", unit)
        times = side // 1024 + 1
        write_image(folder / "large.jpg", unit.repeat(1, 1, times, times)[..., :side, :side])
        small, _ = restore_files(sorted(folder.glob("small*.jpg")))
        (large,), peak = restore_files([folder / "large.jpg"])
    return Ratio(
        f"one JPEG of {megapixels} megapixels",
        f"{megapixels} times one of 1",
        large,
        megapixels * statistics.median(small),
        f"peak memory {peak / 1e9:.2f} GB",
    )


def restore_files(paths: Sequence[Path]) -> tuple[list[float], int]:
    """Seconds of each, from reading to writing, and the peak of the process's resident memory in bytes."""
    command = [sys.executable, "-m", "restorekit", "restore", *map(str, paths), "--json", "--set", "noise=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        seconds = [json.loads(line)["seconds"] for line in process.stdout]
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchError(f"{' '.join(command)} failed")
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def first_ratio(size: int = 512) -> Ratio:
    """The first picture after the weights are loaded against later ones."""
    import torch

    from restorekit.restorer import Restorer

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
    from restorekit.bench.methods import make, missing
    from restorekit.plugin.catalog import build_catalog, load_plugins

    catalog = build_catalog(load_plugins())
    item = noisy_item(size)
    ours = make("restorekit", catalog)
    ours.prepare()
    rows = []
    for name, times in (("opencv-nlm", rounds), ("ffdnet", rounds), ("bm3d", 1)):
        if missing(catalog.method(name)):
            continue
        peer = make(name, catalog)
        peer.prepare()
        runs = (bound(ours, item), bound(peer, item))
        row = compare(f"restore {size}x{size} blind", name, *runs, times)
        counts = [count_operations(run) for run in runs] if name == "ffdnet" else []  # the one in torch
        speeds = [n / 1e9 / s for n, s in zip(counts, (row.seconds, row.reference_seconds), strict=False)]
        rows.append(replace(row, note=" against ".join(f"{s:.0f}" for s in speeds) + " GFLOP/s" if speeds else ""))
    return rows


def bound(method: Callable[[Item], Tensor], item: Item) -> Callable[[], object]:
    return lambda: method(item)


def noisy_item(size: int) -> Item:
    """The sample scene with noise of sigma 25."""
    import torch

    from restorekit.bench.items import Item
    from restorekit.bench.protocols import load_protocols
    from restorekit.bench.scene import scene

    clean = scene(size, size)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return Item("scene", load_protocols().protocols["cbsd68-noise25"], clean + 25 / 255 * noise, clean)
