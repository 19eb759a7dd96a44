"""Laws of looks: at 0 nothing changes, a seed is a picture, the way is straight, and no piece shows."""

from dataclasses import replace

import pytest
import torch

from restorekit.errors import MixingError
from restorekit.model.basis import LoraLayer
from restorekit.model.flow import LookFlow
from restorekit.plugin.loading import LoadedLook
from restorekit.running.look import Looks, noise_of
from restorekit.running.passing import Pass, enlarge
from tests.tiny import FLOW

HOW = {"weights": {"noise": 1.0, "blur": 0.7}, "blind": False}
HEIGHT, WIDTH = 72, 90


def picture(height=HEIGHT, width=WIDTH, dtype=torch.float32):
    made = 0.2 + 0.6 * torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    if dtype == torch.float32:
        return made
    return (made * {torch.uint8: 255, torch.uint16: 65535}[dtype]).to(torch.int32).to(dtype)


def numbers(image):
    return image if image.is_floating_point() else image.to(torch.int32)


def half_white(height=HEIGHT, width=WIDTH):
    made = torch.ones(height, width)
    made[:, width // 2 :] = 0
    return made


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.uint16])
def test_a_look_of_0_is_the_restored_picture_bit_for_bit_whatever_the_seed(restorer, dtype):
    image = picture(dtype=dtype)
    plain = restorer.restore(image, **HOW).image
    assert torch.equal(numbers(restorer.restore(image, look=0.0, seed=9, **HOW).image), numbers(plain))
    assert torch.equal(numbers(restorer.restore(image, look={FLOW: 0}, **HOW).image), numbers(plain))


def test_the_same_seed_is_the_same_picture_and_another_one_is_another(restorer):
    image = picture()
    one, again, other = (restorer.restore(image, look=0.5, seed=seed, **HOW).image for seed in (7, 7, 8))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_the_way_from_the_restored_picture_grows_in_proportion(restorer):
    image = picture()
    plain = restorer.restore(image, **HOW).image
    full = restorer.restore(image, look=1.0, **HOW).image - plain
    inside = (plain + full > 0.01) & (plain + full < 0.99) & (plain > 0.01) & (plain < 0.99)
    assert inside.float().mean() > 0.3
    for amount in (0.25, 0.5, 0.75):
        part = restorer.restore(image, look=amount, **HOW).image - plain
        assert torch.allclose(part[inside], amount * full[inside], atol=1e-5)
        assert float(part.abs().mean()) > 0.005


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_flow_of_a_zero_basis_stands_still_in_any_number_of_steps(restorer, steps):
    layers = restorer.looks.mixer.bases[FLOW]
    still = {name: LoraLayer(layer.down, torch.zeros_like(layer.up)) for name, layer in layers.items()}
    looks = Looks.of({FLOW: LoadedLook(still, LookFlow(0.05), {})}, restorer.backbone, restorer.passing)
    base = picture()
    found = looks.given(looks.wanted(0.5, steps, 3), base, torch.float32, Pass(1, 1000))
    noise = noise_of(0.05, 3)(slice(0, HEIGHT), slice(0, WIDTH))
    assert torch.allclose(found, base + 0.5 * noise, atol=1e-6)


def test_more_steps_are_another_way_and_eight_are_the_default(restorer):
    image = picture()
    default, eight, one = (restorer.restore(image, look=0.5, steps=n, **HOW).image for n in (None, 8, 1))
    assert torch.equal(default, eight) and not torch.equal(eight, one)


@pytest.mark.parametrize(("height", "width"), [(600, 90), (200, 501), (331, 233)])
@pytest.mark.parametrize("steps", [1, 4])
def test_strips_and_columns_give_what_one_piece_gives(restorer, height, width, steps):
    image = picture(height, width)
    whole = restorer.restore(image, look=0.8, steps=steps, tile=1000, **HOW).image
    pieces = restorer.restore(image, look=0.8, steps=steps, tile=1, **HOW).image
    assert float((whole - pieces).abs().max()) < 1e-5


def test_strips_are_narrower_than_the_picture_in_that_test(restorer):
    """Else the equality above would prove nothing."""
    told = []
    restorer.restore(
        picture(200, 501), look=0.8, steps=1, tile=1, **HOW, progress=lambda *piece: told.append(piece)
    )
    assert len(told) > 6 and told[-1][0] == told[-1][1] and told == sorted(told)


def test_tiles_of_a_network_that_does_not_stream_give_what_one_piece_gives(restorer):
    passing = replace(restorer.passing, facts=replace(restorer.backbone.facts, streams=False))
    looks = replace(restorer.looks, passing=passing)
    base, told = picture(364, 340), []
    look = looks.wanted(0.9, 3, 0)
    whole = looks.given(look, base, torch.float32, Pass(1, 1000))
    tiled = looks.given(look, base, torch.float32, Pass(1, 1, progress=lambda *piece: told.append(piece)))
    assert len(told) > 3 and told == sorted(told) and told[-1][0] == told[-1][1]
    assert float((whole - tiled).abs().max()) < 1e-5 and float((whole - base).abs().mean()) > 0.01
    streamed = restorer.looks.given(look, base, torch.float32, Pass(1, 1000))
    assert float((whole - streamed).abs().max()) < 1e-5  # whose sides are on the grid


