"""Laws of guidance: exact at both ends, a straight line between and beyond, whole or in strips."""

import pytest
import torch

from restorekit.errors import MixingError
from restorekit.model.backbone.flow_unet import FlowUnet, FlowUnetConfig
from restorekit.model.guidance import Guided
from restorekit.running.passing import Pass, Passing

PICTURE = torch.rand(1, 3, 40, 32, generator=torch.Generator().manual_seed(3))


def network(seed: int) -> FlowUnet:
    made = FlowUnet(FlowUnetConfig((8, 8), (1, 1), 8), torch.Generator().manual_seed(seed)).eval()
    made.head.weight.data.normal_(std=0.05, generator=torch.Generator().manual_seed(seed))
    return made.requires_grad_(False)


@pytest.fixture
def networks():
    return network(0), network(1)


def estimate(predictor, picture=PICTURE):
    return predictor(picture, torch.ones(1), picture, predictor.describe(picture))


def test_at_0_it_is_the_other_estimate_and_at_1_its_own_bit_for_bit(networks):
    first, second = networks
    own, other = estimate(first), estimate(second)
    assert torch.equal(estimate(Guided(first, 0.0)), PICTURE) and torch.equal(estimate(Guided(first, 1.0)), own)
    assert torch.equal(estimate(Guided(first, 0.0, second)), other)
    assert torch.equal(estimate(Guided(first, 1.0, second)), own)


@pytest.mark.parametrize("scale", [0.3, 1.7])
def test_between_and_beyond_it_lies_on_a_straight_line(networks, scale):
    first, second = networks
    own, other = estimate(first), estimate(second)
    assert torch.allclose(estimate(Guided(first, scale)), PICTURE + scale * (own - PICTURE), atol=1e-6)
    assert torch.allclose(estimate(Guided(first, scale, second)), other + scale * (own - other), atol=1e-6)


@pytest.mark.parametrize("against", [False, True])
def test_in_strips_it_is_what_it_is_in_one_piece(networks, against):
    first, second = networks
    guided = Guided(first, 1.6, second if against else None)
    stream = guided.stream(torch.ones(1), guided.describe(PICTURE))
    parts = PICTURE.split(8, 2)
    rows = [stream.push(part, part, i == len(parts) - 1) for i, part in enumerate(parts)]
    assert torch.allclose(torch.cat(rows, 2), estimate(guided), atol=1e-6)


def test_a_pass_is_guided_however_many_steps_it_has(networks):
    passing = Passing(networks[0].facts, torch.device("cpu"), torch.float32)
    plain = passing.run(networks[0], PICTURE, torch.float32, Pass(1, 1000))
    assert torch.equal(passing.run(networks[0], PICTURE, torch.float32, Pass(3, 1000, guidance=0.0)), PICTURE)
    half = passing.run(networks[0], PICTURE, torch.float32, Pass(1, 1000, guidance=0.5))
    inside = (plain > 0.01) & (plain < 0.99)  # elsewhere it is clipped
    assert torch.allclose(half[inside], ((PICTURE + plain) / 2)[inside], atol=1e-6) and inside.float().mean() > 0.5


@pytest.mark.parametrize("scale", [-0.1, 2.1, float("nan"), True, "1"])
def test_a_guidance_that_is_no_number_from_0_to_2_is_refused(restorer, scale):
    with pytest.raises(MixingError, match="guidance must be a number from 0 to 2"):
        restorer.restore(PICTURE, guidance=scale)


def test_a_restorer_goes_on_beyond_what_it_restores(restorer):
    weights = {"noise": 0.2}
    plain, more = (
        restorer.restore(PICTURE, weights=weights, blind=False, guidance=g).image - PICTURE for g in (1, 1.5)
    )
    inside = (PICTURE + 1.5 * plain > 0.01) & (PICTURE + 1.5 * plain < 0.99)
    assert torch.allclose(more[inside], 1.5 * plain[inside], atol=1e-5) and inside.float().mean() > 0.5
