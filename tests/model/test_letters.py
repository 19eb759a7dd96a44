"""Laws of pages of text: no rain is found on them, and all that is found on other pictures stays."""

import shutil
from dataclasses import replace

import pytest
import torch
from torch import Generator

from restorekit.bench.lettering import pages
from restorekit.composition import Compose, Step
from restorekit.model.encoder import DegradationEncoder
from restorekit.model.familiar import LETTERS, save_readout
from restorekit.model.key import BasisKey
from restorekit.model.weights import recorded_sums, shipped_weights
from restorekit.running.restorer import Restorer
from restorekit.weighing.halves import Halves
from tests.scene import scene


@pytest.fixture(scope="module")
def shipped() -> Restorer:
    return Restorer.from_pretrained(device="cpu", precision="fp32")


def degraded(restorer, image, **severities):
    generator = Generator().manual_seed(0)
    chosen = [restorer.catalog.degradation(name) for name in severities]
    drawn = (d.draw(image.shape, generator, severity=severities[d.name]) for d in chosen)
    steps = tuple(Step(d, realisation) for d, realisation in zip(chosen, drawn, strict=True))
    return (Compose(steps).apply(image).clamp(0, 1) * 255).round() / 255


@pytest.mark.parametrize("bias", [-1.0, 1.0])
def test_a_page_loses_the_weights_of_what_is_sparse_and_no_other(restorer, tiny, tmp_path, monkeypatch, bias):
    picture = torch.rand(1, 3, 64, 64, generator=Generator().manual_seed(0))
    monkeypatch.setattr(Halves, "level_kept", lambda halves, name: 0.9)
    monkeypatch.setitem(restorer.keys, "rain", replace(restorer.keys["rain"], bias=torch.tensor(50.0)))
    before = restorer.inspect(picture)[0].weights.values
    assert restorer.origins.sparse == {"rain"} and before["rain"] == 0.9
    copy = shutil.copytree(tiny, tmp_path / "weights")
    encoder = DegradationEncoder.from_folder(copy / "encoder")
    length = encoder.dimension + encoder.look.in_features
    key = BasisKey(torch.zeros(length), torch.tensor(bias), torch.zeros(length + 1))
    save_readout(copy / "encoder", LETTERS, key, {})
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(copy))
    other = Restorer.from_pretrained(device="cpu", precision="fp32")
    other.keys["rain"] = restorer.keys["rain"]
    after = other.inspect(picture)[0].weights.values
    assert after == {**before, "rain": 0.0 if bias > 0 else before["rain"]}


@pytest.mark.parametrize(
    "page", [page for page in pages((10, 12, 16)) if page.ground == "white"], ids=lambda p: p.size
)
def test_no_rain_is_found_on_blurred_pages(shipped, page):
    assert LETTERS + ".safetensors" in recorded_sums(shipped_weights("encoder"))
    for sigma in (1.0, 1.5, 2.0):
        assert shipped.inspect(degraded(shipped, page.image, blur=sigma))[0].weights.values["rain"] == 0


@pytest.mark.parametrize("rain", [12.0, 25.0])
def test_rain_is_found_on_a_scene_as_before(shipped, rain):
    assert shipped.inspect(degraded(shipped, scene(256, 384), rain=rain))[0].weights.values["rain"] > 0.5
