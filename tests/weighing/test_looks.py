"""Laws of the two looks: what the sensor and the file did is removed before the rest is read again."""

from dataclasses import replace

import pytest
import torch
from torch import Generator

from restorekit.model.basis import Basis, save_key
from restorekit.model.encoder import DegradationEncoder, EncoderConfig, View
from restorekit.model.key import BasisKey
from restorekit.running.restorer import Restorer
from restorekit.weighing import looks
from restorekit.weighing.halves import Halves, every_other
from restorekit.weighing.looks import read_picture, read_query
from restorekit.weighing.origins import Origins

LATE = Origins(late=("jpeg", "noise"))


@pytest.fixture(scope="module")
def keys(encoder):
    generator = Generator().manual_seed(1)
    size = encoder.dimension
    random = {n: torch.randn(size, generator=generator) for n in ("noise", "jpeg", "rain")}
    gauge = torch.zeros(size + 1)
    # Noise is always found, JPEG never.
    bias = {"noise": 1e3, "jpeg": -1e3, "rain": 0.0}
    return {n: BasisKey(0.1 * key, torch.tensor(bias[n]), gauge) for n, key in random.items()}


def flattened(crops):
    return 0.25 + 0.5 * crops


class Remover:
    """Counts how often it is asked, for what, and for how many crops; halves the contrast of each."""

    def __init__(self):
        self.asked, self.crops = [], []

    def __call__(self, crops, weights):
        self.asked.append(dict(weights))
        self.crops.append(len(crops))
        return flattened(crops)


def test_keys_that_read_the_first_look_alone_need_no_second(encoder, keys, image):
    remover = Remover()
    reading = read_picture(encoder, keys, LATE, image, remover)
    assert not remover.asked
    assert reading == read_query(encoder.query(image)[0], keys)


def test_what_is_removed_in_between_is_what_the_first_look_found_late(encoder, keys, image):
    remover = Remover()
    read_picture(encoder, keys | {"rain": replace(keys["rain"], second=1.0)}, LATE, image, remover)
    assert remover.asked and all(weights == {"noise": 1.0} for weights in remover.asked)


@pytest.mark.parametrize(
    ("bias", "looked_at"),
    [(-40.0, []), (40.0, [1]), (0.0, [1, 1])],
    ids=["surely nothing: not again", "half of the crops agree: no more", "unsure: all crops"],
)
def test_the_second_look_is_as_large_as_it_has_to_be(encoder, keys, image, bias, looked_at):
    remover = Remover()
    rain = replace(keys["rain"], second=1.0, bias=torch.tensor(bias))
    assert len(encoder.view(image).crops) == 2
    weights = read_picture(encoder, keys | {"rain": rain}, LATE, image, remover).weights
    assert remover.crops == looked_at
    assert 0 < weights["rain"] < 1 if bias == 0 else weights["rain"] == float(bias > 0)


@pytest.mark.parametrize(("logit", "looked_at"), [(5.1, [1]), (4.9, [1, 1]), (-4.9, [1, 1]), (-5.1, [1])])
def test_half_of_the_crops_are_enough_where_they_leave_no_doubt_of_a_weight(
    encoder, keys, image, monkeypatch, logit, looked_at
):
    monkeypatch.setattr(looks, "UNLIKELY", -10.0)  # so that there is a second look
    half = every_other(encoder.view(image), 0)
    seen = encoder.query_of(replace(half, crops=flattened(half.crops)))[0]
    bias = torch.tensor(logit - float(keys["rain"].logit(seen)))
    remover = Remover()
    read_picture(encoder, keys | {"rain": replace(keys["rain"], second=1.0, bias=bias)}, LATE, image, remover)
    assert remover.crops == looked_at


