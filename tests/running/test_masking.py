"""Laws of masks: white is restored, black is untouched bit for bit, grey is between, and no edge sees a seam."""

import pytest
import torch
from PIL import Image

import restorekit
from restorekit.errors import ImageError, RestorekitError
from restorekit.image.masks import MOST_FEATHER, feathered
from restorekit.running.passing import enlarge
from restorekit.weighing import Wish

HOW = {"weights": {"noise": 1.0, "blur": 0.7}, "blind": False}
HEIGHT, WIDTH = 40, 48


def picture(dtype=torch.float32):
    made = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    if dtype == torch.float32:
        return made
    return (made * {torch.uint8: 255, torch.uint16: 65535}[dtype]).to(torch.int32).to(dtype)


def numbers(image):
    return image if image.is_floating_point() else image.to(torch.int32)


def mask(left=1.0, right=0.0):
    made = torch.full((HEIGHT, WIDTH), float(left))
    made[:, WIDTH // 2 :] = right
    return made


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.uint16])
@pytest.mark.parametrize("scale", [1, 2])
def test_white_is_restored_and_black_untouched_bit_for_bit(restorer, dtype, scale):
    image, half = picture(dtype), scale * WIDTH // 2
    whole = numbers(restorer.restore(image, dtype=dtype, scale=scale, **HOW).image)
    masked = numbers(restorer.restore(image, dtype=dtype, scale=scale, mask=mask(), **HOW).image)
    untouched = restorer.restore(image, dtype=dtype, scale=scale, weights={}, blind=False).image
    edge = scale - 1  # bilinear enlargement is grey up to half a pixel from an edge
    assert torch.equal(masked[..., : half - edge], whole[..., : half - edge])
    assert torch.equal(masked[..., half + edge :], numbers(untouched)[..., half + edge :])
    if scale == 1:
        assert torch.equal(masked[..., half:], numbers(image)[..., half:])
    assert not torch.equal(masked[..., :half], numbers(untouched)[..., :half])


def test_grey_is_restored_by_that_share(restorer):
    image = picture()
    whole = restorer.restore(image, **HOW).image
    blended = restorer.restore(image, mask=mask(0.25, 0.75), **HOW).image
    share = mask(0.25, 0.75)[None, None]
    assert torch.allclose(blended, share * whole + (1 - share) * image, atol=1e-6)


def test_a_basis_acts_where_its_mask_is_white_and_the_others_everywhere(restorer):
    image = picture(torch.uint16)
    both = numbers(restorer.restore(image, **HOW).image)
    blur = numbers(restorer.restore(image, weights={"blur": 0.7}, blind=False).image)
    half = WIDTH // 2
    masked = numbers(restorer.restore(image, mask={"noise": mask()}, **HOW).image)
    assert torch.equal(masked[..., :half], both[..., :half]) and torch.equal(masked[..., half:], blur[..., half:])
    assert not torch.equal(both, blur)