def test_the_noise_is_that_of_its_place_and_normal():
    noise = noise_of(0.05, 4)
    whole = noise(slice(0, 300), slice(0, 200))
    assert torch.equal(noise(slice(63, 200), slice(5, 130)), whole[:, :, 63:200, 5:130])
    assert whole.std().item() == pytest.approx(0.05, rel=0.02) and abs(whole.mean().item()) < 5e-4
    corner = noise_of(0.05, 4, (63, 5))(slice(0, 137), slice(0, 125))
    assert torch.equal(corner, whole[:, :, 63:200, 5:130])
    flat = whole.flatten(2)[0]
    assert (torch.corrcoef(flat) - torch.eye(3)).abs().max() < 0.02  # channels know nothing of each other


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.uint16])
@pytest.mark.parametrize("scale", [1, 2])
def test_black_of_a_mask_is_untouched_bit_for_bit(restorer, dtype, scale):
    image = picture(dtype=dtype)
    masked = restorer.restore(image, dtype=dtype, look=1.0, scale=scale, mask=half_white(), **HOW).image
    untouched = restorer.restore(image, dtype=dtype, scale=scale, weights={}, blind=False).image
    whole = restorer.restore(image, dtype=dtype, look=1.0, scale=scale, **HOW).image
    half, edge = scale * WIDTH // 2, scale - 1
    assert torch.equal(numbers(masked)[..., half + edge :], numbers(untouched)[..., half + edge :])
    assert torch.equal(numbers(masked)[..., : half - edge], numbers(whole)[..., : half - edge])


def test_where_no_basis_acts_a_look_does_not_either(restorer):
    image = picture(dtype=torch.uint8)
    masks = {"noise": half_white(), "blur": half_white()}
    found = restorer.restore(image, look=1.0, mask=masks, **HOW).image
    assert torch.equal(found[..., WIDTH // 2 :], image[..., WIDTH // 2 :])
    everywhere = restorer.restore(image, look=1.0, mask={"noise": half_white()}, **HOW).image
    assert not torch.equal(everywhere[..., WIDTH // 2 :], image[..., WIDTH // 2 :])
    black = {"noise": 0 * half_white(), "blur": 0 * half_white()}
    assert torch.equal(restorer.restore(image, look=1.0, mask=black, **HOW).image, image)


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.uint16])
def test_a_picture_that_needs_nothing_comes_back_bit_for_bit(restorer, dtype):
    image = picture(dtype=dtype)
    assert torch.equal(numbers(restorer.restore(image, weights={}, blind=False, look=1.0).image), numbers(image))
    assert torch.equal(numbers(restorer.restore(image, guidance=0, look=1.0, **HOW).image), numbers(image))
    enlarged = restorer.restore(image, weights={}, blind=False, look=1.0, scale=2, dtype=torch.float32).image
    assert torch.equal(enlarged, enlarge(image, 2))


def test_the_look_is_of_the_enlarged_picture_and_the_hidden_colours_stay(restorer):
    image, visible = picture(dtype=torch.uint8), torch.ones(1, HEIGHT, WIDTH, dtype=torch.bool)
    visible[..., :30] = False
    found = restorer.restore(image, look=1.0, visible=visible, **HOW).image
    assert torch.equal(found[..., :30], image[..., :30])
    assert restorer.restore(image, look=1.0, visible=visible, scale=2, **HOW).image.shape == (1, 3, 144, 180)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_8_and_16_bits_are_the_floating_picture_rounded(restorer, dtype):
    image = picture(dtype=dtype)
    floating = restorer.restore(image, look=0.6, dtype=torch.float32, **HOW).image
    peak = {torch.uint8: 255, torch.uint16: 65535}[dtype]
    own = restorer.restore(image, look=0.6, **HOW).image
    assert own.dtype == dtype
    assert float((numbers(own) / peak - floating).abs().max()) < 0.6 / 255


def test_a_batch_is_its_pictures_one_by_one(restorer):
    two = torch.cat([picture(), picture().flip(3)])
    batch = restorer.restore(two, look=0.5, **HOW).image
    for i in range(2):
        assert torch.equal(batch[i : i + 1], restorer.restore(two[i : i + 1], look=0.5, **HOW).image)


def test_an_ensemble_averages_the_restored_picture_alone(restorer):
    image = picture()
    mean = restorer.restore(image, ensemble=True, **HOW).image
    looks = restorer.looks
    expected = looks.given(looks.wanted(0.5, seed=2), mean, torch.float32, Pass(1, 1000))
    found = restorer.restore(image, ensemble=True, look=0.5, seed=2, **HOW).image
    assert torch.allclose(found, expected, atol=1e-6)


def test_the_mixture_does_not_see_the_look(restorer):
    assert FLOW not in restorer.bases and FLOW not in restorer.mixer.bases and FLOW not in restorer.catalog.bases
    assert restorer.looks.names == (FLOW,) == tuple(restorer.catalog.looks)
    assert FLOW not in restorer.inspect(picture())[0].weights.values
    assert not any(name.startswith(("look", "basis look")) for name in restorer.provenance())


@pytest.mark.parametrize("asked", [{"weights": {FLOW: 0.5}}, {"mask": {FLOW: half_white()}}])
def test_a_look_in_the_place_of_a_basis_is_refused_with_the_way_to_give_it(restorer, asked):
    with pytest.raises(MixingError, match=r"--look 0\.5"):
        restorer.restore(picture(), **{"blind": False, **asked})


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"look": 1.1}, "from 0 to 1"),
        ({"look": -0.1}, "from 0 to 1"),
        ({"look": float("nan")}, "from 0 to 1"),
        ({"look": True}, "from 0 to 1"),
        ({"look": {"films": 0.5}}, "no look films"),
        ({"look": {FLOW: 0.5, "film": 0.5}}, "one look at a time"),
        ({"look": 0.5, "seed": 1.5}, "whole number"),
    ],
)
def test_a_look_that_makes_no_sense_is_refused(restorer, asked, said):
    with pytest.raises(MixingError, match=said):
        restorer.restore(picture(), **asked)
