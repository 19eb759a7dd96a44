"""Laws of a later basis's key: one optimum, few false alarms, and no key rather than a bad one."""

import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from restorekit.model.encoder import DegradationEncoder, EncoderConfig, weights_of
from restorekit.model.key import BasisKey
from restorekit.training.looks import CLEAN, Looking, Looks
from restorekit.training.readout import (
    DECAY,
    FALSE_ALARMS,
    HARMFUL,
    fit_key,
    groups_without,
    logistic,
    logit_of,
    rarely_above,
    ridge,
)
from tests.plugin.strangers import fog
from tests.training.recipes import CATALOG

OTHERS = ((CLEAN,), ("noise",), (CLEAN,), ("jpeg", "noise"))
DIMENSION = 6


def looks(count: int, apart: float, seed: int = 0) -> Looks:
    """Made-up queries: those of pictures with the degradation are `apart` from the others, and further where it is
    stronger."""
    generator = Generator().manual_seed(seed)
    fractions = torch.rand(count, generator=generator).clamp_min(0.05)
    fractions[: count // 2] = 0
    queries = torch.randn(count, DIMENSION, generator=generator)
    queries[:, 0] += apart * (fractions > 0) * (0.5 + fractions)
    return Looks(queries, fractions, tuple(OTHERS[i % len(OTHERS)] for i in range(count)))


def weights(key: BasisKey, pictures: Looks) -> torch.Tensor:
    return weights_of(pictures.queries @ key.key + key.bias)


def test_no_other_key_has_a_smaller_loss():
    pictures = looks(300, 2.0)
    present = pictures.fractions > 0
    deviation = pictures.queries.std(0, correction=0)

    def loss(key):
        def with_bias(bias):
            logits = pictures.queries @ key + bias
            return F.binary_cross_entropy_with_logits(logits, present.float()) + DECAY / 2 * (
                (key * deviation).square().sum()
            )

        return min(float(with_bias(bias)) for bias in torch.linspace(-6, 2, 400))

    best = logistic(pictures.queries, present)
    generator = Generator().manual_seed(1)
    for _ in range(20):
        assert loss(best) <= loss(best + 0.1 * torch.randn(DIMENSION, generator=generator)) + 1e-5


def test_the_gauge_reads_the_severity():
    generator = Generator().manual_seed(0)
    queries = torch.randn(400, DIMENSION, generator=generator)
    right = torch.tensor([0.3, -0.1, 0.0, 0.2, 0.0, 0.1])
    gauge = ridge(queries, queries @ right + 0.4, torch.ones(400))
    assert torch.allclose(gauge, torch.tensor([*right.tolist(), 0.4]), atol=0.01)


def test_a_query_that_never_varies_does_not_matter():
    pictures = looks(300, 2.0)
    queries = torch.cat([pictures.queries, torch.full((300, 1), 0.25)], 1)
    key = logistic(queries, pictures.fractions > 0)
    assert key[-1] == 0 and torch.allclose(key[:-1], logistic(pictures.queries, pictures.fractions > 0), atol=1e-3)


@pytest.mark.parametrize("apart", [0.0, 0.7, 2.0, 8.0])
@pytest.mark.parametrize("seed", range(3))
def test_at_most_one_in_a_hundred_pictures_without_it_is_touched_whatever_else_they_have(apart, seed):
    held_out = looks(800, apart, seed + 100)
    key, judgement = fit_key(looks(800, apart, seed), held_out)
    found = weights(key, held_out)
    groups = groups_without(held_out)
    assert set(groups) == {CLEAN, "noise", "jpeg"}
    for mask in groups.values():
        assert float((found[mask] > HARMFUL).float().mean()) <= FALSE_ALARMS
    assert judgement.false_alarms <= FALSE_ALARMS
    assert judgement.found == pytest.approx(float((found[held_out.fractions > 0] >= 0.5).float().mean()))
    assert judgement.queries == 1600


def test_a_key_that_tells_the_pictures_apart_is_good_and_one_that_does_not_is_not():
    assert fit_key(looks(800, 8.0), looks(800, 8.0, 1))[1].good
    assert not fit_key(looks(800, 0.3), looks(800, 0.3, 1))[1].good


def test_few_pictures_make_a_key_more_careful():
    """The top of 20 says little about 1 in 100: what is reckoned from few lies above what many show."""
    many = torch.randn(20000, generator=Generator().manual_seed(0))
    assert rarely_above(many) == pytest.approx(2.33, abs=0.15)
    few = [rarely_above(part) for part in many.split(20)]
    largest = [float(part.max()) for part in many.split(20)]
    assert all(reckoned >= top for reckoned, top in zip(few, largest, strict=True))
    assert sum(few) / len(few) > 2.33 > sum(largest) / len(largest)


def test_a_key_is_as_it_will_be_on_disk():
    key, _ = fit_key(looks(400, 3.0), looks(400, 3.0, 1))
    for tensor in (key.key, key.bias, key.gauge):
        assert torch.equal(tensor, tensor.half().float())


def test_the_logit_of_a_weight_gives_that_weight():
    for weight in (0.0, HARMFUL, 0.5, 1.0):
        assert float(weights_of(torch.tensor(logit_of(weight)))) == pytest.approx(weight, abs=1e-6)


@pytest.fixture(scope="module")
def seen(photos):
    encoder = DegradationEncoder(EncoderConfig(32, 2, (8, 8, 8, 8), 8, (1, 0, 1), 0)).eval()
    others = tuple(CATALOG.degradations[n] for n in ("noise", "blur", "jpeg"))
    return Looking(fog(), others, encoder).look(photos.training, 60, Generator().manual_seed(0))


def test_every_picture_is_looked_at_with_and_without_the_degradation(seen):
    assert seen.queries.shape[0] == len(seen.fractions) == len(seen.others) == 120
    with_it = seen.fractions > 0
    assert int(with_it.sum()) == 60
    assert sorted(o for o, w in zip(seen.others, with_it, strict=True) if w) == sorted(
        o for o, w in zip(seen.others, with_it, strict=True) if not w
    )
    assert not torch.equal(seen.queries[with_it], seen.queries[~with_it])


def test_about_half_of_the_pictures_are_clean_and_every_other_degradation_comes(seen):
    clean = sum(named == (CLEAN,) for named in seen.others) / len(seen.others)
    assert 0.3 < clean < 0.7
    assert {name for named in seen.others for name in named} == {CLEAN, "noise", "blur", "jpeg"}
