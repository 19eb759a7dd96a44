"""A degradation draws its kinds and severities, and a realisation knows them."""

import pytest
import torch
from torch import Generator

from restorekit.degradation import Degradation, Draw, Realisation, Severity
from restorekit.errors import PluginError
from restorekit.plugin.catalog import build_catalog, load_plugins

CATALOG = build_catalog(load_plugins())
ALL = [CATALOG.degradations[name] for name in sorted(CATALOG.degradations)]
MANY = (8000, 3, 1, 1)
# Quarters of the severities that training drew before the base class drew them, by degradation and kind.
QUARTERS = {
    ("blur", "gaussian"): (0.85, 1.67, 2.74),
    ("jpeg", "4:2:0"): (16, 37, 63),
    ("noise", "gaussian"): (11.8, 29.9, 51.3),
    ("rain", "streaks"): (7.9, 15.5, 30.5),
    ("rain", "heavy"): (29.2, 37.1, 47.2),
}


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


class Dust(Degradation):
    """Writes nothing but what is particular to it."""

    name = "dust"
    severity = Severity(symbol="grains", unit="", off=0, mild=2, strong=10, typical=5)
    kinds = ("fine", "coarse", "hairs")
    shares = (0.5, 0.2, 0.3)
    order = 30

    def apply(self, image, realisation):
        return image + 0.01 * realisation.severity.view(-1, 1, 1, 1)


class Unequal(Dust):
    def spread(self, u, kinds):
        return torch.where(kinds == 2, 20.0, 2 + u)

    def make(self, draw: Draw) -> Realisation:
        return Realisation(draw.severity, {"place": draw.uniform(2), "hairs": draw.are("hairs")})


class Old(Dust):
    """Draws by itself, as plugins did."""

    def draw(self, shape, generator, *, severity=None, kind=None):
        return Realisation(torch.ones(shape[0]))


def only_severity(self, draw):
    return Realisation(draw.severity)


def identity(case):
    return getattr(case, "name", str(case))


@pytest.mark.parametrize("degradation", [*ALL, Dust()], ids=identity)
def test_training_draws_each_kind_as_often_as_its_share_says(degradation, monkeypatch):
    monkeypatch.setattr(type(degradation), "make", only_severity)
    names = degradation.draw(MANY, seeded()).kind_names()
    found = [names.count(kind) / len(names) for kind in degradation.kinds]
    assert found == pytest.approx(degradation.shares, abs=0.02)
    assert sum(degradation.shares) == pytest.approx(1)


def test_kinds_without_shares_come_alike(monkeypatch):
    monkeypatch.setattr(Dust, "shares", ())
    names = Dust().draw(MANY, seeded()).kind_names()
    assert [names.count(kind) / len(names) for kind in Dust.kinds] == pytest.approx([1 / 3] * 3, abs=0.02)


@pytest.mark.parametrize(("case", "quarters"), QUARTERS.items(), ids=str)
def test_training_draws_severities_as_it_always_has(case, quarters, monkeypatch):
    name, kind = case
    degradation = CATALOG.degradation(name)
    monkeypatch.setattr(type(degradation), "make", only_severity)
    severity = degradation.draw(MANY, seeded(1), kind=kind).severity
    found = severity.quantile(torch.tensor([0.25, 0.5, 0.75])).tolist()
    assert found == pytest.approx(quarters, rel=0.05)


def test_training_reduces_to_whole_factors_most_often():
    factors = CATALOG.degradation("lowres").draw(MANY, seeded(1)).severity
    found = [float((factors == whole).float().mean()) for whole in (2, 3, 4)]
    assert found == pytest.approx([0.425, 0.2125, 0.2125], abs=0.02)
    assert float(factors.min()) >= 1.5 and float(factors.max()) <= 4


def test_severities_may_depend_on_the_kind_and_parts_on_both():
    drawn = Unequal().draw((64, 3, 4, 4), seeded(2))
    hairs = torch.tensor([name == "hairs" for name in drawn.kind_names()])
    assert 0 < int(hairs.sum()) < 64
    assert torch.equal(drawn.severity == 20, hairs) and torch.equal(drawn["hairs"], hairs)
    assert drawn["place"].shape == (64, 2)
    assert torch.equal(drawn.are("hairs"), hairs)


@pytest.mark.parametrize("degradation", ALL, ids=identity)
def test_a_named_kind_is_the_kind_of_every_image_and_a_named_severity_comes_with_the_plain_one(degradation):
    shape = (3, 3, 16, 16)
    for kind in degradation.kinds:
        assert degradation.draw(shape, seeded(), kind=kind).kind_names() == (kind,) * 3
    plain = degradation.draw(shape, seeded(), severity=degradation.severity.typical)
    assert plain.kind_names() == degradation.kinds[:1] * 3
    if degradation.name != "rain":  # whose streaks are measured
        assert plain.severity.tolist() == pytest.approx([degradation.severity.typical] * 3)


def test_a_plugin_that_draws_by_itself_goes_on_working_and_says_no_kinds():
    drawn = Old().draw((2, 3, 4, 4), seeded())
    assert drawn.kind_names() == ()
    with pytest.raises(PluginError, match="does not know its kinds"):
        drawn.are("fine")
    assert Old().apply(torch.zeros(2, 3, 4, 4), drawn).shape == (2, 3, 4, 4)


def test_a_share_for_each_kind_or_none():
    with pytest.raises(PluginError, match="2 shares for 3 kinds"):
        type("Wrong", (Dust,), {"shares": (0.5, 0.5)})


def test_a_realisation_that_is_moved_keeps_what_it_is():
    drawn = Unequal().draw((4, 3, 4, 4), seeded())
    moved = drawn.to(torch.device("cpu"))
    assert moved.kind_names() == drawn.kind_names()
    assert torch.equal(moved["place"], drawn["place"]) and torch.equal(moved.severity, drawn.severity)
