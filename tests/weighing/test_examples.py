"""Laws of examples: pictures are laid on each other, and looked at where both show something."""

import pytest
import torch
import torch.nn.functional as F

from restorekit.errors import ImageError
from restorekit.weighing.examples import SIDE, Example, shift_between


def scene(height: int, width: int, seed: int = 0) -> torch.Tensor:
    coarse = torch.rand(1, 3, height // 6, width // 6, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


def noisy(image: torch.Tensor, seed: int = 1) -> torch.Tensor:
    return (image + 0.1 * torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))).clamp(0, 1)


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-5, 0), (7, 7)])
def test_a_shift_of_some_pixels_is_found_under_noise(shift):
    whole = scene(180, 160)
    (down, right), (height, width) = shift, (140, 120)
    before = noisy(whole[..., 20 : 20 + height, 20 : 20 + width])
    after = whole[..., 20 - down : 20 - down + height, 20 - right : 20 - right + width]
    assert shift_between(before, after) == shift
    pieces = Example(before, after).pieces(4)
    assert pieces.shift == shift
    assert float((pieces.before - pieces.after).abs().mean()) < 0.1  # the noise alone


def test_pictures_that_do_not_move_are_not_moved():
    flat = torch.full((1, 3, 64, 64), 0.4)
    assert shift_between(flat, noisy(flat)) == (0, 0)
    stripes = (torch.arange(64) % 4 < 2).float().expand(1, 3, 64, 64)
    assert shift_between(stripes, stripes) == (0, 0)


def test_a_small_pair_is_looked_at_whole_and_a_large_one_in_pieces():
    small, large = scene(240, 240), scene(400, 600)
    assert Example(noisy(small), small).pieces(4).before.shape == (1, 3, 240, 240)
    pieces = Example(noisy(large), large).pieces(4)
    assert pieces.before.shape == pieces.after.shape == (4, 3, SIDE, SIDE)
    assert not any(torch.equal(pieces.after[0], other) for other in pieces.after[1:])
    assert pieces.whole.shape == large.shape


def test_pieces_lie_where_pictures_differ():
    clean = scene(192, 960)
    before = torch.cat([clean[..., :384], noisy(clean)[..., 384:]], 3)
    pieces = Example(before, clean).pieces(2)
    assert (pieces.before - pieces.after).square().mean((1, 2, 3)).min() > 1e-3


def test_hidden_pixels_count_nothing():
    clean = scene(64, 64)
    before, visible = noisy(clean), torch.ones(1, 64, 64, dtype=torch.bool)
    visible[:, :32] = False
    other = before.clone()
    other[..., :32, :] = 0
    seen = [(p := Example(image, clean, visible).pieces(4)).seen(p.after - p.before) for image in (before, other)]
    assert torch.equal(*seen)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (scene(64, 64), scene(64, 66), "64x64 px, the one after 66x64; crop or scale"),
        (scene(30, 64), scene(30, 64), "64x30 px is too small; give 32x32"),
        (scene(64, 64), scene(64, 64), "are the same"),
        (torch.cat([scene(64, 64)] * 2), torch.cat([scene(64, 64)] * 2), "got 2"),
    ],
)
def test_what_is_no_example_is_refused_with_the_remedy(before, after, said):
    with pytest.raises(ImageError, match=said):
        Example(before, after).pieces(4)
