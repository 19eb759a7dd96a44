"""Laws of colours under transparency: they decide nothing, bleed into nothing, and come back."""

import pytest
import torch
from torch import Generator

from restorekit.image import as_float, as_values
from restorekit.image.hidden import RIM, fill_hidden, give_back_hidden
from restorekit.running.restorer import Restorer

TYPES = (torch.float32, torch.uint8, torch.uint16)


def disc(height=45, width=38):
    """A cut-out: visible within an ellipse."""
    down, across = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)
    return down**2 + across**2 < 0.5


def picture(dtype=torch.float32, seed=0, size=(45, 38)):
    image = 0.2 + 0.3 * torch.rand(1, 3, *size, generator=Generator().manual_seed(seed))
    return as_values(image, dtype)


def with_hidden(image, visible, value):
    """The picture with a colour of 0 or of white where it is hidden."""
    peak = {torch.uint8: 255, torch.uint16: 65535, torch.float32: 1}[image.dtype]
    values = torch.where(visible, as_float(image).double() * peak, torch.tensor(float(value * peak)))
    return values.round().to(torch.int32).to(image.dtype) if peak > 1 else values.float()


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_what_is_visible_stays_bit_for_bit_and_what_is_hidden_is_filled_from_it_alone(dtype):
    image, visible = picture(dtype), disc()
    black, white = (fill_hidden(with_hidden(image, visible, value), visible) for value in (0, 1))
    assert black.dtype == dtype and torch.equal(as_float(black), as_float(white))
    assert torch.equal(as_float(black)[..., visible], as_float(image)[..., visible])
    hidden = as_float(black)[..., ~visible]
    assert float(hidden.min()) > 0.19 and float(hidden.max()) < 0.51


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_the_visible_is_mirrored_along_the_rim_with_its_noise(dtype):
    image, visible = picture(dtype, size=(90, 40)), torch.zeros(90, 40, dtype=torch.bool)
    visible[:45] = True
    filled = as_float(fill_hidden(with_hidden(image, visible, 1), visible))
    assert torch.equal(filled[..., 45 : 45 + RIM, :], as_float(image)[..., 45 - RIM : 45, :].flip(2))
    assert filled[..., 45 + RIM + 8 :, :].std(dim=(2, 3)).max() < 0.3 * filled[..., :45, :].std(dim=(2, 3)).min()


def test_what_is_too_narrow_to_be_mirrored_is_repeated():
    image, visible = picture(), torch.zeros(45, 38, dtype=torch.bool)
    visible[20, 10] = True
    filled = fill_hidden(with_hidden(image, visible, 1), visible)
    assert torch.allclose(filled, image[..., 20:21, 10:11].expand_as(filled))


def test_a_picture_with_nothing_visible_stays_as_it_is():
    image = picture()
    assert torch.equal(fill_hidden(image, torch.zeros(45, 38, dtype=torch.bool)), image)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("scale", [1, 3])
def test_hidden_colours_come_back_where_nothing_visible_is_near(dtype, scale):
    original, visible = with_hidden(picture(dtype), disc(), 1), disc()
    restored = picture(dtype, 1, (45 * scale, 38 * scale))
    before = restored.clone()
    after = give_back_hidden(restored, original, visible, scale)
    large = visible.repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    assert torch.equal(as_float(after)[..., large], as_float(before)[..., large])
    assert torch.equal(as_float(after)[..., 0, 0], torch.ones(1, 3))
    if scale == 1:
        assert torch.equal(as_float(after)[..., ~visible], as_float(original)[..., ~visible])


@pytest.mark.parametrize("scale", [1, 2])
def test_a_cut_out_is_restored_alike_whatever_lies_hidden(tiny, scale):
    restorer, visible = Restorer.from_pretrained(device="cpu"), disc(120, 130)
    image = picture(torch.uint8, 2, (120, 130))
    results = [
        restorer.restore(with_hidden(image, visible, value), scale=scale, visible=visible[None])
        for value in (0, 1)
    ]
    assert results[0].weights == results[1].weights
    assert any(results[0].weights[0].values.values())
    large = visible.repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    assert torch.equal(results[0].image[..., large], results[1].image[..., large])
    assert [int(result.image[0, 0, 0, 0]) for result in results] == [0, 255]


def test_a_mask_of_another_shape_or_type_is_refused_with_the_remedy(tiny):
    from restorekit.errors import ImageError

    restorer, image = Restorer.from_pretrained(device="cpu"), picture()
    for wrong in (disc(), disc()[None].float(), [True]):
        with pytest.raises(ImageError, match="alpha > 0"):
            restorer.restore(image, visible=wrong)
