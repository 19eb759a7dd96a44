"""Laws of composites in training: whole chains from the scene to the file, in physical order."""

import torch
from torch import Generator

from restorekit.composition import Step
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.training.pairs import CHAINS, DrawnSet, PairMaker

CATALOG = build_catalog(load_plugins())
NAMES = ("jpeg", "noise", "lowres", "blur", "rain")
ALL = tuple(CATALOG.degradation(name) for name in NAMES)
EVEN = (1.0,) * len(NAMES)
SHAPE = (2, 3, 32, 32)


def sets_of(maker: PairMaker, count: int) -> list[DrawnSet]:
    generator = Generator().manual_seed(0)
    return [maker.draw_set(generator) for _ in range(count)]


def test_one_draw_in_ten_is_a_chain_and_long_ones_come():
    drawn = [frozenset(NAMES[i] for i in drawn.chosen) for drawn in sets_of(PairMaker(ALL, EVEN), 4000)]
    long = [names for names in drawn if len(names) > 3]
    assert 0.1 * CHAINS < len(long) / len(drawn) < CHAINS  # sizes alone give none of more than three
    assert frozenset({"blur", "lowres", "noise", "jpeg"}) in long
    assert frozenset({"rain", "noise", "jpeg"}) in drawn


def test_a_chain_has_at_most_one_degradation_of_each_stage():
    twins = (*ALL, *ALL)
    maker = PairMaker(twins, EVEN + EVEN, chains=1.0)
    for chosen in (maker.draw_chain(Generator().manual_seed(seed)) for seed in range(200)):
        orders = [twins[i].order for i in chosen]
        assert len(orders) == len(set(orders))


def test_named_sets_are_drawn_as_if_there_were_no_chains():
    named = (("rain+noise", 0.3), ("rain/noise", 0.2))
    with_chains, without = (PairMaker(ALL, EVEN, sets=named, chains=share) for share in (1.0, 0.0))
    assert sets_of(with_chains, 200) == sets_of(without, 200)


def test_whatever_the_order_of_the_weights_the_picture_is_degraded_from_the_scene_to_the_file():
    maker = PairMaker(ALL, EVEN, sets=(("jpeg+noise+lowres+blur+rain", 1.0),))
    group = maker.group(torch.rand(SHAPE), Generator().manual_seed(1), selective=False)
    assert list(group.present) == ["rain", "blur", "lowres", "noise", "jpeg"]


def test_a_resized_jpeg_goes_and_the_very_noise_beneath_it_stays(monkeypatch):
    jpeg, noise = CATALOG.degradation("jpeg"), CATALOG.degradation("noise")
    only = tuple(float(kind == "resized") for kind in jpeg.kinds)
    monkeypatch.setattr(type(jpeg), "shares", only)
    maker = PairMaker((jpeg, noise), (1.0, 1.0), sets=(("jpeg/noise", 1.0),))
    clean = torch.rand(SHAPE, generator=Generator().manual_seed(2))
    choices = Generator().manual_seed(0)
    group = maker.group(clean, Generator().manual_seed(3), selective=True, choices=choices)
    noisy = Step.draw(noise, SHAPE, Generator().manual_seed(3)).apply(clean)  # noise is drawn before the file
    assert torch.equal(group.target, noisy)
    assert not torch.equal(group.degraded, noisy)
