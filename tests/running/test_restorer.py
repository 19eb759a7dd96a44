"""Laws of the restorer, with tiny weights."""

import pytest
import torch
from PIL import Image

import restorekit
from restorekit.errors import DeviceError, ImageError, MixingError, WeightsError
from restorekit.image import as_float, as_values
from restorekit.running.device import choose_precision
from restorekit.running.passing import Passing, enlarge
from restorekit.running.restorer import Restorer
from tests.tiny import LOOK

SIZES = [(1, 1), (1, 9), (7, 5), (31, 64), (64, 64), (65, 130)]


def picture(height, width, batch=1):
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(height * width))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("steps", [1, 3])
def test_zero_weights_return_the_input_bit_for_bit(restorer, size, steps):
    image = picture(*size)
    none = dict.fromkeys(restorer.bases, 0.0)
    assert torch.equal(restorer.restore(image, weights=none, steps=steps).image, image)


@pytest.mark.parametrize("size", SIZES)
def test_any_size_comes_back_at_its_size_within_the_range(restorer, size):
    result = restorer.restore(picture(*size))
    assert result.image.shape == (1, 3, *size)
    assert float(result.image.min()) >= 0 and float(result.image.max()) <= 1
    assert torch.isfinite(result.image).all()


def test_a_batch_equals_a_loop(restorer):
    images = picture(40, 48, batch=3)
    batch = restorer.restore(images)
    for i in range(3):
        alone = restorer.restore(images[i : i + 1])
        assert torch.equal(batch.image[i : i + 1], alone.image)
        assert batch.weights[i] == alone.weights[0]


def test_tiled_equals_untiled(restorer):
    image = picture(150, 190)
    chosen = dict.fromkeys(restorer.bases, 0.7)
    whole = restorer.restore(image, weights=chosen, tile=256).image
    tiled = restorer.restore(image, weights=chosen, tile=80).image
    assert float((whole - tiled).abs().max()) < 1e-5


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_a_picture_of_8_or_16_bits_is_restored_as_its_floating_copy_and_comes_back_in_its_bits(restorer, dtype):
    image = as_values(torch.rand(1, 3, 150, 201, generator=torch.Generator().manual_seed(4)), dtype)
    whole = restorer.restore(as_float(image), weights={"noise": 0.7})
    own = restorer.restore(image, weights={"noise": 0.7}, tile=1)
    assert own.weights == whole.weights and own.image.dtype == dtype
    difference = as_float(own.image) - whole.image
    assert float(difference.abs().max()) < 0.51 / (2 ** (8 * dtype.itemsize) - 1) + 1e-4
    assert restorer.restore(image, dtype=torch.float32).image.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_floating_batches_are_restored_as_float32(restorer, dtype):
    image = picture(40, 70).to(dtype)
    result = restorer.restore(image).image
    assert result.dtype == torch.float32 and torch.equal(result, restorer.restore(image.float()).image)


def test_only_parts_of_a_large_picture_are_ever_floating(restorer, monkeypatch):
    sizes = []

    def spy(values):
        sizes.append(values.numel())
        return as_float(values)

    for room in ("running.passing", "running.tiling", "model.looking", "model.context"):
        monkeypatch.setattr(f"restorekit.{room}.as_float", spy)
    image = torch.zeros(1, 3, 400, 3000, dtype=torch.uint8)
    restorer.restore(image, tile=1)
    assert 0 < max(sizes) < image.numel() / 2


def test_out_of_memory_halves_the_tile_and_says_so(restorer, monkeypatch):
    image = picture(150, 190)
    whole = restorer.restore(image).image
    run = Passing.run

    def short_of_memory(self, predictor, one, dtype, how):
        if how.side > 300:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run(self, predictor, one, dtype, how)

    monkeypatch.setattr(Passing, "run", short_of_memory)
    result = restorer.restore(image, tile=1024)
    assert [note.split()[-2] for note in result.notes] == ["512", "256"]
    assert float((result.image - whole).abs().max()) < 1 / 255


