"""Measures of the whole command, in processes of their own: a small picture from a cold start, and large ones."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from restorekit.bench.errors import BenchError
from restorekit.bench.timing import Ratio, in_turns

__all__ = ["command_ratio", "size_ratio"]


def command_ratio(size: int = 512, rounds: int = 5) -> Ratio:
    """The whole command on a PNG, from a cold interpreter, against `import torch`."""
    import torch

    from restorekit.image import write_image

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        write_image(path, torch.rand(1, 3, size, size))
        command = [sys.executable, "-m", "restorekit", "restore", str(path), "--overwrite"]
        return in_turns(
            f"restorekit restore, a {size}x{size} PNG",
            'python -c "import torch"',
            lambda: subprocess.run(command, check=True, capture_output=True),
            lambda: subprocess.run([sys.executable, "-c", "import torch"], check=True),
            rounds,
        )


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
        small, _ = time_files(sorted(folder.glob("small*.jpg")))
        (large,), peak = time_files([folder / "large.jpg"])
    return Ratio(
        f"one JPEG of {megapixels} megapixels",
        f"{megapixels} times one of 1",
        large,
        megapixels * statistics.median(small),
        f"peak memory {peak / 1e9:.2f} GB",
    )


def time_files(paths: Sequence[Path]) -> tuple[list[float], int]:
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
