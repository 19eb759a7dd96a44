"""Scores. The one door to pyiqa, which is imported when its first metric is made; `perceptual` has two of others.

Colour space, border and range are settled here, before pyiqa sees the pictures, so that every metric means by
"Y" or "border 4" the same: Y is MATLAB's rgb2ycbcr (studio range, not rounded), grey is BT.601 luma in full
range. A grey file counts as one with three equal channels, as in the evaluation codes of RCAN and BasicSR.
Nothing is downloaded: while a metric is made, connections are shut, and one whose weights are not on this machine
says so.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

import torch
from torch import Tensor

from restorekit.bench.errors import BenchError
from restorekit.bench.items import Item, as_file, luma
from restorekit.bench.perceptual import PERCEPTUAL
from restorekit.bench.protocol import Metric

__all__ = ["Scorer", "Shelf", "download_metric", "import_pyiqa", "in_space", "offline"]

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
INSTALL = "pip install 'restorekit[bench]'"


@dataclass(frozen=True)
class Scorer:
    """A metric that is ready. compute: (restored, clean or None), (1, C, H, W) each, to a number."""

    metric: Metric
    lower_better: bool
    compute: Callable[[Tensor, Tensor | None], float]

    def __call__(self, restored: Tensor, item: Item) -> float:
        """restored: (1, 3, H, W)."""
        clean = item.clean
        restored = as_file(restored) if item.protocol.rounded else restored
        if clean is None or not item.protocol.align:
            return self.score(restored, clean)
        reach = item.protocol.align
        inner = clean[..., reach:-reach, reach:-reach]
        height, width = inner.shape[-2:]
        shifts = [(y, x) for y in range(2 * reach + 1) for x in range(2 * reach + 1)]
        views = [restored[..., y : y + height, x : x + width] for y, x in shifts]
        return self.score(min(views, key=lambda v: float((v - inner).square().mean())), inner)

    def score(self, restored: Tensor, clean: Tensor | None) -> float:
        if clean is not None and restored.shape != clean.shape:
            raise BenchError(f"restored {tuple(restored.shape)} and clean {tuple(clean.shape)} differ in shape")
        reference = None if clean is None else in_space(clean, self.metric)
        return self.compute(in_space(restored, self.metric), reference)


def in_space(image: Tensor, metric: Metric) -> Tensor:
    """Border cut off, colours to the metric's space: (1, 3, H, W) to (1, 3 or 1, H, W)."""
    b = metric.border
    if b:
        image = image[..., b:-b, b:-b]
    if metric.space == "rgb":
        return image
    if metric.space == "y":
        return luma(image)
    return (image * torch.tensor(GREY).view(1, 3, 1, 1)).sum(1, keepdim=True)


class Shelf:
    """Metrics' networks, each made once and used in every space and border."""

    def __init__(self) -> None:
        self.models: dict[str, Any] = {}

    def scorer(self, metric: Metric) -> Scorer:
        """Raises BenchError, with the remedy, for a metric that is unknown or whose weights are not here."""
        if metric.name not in self.models:
            self.models[metric.name] = make_model(metric.name)
        model = self.models[metric.name]

        def compute(restored: Tensor, clean: Tensor | None) -> float:
            with torch.no_grad():
                if model.metric_mode == "NR":
                    return float(model(restored.expand(-1, 3, -1, -1)))
                if clean is None:
                    raise BenchError(f"metric {metric.name} needs a clean picture")
                return float(model(restored, clean))

        return Scorer(metric, bool(model.lower_better), compute)

    def scorers(
        self, metrics: Sequence[Metric], chosen: Sequence[str] = ("auto",)
    ) -> tuple[tuple[Scorer, ...], tuple[str, ...]]:
        """The scorers that can be made, and a line for each that cannot.

        chosen: "auto" for what the protocol names and is at hand, and names (pyiqa's, st-lpips, flip), which must
        be at hand; one that the protocol does not name is computed on RGB.
        """
        scorers, skipped = [], []
        for metric in metrics:
            try:
                if "auto" in chosen or metric.name in chosen:
                    scorers.append(self.scorer(metric))
            except BenchError as error:
                if metric.name in chosen:
                    raise
                skipped.append(str(error))
        others = [n for n in dict.fromkeys(chosen) if n not in {"auto", *(m.name for m in metrics)}]
        scorers += [self.scorer(Metric(name, "rgb", metrics[0].border)) for name in others]
        return tuple(scorers), tuple(skipped)


def make_model(name: str) -> Any:
    """A metric, made without a connection."""
    if name in PERCEPTUAL:
        return PERCEPTUAL[name]()
    pyiqa: Any = import_pyiqa()
    if name not in pyiqa.list_models():
        raise BenchError(f"pyiqa has no metric {name!r}")
    options = {"test_y_channel": False} if name in ("psnr", "ssim", "ms_ssim") else {}
    # pyiqa announces a download before it finds that there can be none.
    with offline(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        try:
            return pyiqa.create_metric(name, device=torch.device("cpu"), **options)
        except Exception:  # each metric fails to download in a way of its own
            raise BenchError(
                f"metric {name} needs weights that are not here; get them with `restorekit bench download {name}`"
            ) from None


def import_pyiqa() -> Any:
    try:
        import pyiqa
    except ImportError as error:
        raise BenchError(f"scoring needs pyiqa, which is not installed ({error}): {INSTALL}") from None
    return pyiqa


def download_metric(name: str) -> None:
    """Let pyiqa fetch a metric's weights; those of the others came with their packages."""
    if name in PERCEPTUAL:
        make_model(name)
        return
    pyiqa: Any = import_pyiqa()
    if name not in pyiqa.list_models():
        raise BenchError(f"no dataset and no metric is called {name!r}; `restorekit bench list` shows them")
    try:
        pyiqa.create_metric(name, device=torch.device("cpu"))
    except Exception as error:  # as above
        raise BenchError(f"metric {name}: its weights could not be fetched ({error})") from None


@contextmanager
def offline() -> Iterator[None]:
    """Within, nothing in this process can open a connection."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError("connections are shut while metrics load")

    saved = socket.getaddrinfo, socket.create_connection
    socket.getaddrinfo, socket.create_connection = refuse, refuse
    try:
        yield
    finally:
        socket.getaddrinfo, socket.create_connection = saved
