"""Laws of the two looks: what the sensor and the file did is removed before the rest is read again."""

from dataclasses import replace

import pytest
import torch
from torch import Generator

from restorekit.basis import Basis, BasisKey, save_key
from restorekit.encoder import DegradationEncoder, EncoderConfig
from restorekit.reading import read_picture, read_query
from restorekit.restorer import Restorer

LATE = ("jpeg", "noise")


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return DegradationEncoder(EncoderConfig(32, 2, (8, 8, 8, 8), 8, (1, 0, 1), 0)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def keys(encoder):
    generator = Generator().manual_seed(1)
    size = encoder.dimension
    random = {n: torch.randn(size, generator=generator) for n in ("noise", "jpeg", "rain")}
    gauge = torch.zeros(size + 1)
    # Noise is always found, JPEG never.
    bias = {"noise": 1e3, "jpeg": -1e3, "rain": 0.0}
    return {n: BasisKey(0.1 * key, torch.tensor(bias[n]), gauge) for n, key in random.items()}


@pytest.fixture(scope="module")
def image():
    return torch.rand(1, 3, 50, 60, generator=Generator().manual_seed(2))


class Remover:
    """Counts how often it is asked, and for what; makes every crop grey."""

    def __init__(self):
        self.asked = []

    def __call__(self, crops, weights):
        self.asked.append(dict(weights))
        return torch.full_like(crops, 0.5)


def test_keys_that_read_the_first_look_alone_need_no_second(encoder, keys, image):
    remover = Remover()
    reading = read_picture(encoder, keys, LATE, image, remover)
    assert not remover.asked
    assert reading == read_query(encoder.query(image)[0], keys)


def test_what_is_removed_in_between_is_what_the_first_look_found_late(encoder, keys, image):
    remover = Remover()
    read_picture(encoder, keys | {"rain": replace(keys["rain"], second=1.0)}, LATE, image, remover)
    assert remover.asked == [{"noise": 1.0}]


def test_a_key_reads_as_much_of_the_second_look_as_it_says(encoder, keys, image):
    first = encoder.query(image)[0]
    view = encoder.view(image)
    second = encoder.query_of(replace(view, crops=torch.full_like(view.crops, 0.5)))[0]

    def rain(share):
        mixed = keys | {"rain": replace(keys["rain"], second=share)}
        reading = read_picture(encoder, mixed, LATE, image, Remover())
        assert reading.weights["noise"] == 1
        return reading.weights["rain"]

    assert rain(0.0) == pytest.approx(read_query(first, keys).weights["rain"])
    assert rain(1.0) == pytest.approx(read_query(second, keys).weights["rain"])
    assert min(rain(0.0), rain(1.0)) < rain(0.5) < max(rain(0.0), rain(1.0))


def test_where_nothing_happened_late_there_is_one_look(encoder, keys, image):
    remover = Remover()
    later = {n: keys[n] for n in ("jpeg", "rain")}
    read_picture(encoder, later | {"rain": replace(keys["rain"], second=1.0)}, LATE, image, remover)
    assert not remover.asked


def test_a_saved_key_keeps_its_share_of_the_second_look(keys, tmp_path):
    save_key(tmp_path, replace(keys["rain"], second=0.25))
    assert Basis("rain", "rain", tmp_path).key().second == 0.25
    save_key(tmp_path, keys["rain"])
    assert Basis("rain", "rain", tmp_path).key().second == 0


def test_a_restorer_removes_with_its_own_bases_and_pictures_of_any_size(tiny):
    restorer = Restorer.from_pretrained(device="cpu")
    assert restorer.late == {"noise", "jpeg"}
    crops = torch.rand(2, 3, 33, 41, generator=Generator().manual_seed(3))
    removed = restorer.remove(crops, {"noise": 1.0})
    assert removed.shape == crops.shape and not torch.equal(removed, crops)
    assert torch.allclose(restorer.remove(crops, {"noise": 0.0}), crops, atol=1e-6)
    whole = restorer.restore(crops[:1, :, :32, :40], weights={"noise": 1.0}, blind=False).image
    alone = restorer.remove(crops[:1, :, :32, :40], {"noise": 1.0}).clamp(0, 1)
    assert torch.allclose(alone, whole, atol=1e-2)  # in the machine's precision


def test_looking_twice_is_the_same_every_time_and_leaves_what_is_late_as_first_seen(tiny):
    restorer = Restorer.from_pretrained(device="cpu")
    picture = torch.rand(1, 3, 64, 64, generator=Generator().manual_seed(4))
    once = restorer.inspect(picture)[0].weights.values
    restorer.keys = {n: replace(key, second=float(n not in restorer.late)) for n, key in restorer.keys.items()}
    twice = restorer.inspect(picture)[0].weights.values
    assert twice == restorer.inspect(picture)[0].weights.values
    assert all(twice[n] == once[n] for n in restorer.late)
    assert any(twice[n] != once[n] for n in twice)