@pytest.mark.parametrize(
    ("logit", "most", "at_once"),
    [(-2.5, 3000, True), (-2.3, 3000, False), (-2.5, 2999, False)],
    ids=["nothing else is found", "something is", "a large picture"],
)
def test_a_small_picture_is_restored_at_once_where_nothing_else_is_found(
    encoder, keys, image, monkeypatch, logit, most, at_once
):
    """Its 50x60 px count against `most`."""
    monkeypatch.setattr(looks, "SMALL", most)
    by_crops, by_whole = Remover(), Remover()
    bias = torch.tensor(logit - float(keys["rain"].logit(encoder.query(image)[0])))
    own = keys | {"rain": replace(keys["rain"], second=1.0, bias=bias)}
    assert logit > looks.UNLIKELY
    seen = read_picture(encoder, own, LATE, image, by_crops, whole=by_whole)
    assert seen == read_picture(encoder, own, LATE, image, Remover())  # which does the same to crops and to all
    assert (by_crops.asked, by_whole.asked) == (([], [{"noise": 1.0}]) if at_once else (by_crops.asked, []))
    assert bool(by_crops.asked) != at_once
    if at_once:
        assert seen.advance.weights == {"noise": 1.0} and torch.equal(seen.advance.image, flattened(image))
    else:
        assert seen.advance is None


def test_a_key_reads_as_much_of_the_second_look_as_it_says(encoder, keys, image):
    first = encoder.query(image)[0]
    view = encoder.view(image)
    second = encoder.query_of(replace(view, crops=flattened(view.crops)))[0]

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
    assert restorer.origins == Origins({"noise", "jpeg"}, {"blur", "lowres"}, {"rain"}, {"lowres"})
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
    late = restorer.origins.late
    restorer.keys = {n: replace(key, second=float(n not in late)) for n, key in restorer.keys.items()}
    twice = restorer.inspect(picture)[0].weights.values
    assert twice == restorer.inspect(picture)[0].weights.values
    assert all(twice[n] == once[n] for n in late)
    assert any(twice[n] != once[n] for n in twice)


def found(keys, *names):
    """Keys that always find the named bases, and no other."""
    return {n: replace(key, bias=torch.tensor(1e3 if n in names else -1e3)) for n, key in keys.items()}


def test_what_is_sparse_may_not_darken_what_lies_between_the_streaks(encoder, keys, image):
    origins = Origins(sparse=("rain",))

    def rain(change):
        def remove(crops, weights):
            return crops + weights.get("rain", 0.0) * change(crops) / 255

        return read_picture(encoder, found(keys, "rain"), origins, image, remove).weights["rain"]

    def streaks(depth):
        return lambda crops: -depth * (torch.arange(crops.shape[3]) % 16 == 0).expand_as(crops)

    assert rain(streaks(15.0)) == 1
    assert rain(lambda crops: torch.full_like(crops, -4.0)) == pytest.approx(1.2 / 4, rel=1e-3)
    assert rain(lambda crops: streaks(60.0)(crops) - 4.0) == 1  # there is rain, and its veil goes with it
    middling = rain(lambda crops: streaks(22.0)(crops) - 4.0)
    assert 1.2 / 4 < middling < 1


@pytest.mark.parametrize("second", [0.0, 1.0])
def test_a_sparse_basis_does_not_answer_for_what_the_late_ones_change(encoder, keys, image, second):
    origins = replace(LATE, sparse=("rain",))
    keys = found(keys, "noise", "rain")
    keys["rain"] = replace(keys["rain"], second=second)

    def remove(crops, weights):
        return crops - weights.get("noise", 0.0) * 8 / 255

    assert read_picture(encoder, keys, origins, image, remove).weights["rain"] == 1


def test_grain_that_may_be_coarse_noise_is_not_sharpened_unless_something_late_explains_it(encoder, keys):
    keys = {"noise": keys["noise"], "blur": keys["rain"]}
    origins = Origins(late=("noise",), optical=("blur",))
    white = torch.randn(1, 3, 80, 80, generator=Generator().manual_seed(6))
    wide = torch.nn.functional.avg_pool2d(white, 3, 1)
    coarse, fine = 0.5 + 0.05 * wide / wide.std(), 0.5 + 0.05 * white

    def blur(picture, *names):
        return read_picture(encoder, found(keys, *names), origins, picture, Remover()).weights["blur"]

    assert blur(fine, "blur") == 1
    assert blur(coarse, "blur") == pytest.approx(0.1)
    assert blur(coarse, "blur", "noise") == 1
    enlarged = read_picture(encoder, found(keys, "blur"), origins, coarse, Remover(), enlarged=True)
    assert enlarged.weights["blur"] == 1