def test_bf16_is_within_55_db_of_full_precision(tiny):
    full, half = (Restorer.from_pretrained(device="cpu", precision=p) for p in ("fp32", "bf16"))
    image, weights = picture(96, 96), {"noise": 0.3}
    a, b = (r.restore(image, weights=weights, blind=False).image for r in (full, half))
    assert float((a - b).square().mean()) < 10**-5.5


def test_restoring_twice_gives_the_same_bits(restorer):
    image = picture(33, 40)
    assert torch.equal(restorer.restore(image).image, restorer.restore(image).image)


def test_the_users_weights_take_the_place_of_the_encoders(restorer):
    image = picture(32, 32)
    seen = restorer.inspect(image)[0].weights
    chosen = restorer.restore(image, weights={"noise": 0.123}).weights[0]
    assert chosen["noise"] == 0.123
    assert chosen["blur"] == seen["blur"]


def test_without_the_encoder_unnamed_bases_stay_at_zero(restorer):
    result = restorer.restore(picture(32, 32), weights={"noise": 1.0}, blind=False)
    assert result.weights[0].active == {"noise": 1.0}


def test_an_inspection_names_every_basis_with_a_weight_and_a_severity_on_its_scale(restorer):
    seen = restorer.inspect(picture(64, 64))[0]
    assert sorted(seen.weights.values) == list(restorer.bases)
    assert sorted(seen.severities) == [b for b in restorer.bases if b != LOOK]
    assert seen.weights[LOOK] == 0  # without a key it is at the user's command only
    assert all(0 <= w <= 1 for w in seen.weights.values.values())
    assert 1 <= seen.severities["lowres"] <= 5


def test_enlarging_then_restoring_gives_the_scaled_size(restorer):
    assert restorer.restore(picture(9, 13), scale=3).image.shape == (1, 3, 27, 39)
    assert torch.equal(enlarge(picture(9, 13), 1), picture(9, 13))


def test_what_is_no_image_batch_is_refused_with_what_came(restorer):
    with pytest.raises(ImageError, match=r"\(3, 8, 8\)"):
        restorer.restore(torch.rand(3, 8, 8))
    with pytest.raises(ImageError):
        restorer.restore(torch.zeros(1, 3, 8, 8, dtype=torch.int32))


def test_an_unknown_basis_and_a_missing_device_are_refused(restorer, tiny):
    with pytest.raises(MixingError, match="fog"):
        restorer.restore(picture(8, 8), weights={"fog": 1.0})
    with pytest.raises(DeviceError, match="auto"):
        Restorer.from_pretrained(device="abacus")
    with pytest.raises(DeviceError, match="fp32"):
        choose_precision("fp8", torch.device("cpu"))


def test_a_changed_byte_in_the_weights_is_refused(tiny, tmp_path, monkeypatch):
    import shutil

    copy = tmp_path / "weights"
    shutil.copytree(tiny, copy)
    file = copy / "backbone" / "diffusion_pytorch_model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(copy))
    with pytest.raises(WeightsError, match="sha256"):
        Restorer.from_pretrained(device="cpu")


def test_a_basis_for_other_backbone_weights_is_left_out_and_named(tiny, tmp_path, monkeypatch):
    import json
    import shutil

    from restorekit.model.weights import write_sums

    copy = tmp_path / "weights"
    shutil.copytree(tiny, copy)
    path = copy / "rain" / "basis.json"
    path.write_text(json.dumps({"backbone_sha256": "0" * 64, "degradation": "rain"}))
    write_sums(path.parent)
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(copy))
    restorer = Restorer.from_pretrained(device="cpu")
    assert restorer.bases == ("blur", LOOK, "jpeg", "lowres", "noise")
    assert any("rain" in str(failure) and "000000" in str(failure) for failure in restorer.failures)


def test_a_pil_picture_goes_in_and_comes_out(restorer):
    picture = Image.new("RGB", (20, 10), (120, 130, 140))
    restored = restorekit.restore_pil(picture, restorer=restorer, scale=2)
    assert restored.size == (40, 20)
    assert restored.mode == "RGB"
