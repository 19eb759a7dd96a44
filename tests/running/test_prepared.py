"""Laws of what a plugin does to a picture before the pass of its basis."""

from dataclasses import replace

import pytest
import torch
from torch import Generator

from restorekit.errors import MixingError, PluginError
from restorekit.model.basis import Basis
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.running.prepared import prepared
from restorekit.running.restorer import Restorer

PICTURE = torch.rand(1, 3, 60, 90, generator=Generator().manual_seed(0))
BRIGHTER = f"{__name__}:brighter"


def brighter(image, progress):
    progress(1, 2), progress(2, 2)
    return image + 0.1


def nothing(image, progress):
    return None


def smaller(image, progress):
    return image[..., 1:]


def hopeless(image, progress):
    raise ZeroDivisionError("no light")


def of_no_number(image, progress):
    return image * float("nan")


@pytest.fixture
def ready(restorer):
    """The tiny model whose plugin makes pictures brighter before the pass of the basis for rain."""
    catalog = build_catalog(load_plugins())
    place = next(place for place, basis in catalog.registered.items() if basis.name == "rain")
    rain = replace(catalog.registered[place], prepare=BRIGHTER)
    changed = replace(catalog, registered={**catalog.registered, place: rain})
    return Restorer.from_pretrained(device="cpu", precision="fp32", catalog=changed)


def given(one, image, **weights):
    return one.restore(image, weights=weights, blind=False).image


def test_the_basis_restores_what_was_prepared(ready, restorer):
    expected = given(restorer, (PICTURE + 0.1).clamp(0, 1), rain=1.0)
    assert torch.allclose(given(ready, PICTURE, rain=1.0), expected, atol=1e-6)


def test_it_is_prepared_as_far_as_the_weight_says_and_not_further(ready, restorer):
    for weight, share in ((0.3, 0.3), (1.5, 1.0)):
        expected = given(restorer, (PICTURE + 0.1 * share).clamp(0, 1), rain=weight)
        assert torch.allclose(given(ready, PICTURE, rain=weight), expected, atol=1e-5)


def test_beside_others_it_has_a_pass_of_its_own_and_is_prepared_from_what_they_leave(ready, restorer):
    left = given(restorer, PICTURE, noise=1.0)
    expected = given(restorer, (left + 0.1).clamp(0, 1), rain=0.5 * 2)
    assert torch.allclose(given(ready, PICTURE, noise=1.0, rain=1.0), expected, atol=1e-5)


@pytest.mark.parametrize("weights", [{}, {"noise": 1.0, "jpeg": 0.5}])
def test_without_the_basis_nothing_is_prepared(ready, restorer, weights):
    assert torch.equal(given(ready, PICTURE, **weights), given(restorer, PICTURE, **weights))


@pytest.mark.parametrize("bits", [8, 16])
def test_pictures_from_files_are_prepared_without_rounding_to_eight_bits(ready, bits):
    top, kind = 2**bits - 1, torch.uint8 if bits == 8 else torch.uint16
    whole = (PICTURE * top).round()
    exact = given(ready, whole / top, rain=1.0)
    found = given(ready, whole.to(kind), rain=1.0)
    assert found.dtype == kind and float((found.float() / top - exact).abs().max()) < 0.51 / 255


@pytest.mark.parametrize("kind", [torch.float32, torch.uint8])
def test_where_there_is_nothing_for_it_to_do_the_basis_is_left_out(ready, restorer, monkeypatch, kind):
    monkeypatch.setattr("restorekit.running.prepared.resolve_name", lambda place: nothing)
    picture = PICTURE if kind == torch.float32 else (PICTURE * 255).to(torch.uint8)
    assert torch.equal(given(ready, picture, rain=1.0), picture)
    both = given(ready, picture, rain=1.0, noise=1.0)
    assert both.dtype == kind
    assert float((both.float() - given(restorer, picture, noise=1.0).float()).abs().max()) <= (kind == torch.uint8)


def test_progress_is_that_of_one_work(ready):
    told = []
    weights = {"noise": 1.0, "rain": 1.0}
    ready.restore(PICTURE, weights=weights, blind=False, progress=lambda done, total: told.append(done / total))
    assert told == sorted(told) and told[-1] == 1 and len(told) >= 4


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hopeless", "ZeroDivisionError: no light"),
        ("smaller", "no picture of the same size"),
        ("of_no_number", "finite"),
        ("absent", "AttributeError"),
    ],
)
def test_what_goes_wrong_names_the_basis_and_the_way_round_it(name, said):
    with pytest.raises(PluginError, match=said) as caught:
        prepared("rain", f"{__name__}:{name}", PICTURE, 1.0, None, torch.float32)
    assert "basis 'rain'" in str(caught.value) and "RESTOREKIT_BLOCK_PLUGINS=rain" in str(caught.value)


def test_a_basis_with_a_preparation_is_apart_whatever_its_record_says(tiny):
    assert not Basis("rain", "rain", tiny / "rain").apart
    assert Basis("rain", "rain", tiny / "rain", prepare=BRIGHTER).apart


def test_one_exported_network_cannot_prepare(ready, tmp_path):
    exporting = pytest.importorskip("restorekit.running.exporting")
    pytest.importorskip("onnx")
    with pytest.raises(MixingError, match="prepared for rain by a plugin"):
        exporting.export_onnx(ready, {"rain": 1.0}, tmp_path / "rain.onnx")


def half_sure(image, clean):
    assert image.dtype == torch.float32 and clean(image[..., :32, :32]).shape == (1, 3, 32, 32)
    return 0.5


def too_sure(image, clean):
    return 1.5


@pytest.fixture
def seeing(restorer, request):
    """Make the tiny model with a plugin that looks for rain itself."""

    def with_sight(name, of="rain"):
        catalog = build_catalog(load_plugins())
        place = next(place for place, basis in catalog.registered.items() if basis.name == of)
        card = replace(catalog.registered[place], sees=f"{__name__}:{name}")
        changed = replace(catalog, registered={**catalog.registered, place: card})
        return Restorer.from_pretrained(device="cpu", precision="fp32", catalog=changed)

    return with_sight


@pytest.mark.parametrize("kind", [torch.float32, torch.uint8, torch.uint16])
def test_the_greater_weight_of_key_and_plugin_counts_and_the_user_has_the_last_word(seeing, restorer, kind):
    image = PICTURE if kind == torch.float32 else (PICTURE * 255).to(kind)
    seen, by_key = seeing("half_sure").inspect(image)[0], restorer.inspect(image)[0]
    assert seen.weights["rain"] == max(0.5, by_key.weights["rain"])
    others = [name for name in by_key.weights.values if name != "rain"]
    assert all(seen.weights[name] == by_key.weights[name] for name in others)
    assert seeing("half_sure").restore(image, weights={"rain": 0.1}).weights[0]["rain"] == 0.1


def test_blur_that_a_plugin_sees_is_undone_once(seeing, restorer):
    by_key, seen = restorer.inspect(PICTURE)[0].weights, seeing("half_sure", "blur").inspect(PICTURE)[0].weights
    assert by_key["lowres"] > 0 and seen["blur"] == max(0.5, by_key["blur"])
    assert seen["lowres"] == pytest.approx(by_key["lowres"] * 0.5) and seen["rain"] == by_key["rain"]


@pytest.mark.parametrize(("name", "said"), [("too_sure", "not in"), ("absent", "AttributeError")])
def test_a_look_that_goes_wrong_names_the_basis_and_the_way_round_it(seeing, name, said):
    with pytest.raises(PluginError, match=f"the look of basis 'rain'.*{said}"):
        seeing(name).inspect(PICTURE)