def test_graphics_need_nothing(encoder, keys):
    checker = (torch.arange(64)[:, None] + torch.arange(64)) % 2
    drawn = checker.expand(1, 3, -1, -1).float()
    reading = read_picture(encoder, found(keys, *keys), LATE, drawn, Remover())
    assert set(reading.weights.values()) == {0.0}


@pytest.mark.parametrize(("darker", "asked", "kept"), [(0, 1, 1.0), (1, 2, 1.0), (2, 2, 0.5)])
def test_a_sparse_basis_is_limited_by_all_crops_or_by_none(darker, asked, kept):
    """darker: how many of two crops it darkens by 2.4, the first half of them first."""
    crops = torch.tensor([0.25, 0.75]).view(2, 1, 1, 1).expand(-1, 3, 8, 8)
    view = View(
        crops,
        torch.zeros(2, dtype=torch.long),
        torch.zeros(1, 1),
        torch.zeros(1, 3, 1, 1),
        torch.zeros(1, dtype=torch.bool),
    )
    calls = []

    def remove(crops, weights):
        calls.append(dict(weights))
        return crops - 2.4 / 255 * (crops < 0.5 * darker).float()

    assert Halves(view, {}, remove).level_kept("rain") == pytest.approx(kept, rel=1e-3)
    assert calls == [{"rain": 1.0}] * asked


def later_key(encoder, generator):
    """A key that reads the picture's statistics, as those of later bases do."""
    length = encoder.lengths[1]
    return BasisKey(
        torch.randn(length, generator=generator) / length**0.5,
        torch.zeros(()),
        torch.randn(length + 1, generator=generator) / length**0.5,
    )


def test_a_later_key_sees_a_picture_as_a_file_has_it_and_changes_no_other_reading():
    encoder = DegradationEncoder(EncoderConfig(32, 4, (8, 8, 8, 8), 8, (1, 0, 1), 0)).eval()
    generator = torch.Generator().manual_seed(5)
    own = {
        "noise": BasisKey(
            torch.randn(encoder.dimension, generator=generator),
            torch.zeros(()),
            torch.zeros(encoder.dimension + 1),
        )
    }
    both = {**own, "fog": later_key(encoder, generator)}
    image = torch.rand(1, 3, 32, 32, generator=generator) * 1.6 - 0.3  # one crop, whatever is in it

    def read(keys, picture):
        with torch.no_grad():
            return read_picture(encoder, keys, Origins(), picture, lambda crops, weights: crops)

    assert read(both, image).weights["fog"] == pytest.approx(
        read(both, image.clamp(0, 1)).weights["fog"], abs=1e-5
    )
    assert read(both, image).fractions["fog"] == pytest.approx(
        read(both, image.clamp(0, 1)).fractions["fog"], abs=1e-5
    )
    assert read(both, image).weights["noise"] == read(own, image).weights["noise"]


@pytest.mark.parametrize(("fraction", "left", "weight"), [(0.9, 0.0, 0.0), (0.9, 1.0, 1.0), (0.3, 0.0, 1.0)])
def test_a_later_key_that_only_strong_noise_convinced_is_not_believed(monkeypatch, fraction, left, weight):
    encoder = DegradationEncoder(EncoderConfig(32, 4, (8, 8, 8, 8), 8, (1, 0, 1), 0)).eval()
    gauge = torch.zeros(encoder.dimension + 1)
    gauge[-1] = fraction
    keys = {
        "noise": BasisKey(torch.zeros(encoder.dimension), torch.tensor(9.0), gauge),
        "fog": later_key(encoder, torch.Generator().manual_seed(5)),
    }

    def bright(encoder, view, first, keys):
        seen = float(view.crops.mean() > 0.25)
        return looks.Reading({n: seen for n in keys if n == "fog"}, {n: 0.5 for n in keys if n == "fog"})

    monkeypatch.setattr(looks, "read_later", bright)
    image = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        reading = read_picture(encoder, keys, Origins(late=("noise",)), image, lambda crops, weights: left * crops)
    assert reading.weights == {"noise": 1.0, "fog": weight}
