"""Laws of a later basis's key: few false alarms, no key rather than a bad one, kin that it need not tell apart."""

from dataclasses import fields

import pytest
import torch
from torch import Generator

from restorekit.model.encoder import DegradationEncoder, EncoderConfig, weights_of
from restorekit.model.key import BasisKey, Hidden
from restorekit.training.looks import CLEAN, Looking, Looks
from restorekit.training.other_kinds import strangers_to
from restorekit.training.readout import (
    FALSE_ALARMS,
    HARMFUL,
    Judgement,
    fit,
    fit_key,
    fit_several,
    groups_without,
    kin_of,
    logit_of,
    rarely_above,
    told_apart,
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
    return weights_of(key.logit(pictures.queries))


@pytest.fixture
def quick(monkeypatch):
    """Fewer steps, for laws that hold of a poor key too."""
    monkeypatch.setattr("restorekit.training.readout.STEPS", 80)


def test_the_same_looks_give_the_same_key(quick):
    first, second = (fit(looks(200, 2.0)) for _ in range(2))
    assert torch.equal(first.logit(looks(50, 2.0).queries), second.logit(looks(50, 2.0).queries))


def test_several_keys_answer_with_their_mean(quick):
    some = looks(200, 2.0)
    apart = [fit(some, seed=seed) for seed in range(3)]
    together = fit_several(some, 3)
    answers = torch.stack([key.logit(some.queries) for key in apart])
    assert answers.std(0).max() > 0.1
    assert (together.logit(some.queries) - answers.mean(0)).abs().max() < 0.02 * answers.abs().max()
    assert torch.equal(fit_several(some, 1).logit(some.queries), apart[0].logit(some.queries))


def test_the_gauge_reads_the_severity():
    held_out = looks(800, 20.0, 1)
    key = fit(looks(1600, 20.0))
    there = held_out.fractions > 0.2
    error = (key.fraction(held_out.queries) - held_out.fractions)[there].abs().mean()
    assert error < 0.1 < held_out.fractions[there].std()


def test_a_key_sees_what_no_straight_line_tells_apart():
    """Pictures with the degradation lie around the others, on both sides."""
    around = looks(1600, 0.0)
    side = torch.where(torch.arange(1600) % 2 == 0, 4.0, -4.0)
    queries = around.queries.clone()
    queries[:, 0] += side * (around.fractions > 0)
    pictures = Looks(queries, around.fractions, around.others)
    assert fit_key(pictures, pictures)[1].found > 0.8


def test_a_value_that_never_varies_does_not_matter(quick):
    pictures = looks(300, 2.0)
    constant = Looks(
        torch.cat([pictures.queries, torch.full((300, 1), 0.25)], 1), pictures.fractions, pictures.others
    )
    key = fit(constant)
    other = torch.cat([pictures.queries, torch.full((300, 1), 9.0)], 1)
    assert torch.equal(key.logit(constant.queries), key.logit(other))


def test_what_looks_the_same_is_kin_and_what_does_not_is_not():
    """`twin` moves the queries as the degradation does, `neighbour` moves them elsewhere."""
    generator = Generator().manual_seed(3)
    extra = torch.randn(200, DIMENSION, generator=generator)
    extra[:100, 0] += 6
    extra[100:, 1] += 6
    named = (("twin",),) * 100 + (("neighbour",),) * 100

    def beside(pictures):
        queries = torch.cat([pictures.queries, extra])
        return Looks(queries, torch.cat([pictures.fractions, torch.zeros(200)]), pictures.others + named)

    fitted, held_out = beside(looks(800, 6.0)), beside(looks(800, 6.0, 1))
    assert kin_of(fitted, ["twin", "neighbour"]) == ("twin",)
    judged = fit_key(fitted, held_out, ["twin", "neighbour"])[1]
    assert judged.kin == ("twin",) and judged.record()["kin"] == ["twin"]
    assert judged.found > fit_key(fitted, held_out)[1].found + 0.3


def test_few_that_have_it_by_nature_are_left_out_and_told_and_many_are_not():
    """Pictures without the degradation whose queries lie where those with it do: one in fifty, one in five."""

    def with_natural(pictures, every):
        queries = pictures.queries.clone()
        chosen = torch.arange(len(queries)) % every == 1
        queries[chosen & (pictures.fractions == 0), 0] += 10
        return Looks(queries, pictures.fractions, pictures.others)

    few, none = (
        fit_key(with_natural(looks(800, 8.0), every), with_natural(looks(800, 8.0, 1), every))[1]
        for every in (50, 5)
    )
    assert few.natural == pytest.approx(0.02, abs=0.01) and few.good
    assert none.natural == 0 and not none.good


def test_pictures_with_a_kind_can_be_left_out():
    pictures = looks(80, 1.0)
    without = told_apart(pictures, ["jpeg"])
    assert len(without.others) == len(without.fractions) == len(without.queries) == 60
    assert not any("jpeg" in named for named in without.others)


@pytest.mark.parametrize(("apart", "seed"), [(0.0, 0), (0.7, 1), (2.0, 2), (8.0, 0)])
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


def test_a_key_is_as_it_will_be_on_disk(quick):
    key, _ = fit_key(looks(400, 3.0), looks(400, 3.0, 1))
    assert key.hidden is not None
    for tensor in (key.key, key.bias, key.gauge, *(getattr(key.hidden, field.name) for field in fields(Hidden))):
        assert torch.equal(tensor, tensor.half().float())


def test_the_logit_of_a_weight_gives_that_weight():
    for weight in (0.0, HARMFUL, 0.5, 1.0):
        assert float(weights_of(torch.tensor(logit_of(weight)))) == pytest.approx(weight, abs=1e-6)


@pytest.fixture(scope="module")
def seen(photos):
    encoder = DegradationEncoder(EncoderConfig(32, 2, (8, 8, 8, 8), 8, (1, 0, 1), 0)).eval()
    others = tuple(CATALOG.degradations[n] for n in ("noise", "blur", "jpeg"))
    strangers = strangers_to([fog(), *others])[:2]
    return Looking(fog(), others, encoder, strangers).look(photos.training, 60, Generator().manual_seed(0))


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
    names = {name for named in seen.others for name in named}
    assert names == {CLEAN, "noise", "blur", "jpeg", *(s.name for s in strangers_to(())[:2])}


def test_a_key_that_may_be_wrong_more_often_finds_more_and_says_how_often():
    careful, easy = (fit_key(looks(800, 1.5), looks(800, 1.5, 1), (), allowed)[1] for allowed in (0.01, 0.2))
    assert careful.false_alarms <= 0.01 < easy.false_alarms <= 0.2 and careful.found + 0.2 < easy.found
    assert "allowed" not in careful.record() and easy.record()["allowed"] == 0.2
    assert Judgement.of_record(easy.record()).allowed == 0.2 and easy.good is (easy.found >= 0.33)


def test_kinds_that_are_the_same_thing_are_not_among_what_a_key_is_told_apart_from(monkeypatch):
    blur, noise = CATALOG.degradation("blur"), CATALOG.degradation("noise")
    new, photos = fog(), [(torch.rand(3, 200, 220) * 255).to(torch.uint8)]
    monkeypatch.setattr(type(new), "same", ("blur:motion", "blur:gaussian", "noise:none"), raising=False)
    encoder = DegradationEncoder(EncoderConfig(32, 2, (8, 8, 8, 8), 8, (1, 0, 1), 0)).eval()
    looking = Looking(new, (blur, noise), encoder)
    drawn = set()
    for seed in range(80):
        for step in looking.draw(photos, Generator().manual_seed(seed))[1].steps:
            drawn |= {(step.degradation.name, kind) for kind in step.realisation.kind_names()}
    assert {kind for name, kind in drawn if name == "blur"} == {"anisotropic", "defocus"}
    assert ("noise", "gaussian") in drawn
