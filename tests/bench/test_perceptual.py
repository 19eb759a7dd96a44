"""Laws of the perceptual distances: 0 for equal pictures, more for more damage, no need of what goes unused."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
import torch

from restorekit.bench.errors import BenchError
from restorekit.bench.items import Item
from restorekit.bench.metrics import Shelf, download_metric
from restorekit.bench.odd import GAUSSIAN_REACH, noise
from restorekit.bench.perceptual import PERCEPTUAL, coloured, placeholders
from restorekit.bench.protocol import Metric, Protocol
from restorekit.bench.scoring import RunOptions
from restorekit.image import read_image
from tests.bench.test_control import SAMPLE

MODULES = {"st-lpips": "stlpips_pytorch", "flip": "flip_evaluator"}


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    return read_image(SAMPLE).rgb[..., 100:164, 100:180]


@pytest.fixture(params=sorted(PERCEPTUAL))
def scorer(request):
    pytest.importorskip(MODULES[request.param], reason="needs restorekit[perceptual]")
    scorer = Shelf().scorer(Metric(request.param))
    assert scorer.lower_better
    return scorer.score


def blurred(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """A Gaussian blur of sigma px."""
    reach = int(GAUSSIAN_REACH * sigma + 1)
    line = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel = torch.outer(line, line) / line.sum() ** 2
    padded = torch.nn.functional.pad(image, (reach,) * 4, mode="reflect")
    return torch.nn.functional.conv2d(padded, kernel.expand(3, 1, -1, -1), groups=3)


def test_equal_pictures_are_at_0(scorer, photo):
    assert scorer(photo, photo) == 0


def test_the_distance_grows_with_noise(scorer, photo):
    distances = [scorer((photo + noise(photo.shape, sigma, 0)).clamp(0, 1), photo) for sigma in (5, 15, 50)]
    assert distances[0] > 0 and 1.5 * distances[0] < distances[1] and 1.5 * distances[1] < distances[2]


def test_the_distance_grows_with_blur(scorer, photo):
    distances = [scorer(blurred(photo, sigma), photo) for sigma in (0.5, 1, 2)]
    assert distances[0] > 0 and 1.2 * distances[0] < distances[1] and 1.2 * distances[1] < distances[2]


def test_a_grey_picture_is_one_of_three_equal_channels(scorer, photo):
    grey = photo.mean(1, keepdim=True)
    assert scorer(1 - grey, grey) == scorer(coloured(1 - grey), coloured(grey)) > 0


def test_the_weights_are_those_that_were_learnt_and_not_drawn_anew(photo):
    pytest.importorskip("stlpips_pytorch", reason="needs restorekit[perceptual]")
    first, second = (PERCEPTUAL["st-lpips"]() for _ in range(2))
    assert first(1 - photo, photo) == second(1 - photo, photo)
    judged = [layer.model[-1].weight for layer in first.network.lins]
    assert all(
        float(weight.detach().min()) >= 0 for weight in judged
    )  # which training holds them to, and no draw does


def test_a_picture_too_small_for_the_layers_is_refused():
    pytest.importorskip("stlpips_pytorch", reason="needs restorekit[perceptual]")
    small = torch.rand(1, 3, 16, 40)
    with pytest.raises(BenchError, match="32 px on each side, got 16x40"):
        Shelf().scorer(Metric("st-lpips")).score(small, small)


@pytest.mark.parametrize("name", sorted(PERCEPTUAL))
def test_without_the_extra_the_error_names_it(name, monkeypatch):
    monkeypatch.setitem(sys.modules, MODULES[name], None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, f"{MODULES[name]}.stlpips", raising=False)
    for ask in (lambda: Shelf().scorers((Metric("psnr"),), (name,)), lambda: download_metric(name)):
        with pytest.raises(BenchError, match=r"pip install 'restorekit\[perceptual\]'") as told:
            ask()
        assert name in str(told.value)


def test_a_missing_extra_is_told_before_anything_is_run(monkeypatch, tmp_path):
    from restorekit.bench.run import run

    monkeypatch.setitem(sys.modules, "flip_evaluator", None)
    with pytest.raises(BenchError, match="flip-evaluator"):
        run([], None, RunOptions(tmp_path, (), ("flip",)), None)


def test_packages_that_are_not_installed_and_not_used_are_not_asked_for():
    """In a fresh process: placeholders last as long as the import, and cover nothing that is installed."""
    pytest.importorskip("stlpips_pytorch", reason="needs restorekit[perceptual]")
    script = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ('IPython', 'torchsummary', 'torchvision'):
            raise ModuleNotFoundError(name, name=name)
import importlib.util
found, absent = importlib.util.find_spec, ('IPython', 'torchsummary', 'torchvision')
importlib.util.find_spec = lambda n, p=None: None if n in absent else found(n, p)
sys.meta_path.insert(0, Absent())
from restorekit.bench.perceptual import StLpips
StLpips()
assert not {'IPython', 'torchsummary', 'torchvision'} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_placeholder_covers_nothing_that_is_installed():
    with placeholders(("json", "json.loads", "no_such_package", "no_such_package.thing")):
        assert importlib.import_module("json").loads("1") == 1
        assert importlib.import_module("no_such_package").thing is None
    assert "no_such_package" not in sys.modules and "json" in sys.modules


def test_auto_and_a_name_are_the_protocols_metrics_and_that_one(monkeypatch):
    import restorekit.bench.metrics as metrics

    class Model:
        metric_mode, lower_better = "FR", False

        def __call__(self, restored, clean):
            return 1.0

    monkeypatch.setattr(metrics, "make_model", lambda name: Model())
    shelf, named = Shelf(), (Metric("psnr", "y", 4), Metric("ssim", "y", 4))
    keys = [s.metric.key for s in shelf.scorers(named, ("auto", "flip"))[0]]
    assert keys == ["psnr-y-b4", "ssim-y-b4", "flip-rgb-b4"]
    assert [s.metric.key for s in shelf.scorers(named, ("flip", "ssim"))[0]] == ["ssim-y-b4", "flip-rgb-b4"]
    protocol = Protocol("p", "P", "Set5", named)
    item = Item("i", protocol, torch.zeros(1, 3, 40, 40), torch.zeros(1, 3, 40, 40))
    assert shelf.scorer(named[0])(item.degraded, item) == 1
