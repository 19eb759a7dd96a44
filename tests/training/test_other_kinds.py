"""Laws of the degradations that no basis removes, and of the statistics that find them."""

import pytest
import torch
from torch import Generator

from restorekit.model.statistics import LOCAL, SIDE, STATISTICS, WHOLE, local, statistics_of, whole
from restorekit.plugin.testing import check_degradation
from restorekit.training.other_kinds import OTHER_KINDS, strangers_to


@pytest.mark.parametrize("kind", OTHER_KINDS, ids=lambda kind: kind.name)
def test_a_strange_kind_keeps_the_laws_of_degradations(kind):
    check_degradation(kind()).require()


def test_a_known_name_is_not_strange():
    names = {kind.name for kind in strangers_to([OTHER_KINDS[0]()])}
    assert names == {kind.name for kind in OTHER_KINDS[1:]}


def pictures(count: int = 2) -> torch.Tensor:
    generator = Generator().manual_seed(0)
    rough = torch.rand(count, 3, 12, 12, generator=generator)
    return torch.nn.functional.interpolate(rough, (96, 96), mode="bicubic").clamp(0, 1)


def test_statistics_are_as_many_as_they_say_and_finite_on_anything():
    odd = torch.cat(
        [torch.zeros(1, 3, 96, 96), torch.ones(1, 3, 96, 96), torch.full((1, 3, 96, 96), 0.3), pictures()]
    )
    small = torch.nn.functional.adaptive_avg_pool2d(odd, SIDE)
    assert local(odd).shape == (5, LOCAL) and whole(small).shape == (5, WHOLE)
    values = statistics_of(odd, torch.tensor([0, 0, 1, 2, 2]), small[:3])
    assert values.shape == (3, STATISTICS) and bool(values.isfinite().all()) and float(values.abs().max()) < 100


def test_the_statistics_of_a_picture_do_not_depend_on_the_others_beside_it():
    crops = pictures(4)
    small = torch.nn.functional.adaptive_avg_pool2d(crops[:2], SIDE)
    together = statistics_of(crops, torch.tensor([0, 1, 0, 1]), small)
    alone = statistics_of(crops[[1, 3]], torch.tensor([0, 0]), small[1:])
    assert torch.allclose(together[1:], alone, atol=1e-4)


def test_what_lies_beyond_black_and_white_counts_as_they_do():
    """Noise that no file has clipped."""
    crops = 3 * pictures() - 1
    small = torch.nn.functional.adaptive_avg_pool2d(crops, SIDE)
    values = statistics_of(crops, torch.arange(2), small)
    assert bool(values.isfinite().all())
    assert torch.equal(values, statistics_of(crops.clamp(0, 1), torch.arange(2), small.clamp(0, 1)))


@pytest.mark.parametrize("kind", OTHER_KINDS, ids=lambda kind: kind.name)
def test_every_strange_kind_moves_the_statistics(kind):
    crops, made = pictures(), kind()
    degraded = made.apply(crops, made.draw(crops.shape, Generator().manual_seed(1), severity=made.severity.strong))
    owners = torch.arange(2)
    values = [
        statistics_of(x, owners, torch.nn.functional.adaptive_avg_pool2d(x, SIDE))
        for x in (crops, degraded.clamp(0, 1))
    ]
    assert float((values[1] - values[0]).abs().max()) > 0.5
