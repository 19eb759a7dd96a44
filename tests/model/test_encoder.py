"""Laws of the encoder: what its spectrum means, and that a query is of the picture alone."""

import pytest
import torch
from torch import Generator

from restorekit.model.encoder import (
    RINGS,
    DegradationEncoder,
    EncoderConfig,
    Spectrum,
    weights_of,
)
from restorekit.model.looking import choose_places


@pytest.fixture(scope="module")
def noise():
    return torch.randn(16, 1, 64, 64, generator=Generator().manual_seed(0)).expand(-1, 3, -1, -1)


def test_white_noise_has_its_variance_at_every_frequency(noise):
    for sigma, expected in ((25 / 255, 1.0), (0.01, 0.0)):
        power = Spectrum(64)(0.5 + sigma * noise).mean(0)
        assert power.shape == (3 * RINGS,)
        assert float((power - expected).abs().max()) < 0.25, power


def test_a_blurred_picture_ends_early_in_the_spectrum_and_only_along_the_blur(noise):
    picture = 0.5 + 0.1 * noise
    across = (picture + picture.roll(1, 3) + picture.roll(2, 3)) / 3  # a third of the sampling rate is gone
    change = (Spectrum(64)(across) - Spectrum(64)(picture)).mean(0)
    rings, down, right = change.split(RINGS)
    third = round(2 * RINGS / 3)
    assert float(right[third]) < -0.5 < float(right[0])
    assert float(down.max() - down.min()) < 0.3
    assert float(rings[third]) < -0.05


@pytest.mark.parametrize("count", [1, 4, 9])
def test_half_of_the_crops_are_the_most_detailed_and_half_the_flattest(count):
    detailed = torch.rand(1, 3, 200, 100, generator=Generator().manual_seed(2)).repeat_interleave(4, 2)
    smooth = (torch.linspace(0.2, 0.5, 800)[:, None] + torch.linspace(0, 0.4, 700)).expand(1, 3, -1, -1)
    image = torch.cat([smooth, detailed], 3)
    lefts = [left for _, left in choose_places(image, 96, count)]
    assert len(lefts) == count and sum(left < 600 for left in lefts) == count // 2


def test_a_query_is_of_its_picture_alone():
    torch.manual_seed(0)
    encoder = DegradationEncoder(EncoderConfig(32, 2, (8, 8, 8, 8), 8, (1, 0, 1))).eval()
    images = torch.rand(3, 3, 70, 50, generator=Generator().manual_seed(1))
    together = encoder.query(images)
    assert together.shape == (3, encoder.dimension)
    for i in range(3):
        torch.testing.assert_close(encoder.query(images[i : i + 1])[0], together[i])


def test_sure_weights_are_exactly_none_or_all_and_the_others_rise_with_the_logit():
    weights = weights_of(torch.tensor([-9.0, -2.5, -1.0, 0.0, 1.0, 2.5, 9.0]))
    assert weights[:2].tolist() == [0, 0] and weights[-2:].tolist() == [1, 1]
    assert weights[3] == pytest.approx(0.5)
    assert bool((weights[1:6].diff() > 0).all())


def test_half_precision_is_for_convolutions_alone_and_for_a_copy():
    torch.manual_seed(0)
    encoder = DegradationEncoder(EncoderConfig(32, 2, (8, 8, 8, 8), 8, (1, 0, 1), 1)).eval()
    assert encoder.convolving_in(torch.float32) is encoder
    half = encoder.convolving_in(torch.bfloat16)
    kinds = {name: weight.dtype for name, weight in half.named_parameters()}
    assert {n.split(".")[0] for n, dtype in kinds.items() if dtype == torch.float32} == {"look", "mix", "out"}
    assert all(weight.dtype == torch.float32 for weight in encoder.parameters())
    image = torch.rand(1, 3, 70, 50, generator=Generator().manual_seed(1))
    near, exact = half.query(image), encoder.query(image)
    assert near.dtype == torch.float32 and not torch.equal(near, exact)
    torch.testing.assert_close(near, exact, atol=0.1, rtol=0)
