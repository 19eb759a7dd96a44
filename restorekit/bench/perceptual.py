"""Perceptual distances whose weights lie in their packages. The one door to stlpips-pytorch and flip-evaluator.

Both compare a restored picture with the clean one: 0 for equal pictures, larger for those that look less alike.
Each offers what the benchmark asks of a metric of pyiqa: `metric_mode`, `lower_better`, and a call.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from restorekit.bench.errors import BenchError

__all__ = ["INSTALL", "PERCEPTUAL", "Flip", "StLpips", "placeholders"]

INSTALL = "pip install 'restorekit[perceptual]'"
# The package imports these for training alone: a debugger, a printer of layers, other networks' first weights.
UNUSED = ("IPython", "IPython.embed", "torchsummary", "torchsummary.summary", "torchvision", "torchvision.models")


class StLpips:
    """Shift-tolerant LPIPS, by AlexNet: d(x, y) = sum_l mean_hw w_l · (f_l(x) - f_l(y))².

    f_l are features of layer l, each of length 1; w_l weights that were learnt from people's judgements. Values
    are smaller than those of LPIPS, and not to be compared with them.

    Shift-tolerant Perceptual Similarity Metric, Ghildyal & Liu, 2022, https://arxiv.org/abs/2207.13686; The
    Unreasonable Effectiveness of Deep Features as a Perceptual Metric, Zhang et al., 2018,
    https://arxiv.org/abs/1801.03924
    """

    metric_mode = "FR"
    lower_better = True
    smallest = 32  # px; its layers halve the picture four times, mirrored at the borders

    def __init__(self) -> None:
        try:
            with placeholders(UNUSED):
                package: Any = import_module("stlpips_pytorch.stlpips")
        except ImportError as error:
            raise BenchError(f"metric st-lpips needs stlpips-pytorch ({error}): {INSTALL}") from None
        self.network = package.LPIPS(net="alex", variant="shift_tolerant", verbose=False).eval()

    def __call__(self, restored: Tensor, clean: Tensor) -> float:
        """Distance of two pictures.

        restored, clean: shape (1, 3 or 1, H, W), in [0, 1], at least 32 px on each side.
        """
        if min(restored.shape[2:]) < self.smallest:
            size = "x".join(str(n) for n in restored.shape[2:])
            raise BenchError(f"metric st-lpips needs {self.smallest} px on each side, got {size}")
        with torch.no_grad():
            return float(self.network(coloured(restored), coloured(clean), normalize=True))


class Flip:
    """FLIP (LDR): mean over the pixels of what an eye sees in alternating the two pictures, from 0 to 1.

    Colours are filtered as at 67 px per degree of sight, a 0.7 m wide 4K screen at 0.7 m, the package's default.

    FLIP: A Difference Evaluator for Alternating Images, Andersson et al., 2020, https://doi.org/10.1145/3406183
    """

    metric_mode = "FR"
    lower_better = True

    def __init__(self) -> None:
        try:
            package: Any = import_module("flip_evaluator")
        except ImportError as error:
            raise BenchError(f"metric flip needs flip-evaluator ({error}): {INSTALL}") from None
        self.evaluate = package.evaluate

    def __call__(self, restored: Tensor, clean: Tensor) -> float:
        """Distance of two pictures. restored, clean: shape (1, 3 or 1, H, W), sRGB in [0, 1]."""
        shown = (coloured(image).clamp(0, 1)[0].permute(1, 2, 0) for image in (clean, restored))
        return float(self.evaluate(*(image.contiguous().numpy() for image in shown), "LDR", applyMagma=False)[1])


PERCEPTUAL = {"st-lpips": StLpips, "flip": Flip}


def coloured(image: Tensor) -> Tensor:
    """Three channels in float32 of one or three."""
    return image.float().expand(-1, 3, -1, -1)


@contextmanager
def placeholders(names: Sequence[str]) -> Iterator[None]:
    """Let a package import what it names and does not use. Within, those that are not installed are empty modules.

    names: "package" or "package.attribute", the package first.
    """
    missing = {name for name in names if "." not in name and name not in sys.modules and find_spec(name) is None}
    for name in missing:
        sys.modules[name] = ModuleType(name)
    try:
        for name in names:
            package, _, attribute = name.partition(".")
            if package in missing and attribute:
                setattr(sys.modules[package], attribute, None)
        yield
    finally:
        for name in missing:
            del sys.modules[name]
