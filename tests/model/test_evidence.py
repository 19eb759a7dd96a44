"""Laws of the evidence: it describes a change, whatever the crops, and tells streaks from texture."""

import pytest
import torch
from torch import Generator

from restorekit.model.evidence import EVIDENCE_LENGTH, direction, evidence, repetition, values


def random(*shape, seed=0):
    return torch.rand(*shape, generator=Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [32, 96, 97])
@pytest.mark.parametrize("size_of_change", [0.0, 1e-4, 1.0])
@pytest.mark.parametrize("contrast", [0.0, 1.0])
def test_every_change_of_any_crops_has_finite_numbers(size, size_of_change, contrast):
    before = 0.5 + contrast * (random(2, 3, size, size) - 0.5)
    numbers = evidence(before, before + size_of_change * (random(2, 3, size, size, seed=1) - 0.5))
    assert numbers.shape == (EVIDENCE_LENGTH,) and bool(torch.isfinite(numbers).all())


def test_the_order_of_the_crops_decides_nothing():
    before, after = random(4, 3, 48, 48), random(4, 3, 48, 48, seed=1)
    turned = evidence(before.flip(0), after.flip(0))
    assert torch.allclose(turned, evidence(before, after), atol=1e-3)


def test_streaks_have_one_direction_and_noise_has_none():
    stripes = 20 * (torch.arange(64) % 8 < 2).float().expand(3, 64, 64)
    across, down = direction(stripes), direction(stripes.transpose(1, 2).contiguous())
    noise = direction(20 * random(3, 64, 64))
    assert min(across[:4]) > 0.9 and max(noise[:4]) < 0.2
    assert float(across[-2]) == pytest.approx(-float(down[-2])) and float(across[-2]) > 0.9


def test_what_only_darkens_is_told_from_what_does_both():
    streaks = -40 * (random(3, 64, 64) > 0.95).float()
    texture = 40 * (random(3, 64, 64) - 0.5)
    asymmetry = [float(values(change, torch.zeros(()))[9]) for change in (streaks, -streaks, texture)]
    assert asymmetry[0] > 0.9 and asymmetry[1] < -0.9 and abs(asymmetry[2]) < 0.1


def test_lines_that_follow_one_another_are_told_from_streaks_and_from_noise():
    column = torch.arange(64)
    fence = 40 * (column % 12 < 2).float().expand(3, 64, 64)
    streaks = torch.zeros(3, 64, 64)
    for crop, right, down in zip(range(3), (11, 30, 53), (5, 40, 22), strict=True):
        streaks[crop, down : down + 14, right : right + 2] = 40
    noise = 40 * random(3, 64, 64)
    along, rise = ([float(repetition(part)[place]) for part in (fence, streaks, noise)] for place in (2, -1))
    assert along[0] > 0.9 and max(along[1:]) < 0.2  # 16 px along them
    assert rise[0] > 0.8 and max(rise[1:]) < 0.4
    turned = repetition(fence.transpose(1, 2).contiguous())
    assert torch.allclose(torch.stack(turned), torch.stack(repetition(fence)), atol=0.02)
