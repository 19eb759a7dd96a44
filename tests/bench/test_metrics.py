"""Laws of scoring. pyiqa against scikit-image, and no download behind anyone's back."""

from __future__ import annotations

import socket

import pytest
import torch

from restorekit.bench.errors import BenchError
from restorekit.bench.items import Item, as_file
from restorekit.bench.metrics import Shelf, in_space, offline
from restorekit.bench.protocol import Metric, Protocol

PLAIN = Protocol("p", "P", "Set5", (Metric("psnr"),), rounded=False)


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    pytest.importorskip("pyiqa", reason="scoring needs restorekit[bench]")
    return Shelf()


def pair(size: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(1, 3, size, size + 3, generator=generator)
    return (clean + 0.1 * torch.randn(clean.shape, generator=generator)).clamp(0, 1), clean


def score(shelf: Shelf, metric: Metric, restored: torch.Tensor, clean: torch.Tensor, protocol: Protocol = PLAIN):
    return shelf.scorer(metric)(restored, Item("i", protocol, restored, clean))


@pytest.mark.parametrize("border", [0, 4])
@pytest.mark.parametrize("space", ["rgb", "y", "grey"])
def test_psnr_and_ssim_agree_with_scikit_image(shelf: Shelf, space: str, border: int):
    measure = pytest.importorskip("skimage.metrics", reason="needs restorekit[peers]")
    restored, clean = pair()
    metric = Metric("psnr", space, border)
    x, y = (in_space(v, metric)[0].permute(1, 2, 0).double().numpy() for v in (restored, clean))
    theirs = measure.peak_signal_noise_ratio(y, x, data_range=1.0)
    assert score(shelf, metric, restored, clean) == pytest.approx(theirs, abs=1e-3)
    theirs = measure.structural_similarity(
        y, x, data_range=1.0, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert score(shelf, Metric("ssim", space, border), restored, clean) == pytest.approx(theirs, abs=2e-3)


def test_y_is_what_pyiqa_calls_ycbcr(shelf: Shelf):
    pyiqa = pytest.importorskip("pyiqa")
    restored, clean = pair()
    model = pyiqa.create_metric("psnr", device=torch.device("cpu"), test_y_channel=True, color_space="ycbcr")
    theirs = float(model(restored, clean))
    assert score(shelf, Metric("psnr", "y"), restored, clean) == pytest.approx(theirs, abs=1e-3)


def test_published_scores_are_of_rounded_pictures(shelf: Shelf):
    restored, clean = pair()
    rounded = Protocol("p", "P", "Set5", (Metric("psnr"),))
    expected = score(shelf, Metric("psnr"), as_file(restored), clean)
    assert score(shelf, Metric("psnr"), restored, clean, rounded) == pytest.approx(expected, abs=1e-6)


def test_alignment_finds_a_shifted_picture(shelf: Shelf):
    _, clean = pair()
    shifted = clean.roll((1, -2), (2, 3))
    aligned = Protocol("p", "P", "Set5", (Metric("psnr"),), rounded=False, align=2)
    assert score(shelf, Metric("psnr"), shifted, clean, aligned) > 70
    assert score(shelf, Metric("psnr"), shifted, clean) < 20


def test_a_metric_without_weights_is_left_out_by_auto_and_an_error_by_name(shelf: Shelf, monkeypatch, tmp_path):
    import restorekit.bench.metrics as metrics

    real = metrics.make_model

    def without_weights(name: str):
        if name == "lpips":
            raise BenchError("metric lpips needs weights that are not here; `restorekit bench download lpips`")
        return real(name)

    monkeypatch.setattr(metrics, "make_model", without_weights)
    wanted = (Metric("psnr"), Metric("lpips"))
    scorers, skipped = Shelf().scorers(wanted)
    assert [s.metric.name for s in scorers] == ["psnr"]
    assert len(skipped) == 1 and "bench download lpips" in skipped[0]
    with pytest.raises(BenchError, match="bench download lpips"):
        Shelf().scorers(wanted, ("lpips",))


def test_an_unknown_metric_is_an_error(shelf: Shelf):
    with pytest.raises(BenchError, match="beauty"):
        shelf.scorer(Metric("beauty"))


def test_pictures_of_another_size_are_refused(shelf: Shelf):
    restored, clean = pair()
    with pytest.raises(BenchError, match="differ in shape"):
        score(shelf, Metric("psnr"), restored[..., 1:], clean)


def test_nothing_can_connect_while_metrics_load():
    before = socket.create_connection
    with offline(), pytest.raises(OSError, match="shut"):
        socket.create_connection(("127.0.0.1", 9))
    assert socket.create_connection is before
