"""Laws of one restorer in many hands: threads, callers and their generators do not see each other."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch

from restorekit.errors import ImageError, MixingError, RestorekitError
from restorekit.running.passing import Passing
from restorekit.running.restorer import Restorer


def picture(height, width, batch=1):
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(height * width))


def test_many_threads_with_weights_of_their_own_equal_the_serial_results_bit_for_bit(restorer):
    """In one piece and in strips, enlarged or not, in one step and in several."""
    names = restorer.bases
    wishes = [
        (
            picture(40 + i + 100 * (i % 4 == 1), 60 + 130 * (i % 4 == 1)),
            {
                "weights": {names[i % len(names)]: 0.3 + 0.1 * (i % 7)},
                "blind": i % 3 == 0,
                "tile": 1,
                "scale": 1 + (i % 5 == 2),
                "steps": 1 + i % 2,
            },
        )
        for i in range(24)
    ]

    def restored(wish):
        image, options = wish
        return restorer.restore(image, **options)

    serial = [restored(wish) for wish in wishes]
    inspected = [restorer.inspect(image) for image, _ in wishes]
    with ThreadPoolExecutor(6) as threads:
        seen = threads.map(restorer.inspect, [image for image, _ in wishes])
        parallel = list(threads.map(restored, wishes))
        assert list(seen) == inspected
    for one, other in zip(serial, parallel, strict=True):
        assert torch.equal(one.image, other.image) and one.weights == other.weights


def test_threads_restore_at_the_same_time_each_with_its_own_mixture(restorer, monkeypatch):
    """Every one waits inside the network until all are there: taking turns, they would wait for ever."""
    count = 4
    together, run = Barrier(count, timeout=60), Passing.run

    def run_together(self, predictor, *arguments):
        together.wait()
        return run(self, predictor, *arguments)

    image = picture(40, 48)
    wishes = [{"noise": 0.2 * (1 + i)} for i in range(count)]
    serial = [restorer.restore(image, weights=wish, blind=False).image for wish in wishes]
    restorer.mixer.mixtures.values.clear()
    monkeypatch.setattr(Passing, "run", run_together)
    with ThreadPoolExecutor(count) as threads:
        jobs = [threads.submit(restorer.restore, image, weights=wish, blind=False) for wish in wishes]
        parallel = [job.result().image for job in jobs]
    assert all(torch.equal(*pair) for pair in zip(serial, parallel, strict=True))
    assert len({tuple(result.flatten().tolist()) for result in serial}) == count


def test_an_error_in_one_thread_leaves_the_restorer_to_the_others(restorer):
    image = picture(20, 20)
    with pytest.raises(MixingError):
        restorer.restore(image, weights={"fog": 1.0})
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(restorer.restore, image).result(timeout=30).image.shape == image.shape


def test_inspecting_a_batch_answers_for_every_picture(restorer):
    images = torch.cat([picture(40, 48), torch.zeros(1, 3, 40, 48), picture(48, 40).transpose(2, 3)])
    seen = restorer.inspect(images)
    assert len(seen) == 3
    assert seen == tuple(restorer.inspect(image[None])[0] for image in images)
    assert [i.weights for i in seen] == list(restorer.restore(images).weights)


def test_loading_moves_nobodys_generator(tiny):
    torch.manual_seed(3)
    state, draws = torch.random.get_rng_state(), torch.rand(4)
    torch.manual_seed(3)
    Restorer.from_pretrained(device="cpu")
    assert torch.equal(torch.random.get_rng_state(), state) and torch.equal(torch.rand(4), draws)


def test_a_result_is_the_callers_to_change_and_to_differentiate(restorer):
    image = picture(40, 70)
    kept = image.clone()
    for options in ({}, {"ensemble": True}, {"tile": 1}, {"weights": dict.fromkeys(restorer.bases, 0.0)}):
        result = restorer.restore(image, **options).image
        assert not result.is_inference() and not result.requires_grad
        result += 1  # in place
        (result.requires_grad_() * 2).sum().backward()
        assert torch.equal(image, kept)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
@pytest.mark.parametrize(
    ("low", "high", "remedy"),
    [
        (0.0, 255.0, "divide it by 255"),
        (-1.0, 1.0, r"\[0, 1\]"),
        (0.0, 1.01, r"\[0, 1\]"),
        (float("nan"), 1.0, "NaN"),
        (0.0, float("inf"), "NaN or infinite"),
    ],
)
def test_values_that_are_no_picture_are_named_with_the_remedy(restorer, dtype, low, high, remedy):
    image = torch.full((2, 3, 12, 12), 0.5, dtype=dtype)
    image[1, 0, 0, 0], image[1, 2, 3, 4] = low, high
    for do in (restorer.restore, restorer.inspect):
        with pytest.raises(ImageError, match=remedy):
            do(image)


def test_noise_that_no_file_has_clipped_is_taken_where_it_is_announced(restorer):
    image = picture(40, 40) * 1.6 - 0.3
    none = dict.fromkeys(restorer.bases, 0.0)
    assert torch.equal(restorer.restore(image, weights=none, unclipped=True).image, image.clamp(0, 1))
    assert len(restorer.inspect(image, unclipped=True)) == 1
    with pytest.raises(ImageError, match="unclipped=True"):
        restorer.restore(image)
    with pytest.raises(ImageError, match="NaN"):
        restorer.restore(image * float("nan"), unclipped=True)


def test_rounding_of_a_thousandth_is_no_fault(restorer):
    image = picture(20, 20) * 1.002 - 0.001
    assert float(restorer.restore(image).image.min()) >= 0 and float(restorer.restore(image).image.max()) <= 1


@pytest.mark.parametrize(
    "options",
    [
        {"scale": 0},
        {"scale": -2},
        {"scale": 1.5},
        {"scale": True},
        {"steps": 0},
        {"steps": 1.5},
        {"steps": "2"},
        {"tile": 0},
        {"tile": 64.0},
        {"dtype": torch.int32},
        {"dtype": torch.int64},
        {"dtype": torch.bool},
        {"dtype": torch.complex64},
        {"dtype": "float32"},
        {"weights": [1.0, 0.0]},
        {"weights": 1.0},
        {"weights": {"noise": "much"}},
        {"weights": {"noise": None}},
        {"weights": {"noise": True}},
        {"weights": {"noise": float("nan")}},
        {"weights": {"noise": 2}},
        {"weights": {"fog": 1.0}},
        {"weights": {"noise": torch.ones(2)}},
    ],
    ids=str,
)
def test_an_argument_that_makes_no_sense_is_one_of_our_errors(restorer, options):
    with pytest.raises(RestorekitError) as raised:
        restorer.restore(picture(12, 12), **options)
    assert (
        (str(raised.value).count("\n") == 0 and "got" in str(raised.value))
        or "[0, 1.5]" in str(raised.value)
        or ("there are" in str(raised.value))
    )


def test_numbers_of_other_libraries_are_numbers(restorer):
    image = picture(20, 20)
    one, other = (restorer.restore(image, weights={"noise": value}) for value in (np.float32(0.5), 0.5))
    assert torch.equal(one.image, other.image)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32, torch.int64, torch.bool, torch.complex64])
def test_batches_of_other_types_are_refused(restorer, dtype):
    with pytest.raises(ImageError, match="uint8 or uint16"):
        restorer.restore(torch.zeros(1, 3, 8, 8, dtype=dtype))
