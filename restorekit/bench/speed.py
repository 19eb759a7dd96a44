"""Speed, as ratios measured in one run on one machine: `python -m restorekit.bench.speed`.

Each pair of things is timed in turns, A B A B ..., and the medians are compared, so that a machine that slows
down slows both.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ratio:
    """What was compared, the median seconds of each, and seconds / reference."""

    what: str
    reference: str
    seconds: float
    reference_seconds: float

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
    return Ratio(what, reference, *(statistics.median(kept[1:]) for kept in times))


def mixing_ratio(size: int = 512, rounds: int = 9) -> Ratio:
    """A whole restoration, five bases mixed anew for each picture, against the backbone's forward pass alone."""
    import torch

    from restorekit.restorer import Restorer

    restorer = Restorer.from_pretrained(device="cpu")
    image = torch.rand(1, 3, size, size)
    degraded = image.contiguous(memory_format=torch.channels_last)
    context, once = restorer.backbone.describe(image), torch.ones(1)
    turn = iter(range(1_000_000))

    def restore() -> None:
        # Weights that differ each time, so that the mixture cannot be one that is there already.
        weights = {name: 0.5 + 0.0001 * (next(turn) % 1000) for name in restorer.bases}
        restorer.restore(image, weights=weights, blind=False)

    @torch.inference_mode()
    def plain() -> None:
        restorer.backbone.predict(degraded, once, degraded, context)

    return compare(f"restore {size}x{size}, mixing included", "backbone alone", restore, plain, rounds)


def encoder_ratio(size: int = 512, rounds: int = 9) -> Ratio:
    """Blind restoration against restoration with given weights."""
    import torch

    from restorekit.restorer import Restorer

    restorer = Restorer.from_pretrained(device="cpu")
    image = torch.rand(1, 3, size, size)
    chosen = dict.fromkeys(restorer.bases, 0.5)
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


def main() -> None:
    rows = [mixing_ratio(), encoder_ratio(), command_ratio()]
    for row in rows:
        print(json.dumps({**asdict(row), "ratio": round(row.ratio, 3)}))


if __name__ == "__main__":
    main()