def test_masks_of_several_bases_and_of_all_meet_pixel_by_pixel(restorer):
    """Each quarter of the picture has the mixture that its masks leave."""
    image, top = picture(), torch.zeros(HEIGHT, WIDTH)
    top[: HEIGHT // 2] = 1
    masked = restorer.restore(image, mask={"noise": mask(), "blur": top, "": mask(1, 0.5)}, **HOW).image
    for rows, blur in ((slice(0, HEIGHT // 2), 0.7), (slice(HEIGHT // 2, None), 0.0)):
        for columns, noise, share in ((slice(0, WIDTH // 2), 1.0, 1.0), (slice(WIDTH // 2, None), 0.0, 0.5)):
            alone = restorer.restore(image, weights={"noise": noise, "blur": blur}, blind=False).image
            wanted = image.lerp(alone, share)[..., rows, columns]
            assert torch.allclose(masked[..., rows, columns], wanted, atol=1e-6)


def test_only_mixtures_that_some_pixel_gets_are_made_and_progress_counts_them_as_one(restorer):
    image, told, made = picture(), [], []
    specialise = restorer.mixer.specialise
    restorer.mixer.specialise = lambda mixture: made.append(mixture) or specialise(mixture)
    masks = {"noise": mask(), "blur": mask(0, 1), "rain": mask(0.5, 0.5), "jpeg": mask(1, 1)}
    restorer.restore(image, mask=masks, progress=lambda *count: told.append(count), **HOW)
    assert [part.active for part in made] == [{"noise": 1}, {"blur": 0.7}]
    assert told == [(1, 2), (2, 2)]
    restorer.restore(image, mask={"noise": 0 * mask(), "blur": 1 + 0 * mask()}, **HOW)
    assert made[-1].active == {"blur": 0.7} and len(made) == 3


def test_nothing_is_done_under_a_black_mask(restorer):
    result = restorer.restore(picture(), mask=torch.zeros(1, HEIGHT, WIDTH, dtype=torch.bool), scale=2)
    assert torch.equal(result.image, enlarge(picture(), 2)) and not result.weights[0].active


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.uint16])
def test_a_mask_may_be_of_any_type_and_each_picture_of_a_batch_has_its_own(restorer, dtype):
    image = picture().repeat(2, 1, 1, 1)
    rows = torch.stack([mask(), mask(0, 1)])
    peak = {torch.bool: 1, torch.uint8: 255, torch.uint16: 65535}[dtype]
    given = restorer.restore(image, mask=(rows * peak).to(torch.int32).to(dtype), **HOW).image
    assert torch.equal(given, restorer.restore(image, mask=rows, **HOW).image)
    half = WIDTH // 2
    assert torch.equal(given[0, ..., half:], image[0, ..., half:])
    assert torch.equal(given[1, ..., :half], image[1, ..., :half])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (torch.ones(WIDTH, HEIGHT), "turn it"),
        (torch.ones(HEIGHT, WIDTH + 1), "49x40, the picture 48x40; scale it"),
        (torch.full((HEIGHT, WIDTH), 255.0), "scale them into"),
        (torch.full((HEIGHT, WIDTH), float("nan")), "scale them into"),
        (torch.ones(HEIGHT, WIDTH, dtype=torch.int64), "give booleans"),
        (torch.ones(3, HEIGHT, WIDTH), "batch of 1"),
        ({"nose": torch.ones(HEIGHT, WIDTH)}, "did you mean noise"),
        ({"noise": [1, 0]}, "mask of noise must be a tensor"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused_with_the_remedy(restorer, given, said):
    with pytest.raises(RestorekitError, match=said):
        restorer.restore(picture(), mask=given, **HOW)


def test_an_image_of_pil_may_have_a_mask_and_a_wish(restorer):
    image = Image.effect_noise((WIDTH, HEIGHT), 60).convert("RGB")
    drawn = Image.new("1", image.size)
    drawn.paste(1, (0, 0, WIDTH // 2, HEIGHT))
    wish = Wish(only=("noise",), set={"noise": 1})
    whole = restorekit.restore_pil(image, restorer=restorer, wish=wish)
    masked = restorekit.restore_pil(image, restorer=restorer, wish=wish, mask=drawn)
    left, right = (0, 0, WIDTH // 2, HEIGHT), (WIDTH // 2, 0, WIDTH, HEIGHT)
    assert masked.crop(left).tobytes() == whole.crop(left).tobytes() != image.crop(left).tobytes()
    assert masked.crop(right).tobytes() == image.crop(right).tobytes()


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.uint16])
@pytest.mark.parametrize("feather", [1, 7, MOST_FEATHER])
def test_a_feathered_edge_falls_from_white_to_black_and_is_exact_beyond(dtype, feather):
    half = feather + 5
    edge = torch.zeros(9, 2 * half)
    edge[:, :half] = 1
    peak = {torch.float32: 1, torch.uint8: 255, torch.uint16: 65535}[dtype]
    soft = feathered((edge * peak).to(torch.int32).to(dtype), feather)
    assert (soft[:, :5] == 1).all() and (soft[:, -5:] == 0).all()
    fade = soft[:, 5:-5]
    assert ((fade > 0) & (fade < 1)).all() and (fade.diff(dim=1) < 0).all() and (soft == soft[:1]).all()
    assert torch.allclose(soft, 1 - soft.flip(1), atol=1e-6)


def test_a_feather_of_0_leaves_a_mask_alone_and_others_out_of_range_are_refused():
    hard = mask()
    assert feathered(hard, 0) is hard
    for feather in (-1, MOST_FEATHER + 1):
        with pytest.raises(ImageError, match=f"0 to {MOST_FEATHER} pixels, got {feather}"):
            feathered(hard, feather)


def test_beyond_its_feather_a_mask_restores_all_or_nothing_bit_for_bit(restorer):
    image, half = picture(torch.uint16), WIDTH // 2
    whole = numbers(restorer.restore(image, **HOW).image)
    soft = numbers(restorer.restore(image, mask=feathered(mask(), 6), **HOW).image)
    assert torch.equal(soft[..., half + 6 :], numbers(image)[..., half + 6 :])
    assert torch.equal(soft[..., : half - 6], whole[..., : half - 6])
    inside = slice(half, half + 4)
    assert not torch.equal(soft[..., inside], numbers(image)[..., inside])
