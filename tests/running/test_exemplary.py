"""Laws of a restorer that is shown what to do: it finds again what it did itself, and follows a wish."""

from pathlib import Path

import pytest
import torch

from restorekit.composition import Step
from restorekit.errors import ImageError
from restorekit.image import as_float, as_values, read_image
from restorekit.running.restorer import Restorer

SAMPLE = Path(__file__).parents[2] / "benchmarks" / "samples" / "clean.jpg"
PICTURE = 0.2 + 0.6 * torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint16])
def test_a_mixture_that_restored_a_picture_is_found_again(restorer, dtype):
    weights = {"noise": 1.0, "rain": 0.4}
    before = as_values(PICTURE, dtype)
    after = restorer.restore(before, weights=weights, blind=False).image
    match = restorer.by_example([(before, after)])
    made = restorer.restore(before, weights=match.mixture.values, blind=False, dtype=torch.float32).image
    assert match.explained > 0.99
    assert (made - as_float(after)).square().sum() < 0.01 * (as_float(after) - as_float(before)).square().sum()


def test_examples_after_each_other_are_one_wish(restorer):
    pictures = [PICTURE, PICTURE.flip(3)]
    afters = [restorer.restore(image, weights={"jpeg": 1.0}, blind=False).image for image in pictures]
    match = restorer.by_example(list(zip(pictures, afters, strict=True)))
    assert match.mixture.active == {"jpeg": 1.0} and match.shifts == ((0, 0), (0, 0))


def test_a_shifted_example_says_the_same(restorer):
    weights = {"noise": 1.0}
    after = restorer.restore(PICTURE, weights=weights, blind=False).image
    match = restorer.by_example([(PICTURE[..., :46, :46], after[..., 2:, 1:47])])
    assert match.shifts == ((-2, -1),) and match.mixture["noise"] > 0.8


def test_hidden_colours_say_nothing(restorer):
    visible = torch.ones(1, 48, 48, dtype=torch.bool)
    visible[:, :8] = False
    after = restorer.restore(PICTURE, weights={"noise": 1.0}, blind=False, visible=visible).image
    odd = after.clone()
    odd[..., :8, :] = 0
    same = [restorer.by_example([(PICTURE, image)], [visible]) for image in (after, odd)]
    assert same[0] == same[1]


def test_no_example_and_a_bad_one_are_refused(restorer):
    with pytest.raises(ImageError, match="no example"):
        restorer.by_example([])
    with pytest.raises(ImageError, match=r"example 2: .* are the same"):
        restorer.by_example([(PICTURE, 1 - PICTURE), (PICTURE, PICTURE)])
    with pytest.raises(ImageError, match="NaN"):
        restorer.by_example([(PICTURE, PICTURE / 0)])


def test_rain_gone_and_grain_kept_is_learnt_from_one_pair_and_beats_the_encoder():
    """On the shipped weights; the pair is one part of a picture, the score is that of another."""
    shipped = Restorer.from_pretrained(device="cpu", precision="fp32")
    clean = read_image(SAMPLE).rgb
    pairs = []
    for seed, left in enumerate((60, 260)):
        image = before = clean[..., 60:156, left : left + 96]
        for name, severity in (("rain", 18), ("noise", 20)):
            degradation = shipped.catalog.degradation(name)
            step = Step.draw(degradation, image.shape, torch.Generator().manual_seed(seed), severity=severity)
            before = step.apply(before)
            image = step.apply(image) if name == "noise" else image
        pairs.append((before.clamp(0, 1), image.clamp(0, 1)))
    match = shipped.by_example(pairs[:1])
    other, wish = pairs[1]

    def error(**options) -> float:
        return float((shipped.restore(other, **options).image - wish).square().mean().log10() * 10)

    found = error(weights=match.mixture.values, blind=False)
    assert found < error(weights={"rain": 1.0}, blind=False) + 0.2
    assert found < error() - 1
    assert match.explained > 0.5
