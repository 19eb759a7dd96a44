"""Laws of kinds: what the whole basis takes away tells how much of its weight a variant takes over."""

import pytest
import torch
from torch import Generator

from restorekit.model.encoder import DegradationEncoder, EncoderConfig, weights_of
from restorekit.model.evidence import JUDGE_LENGTH, evidence
from restorekit.model.key import BasisKey
from restorekit.running.restorer import Restorer
from restorekit.weighing.halves import middles
from restorekit.weighing.kinds import Kinds, numbers_of
from restorekit.weighing.looks import look_twice, read_picture
from restorekit.weighing.origins import Origins
from tests.tiny import tiny_variant, tiny_weights

ORIGINS = Origins(late=("noise",))


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return DegradationEncoder(EncoderConfig(32, 2, (8, 8, 8, 8), 8, (1, 0, 1), 0)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def image():
    return torch.rand(1, 3, 50, 60, generator=Generator().manual_seed(2))


def keys(encoder, noise):
    size = encoder.dimension
    return {"noise": BasisKey(torch.zeros(size), torch.tensor(noise), torch.zeros(size + 1))}


def saying(logit):
    return BasisKey(torch.zeros(JUDGE_LENGTH), torch.tensor(logit), torch.zeros(JUDGE_LENGTH + 1))


def kinds(logit):
    return Kinds({"camera": "noise", "film": "noise"}, {"camera": saying(logit)})


def darker(crops, weights):
    return crops * (1 - 0.2 * sum(weights.values()))


@pytest.mark.parametrize("logit", [-20.0, 0.3, 20.0])
def test_the_judge_says_the_share_also_where_it_is_in_doubt(encoder, image, logit):
    seen = read_picture(encoder, keys(encoder, 9.0), ORIGINS, image, darker, kinds=kinds(logit))
    share = float(weights_of(torch.tensor(logit)))
    assert seen.weights == {"noise": 1.0, "camera": pytest.approx(share)}


def test_where_the_whole_is_not_found_there_is_no_share(encoder, image):
    seen = read_picture(encoder, keys(encoder, -9.0), ORIGINS, image, darker, kinds=kinds(20.0))
    assert seen.weights == {"noise": 0.0, "camera": 0.0}


def test_nothing_else_is_read_differently(encoder, image):
    with_it = read_picture(encoder, keys(encoder, 0.4), ORIGINS, image, darker, kinds=kinds(20.0))
    without = read_picture(encoder, keys(encoder, 0.4), ORIGINS, image, darker)
    assert with_it.weights["noise"] == without.weights["noise"]
    assert with_it.fractions == without.fractions


def test_judges_read_what_was_taken_away_and_the_answers_of_the_whole_s_key(encoder, image):
    known, view = keys(encoder, 0.4), encoder.view(image)
    first = encoder.query_of(view)[0]
    halves, second = look_twice(encoder, known, ORIGINS, view, first, darker)
    numbers = numbers_of(halves, known["noise"], first, second)
    weight = float(weights_of(torch.tensor(0.4)))
    crops = middles(halves.view(1).crops)
    assert len(numbers) == JUDGE_LENGTH
    assert torch.allclose(numbers[:-2], evidence(crops, crops * (1 - 0.2 * weight)), atol=1e-4)
    assert numbers[-2:].tolist() == pytest.approx([0.4, 0.4])


@pytest.fixture
def with_variant(tmp_path, monkeypatch):
    """A restorer of tiny weights with a variant of noise that its judge always believes."""
    folder = tiny_weights(tmp_path / "weights")
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(folder))
    plain = Restorer.from_pretrained(device="cpu", precision="fp32")
    tiny_variant(folder, 20.0)
    return plain, Restorer.from_pretrained(device="cpu", precision="fp32")


def test_a_variant_is_no_degradation_of_its_own(with_variant, image):
    plain, restorer = with_variant
    assert restorer.mixer.variants == {"camera": "noise"}
    assert restorer.keys.keys() == plain.keys.keys() and restorer.judges == plain.judges == {}
    assert restorer.origins == plain.origins
    found = restorer.inspect(image)[0]
    assert found.severities == plain.inspect(image)[0].severities
    assert found.weights["camera"] == float(found.weights["noise"] > 0)


def test_users_say_how_much_noise_and_whose_it_is(with_variant, image):
    _, restorer = with_variant

    def restored(**weights):
        return restorer.restore(image, weights=weights, blind=False).image

    assert torch.equal(restored(camera=1.0), image)
    assert not torch.equal(restored(noise=1.0, camera=1.0), restored(noise=1.0))
    half = restored(noise=1.0, camera=0.5)
    assert not torch.equal(half, restored(noise=1.0)) and not torch.equal(half, restored(noise=1.0, camera=1.0))


def test_a_loose_variant_shares_as_an_installed_one_does(with_variant, tmp_path):
    (tmp_path / "weights" / "camera").rename(tmp_path / "film")
    again = Restorer.from_pretrained(device="cpu", precision="fp32", bases=[tmp_path / "film"])
    assert again.mixer.variants == {"film": "noise"}
