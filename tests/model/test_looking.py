"""Laws of the looking: what was photographed decides, and nothing else in the file does."""

import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from restorekit.model.looking import COLOURS, coarse_noise, constant, graphic, live_box, look_at, many_coloured

SIZE = 32


def photograph(height=200, width=260, seed=0):
    """Smooth hills with a flat place and a detailed one; nowhere constant."""
    generator = Generator().manual_seed(seed)
    hills = F.interpolate(torch.rand(1, 3, 5, 6, generator=generator), (height, width), mode="bicubic")
    detail = F.interpolate(torch.rand(1, 3, height // 4, width // 4, generator=generator), (height, width))
    mask = (torch.arange(width) > width // 2).float()
    return rounded(0.2 + 0.5 * hills + 0.2 * mask * (detail - 0.5))


def rounded(image):
    return (255 * image.clamp(0, 1)).round() / 255


def noisy(image, sigma, seed=1):
    return image + sigma / 255 * torch.randn(image.shape, generator=Generator().manual_seed(seed))


def framed(image, pads, colour, sigma=0.0):
    """A picture on a larger ground. pads: left, right, top, bottom."""
    ground = F.pad(torch.zeros_like(image[:, :1]), pads, value=1.0)
    whole = F.pad(image, pads) + ground * colour
    return rounded(torch.where(ground > 0, noisy(whole, sigma, 2), whole))


def blur(image):
    """By a Gaussian of about 1 px."""
    kernel = torch.tensor([1.0, 4, 6, 4, 1]) / 16
    padded = F.pad(image, (2, 2, 2, 2), mode="reflect")
    return F.conv2d(padded, (kernel[:, None] * kernel).expand(3, 1, 5, 5), groups=3)


def text(height=96, width=96):
    """Black strokes on white with softened edges, as letters are drawn."""
    generator = Generator().manual_seed(3)
    fine = F.interpolate(
        (torch.rand(1, 1, height // 6, width // 6, generator=generator) > 0.8).float(), (height, width)
    )
    grey = fine.clone()
    grey[..., 1:] = torch.maximum(grey[..., 1:], 0.5 * fine[..., :-1])  # one soft column on the right
    return rounded(1 - grey).expand(1, 3, -1, -1)


def halftone(height=96, width=96):
    ramp = torch.linspace(0, 1, width).expand(1, 3, height, width)
    return (ramp > torch.rand(1, 1, height, width, generator=Generator().manual_seed(4))).float()


@pytest.mark.parametrize("pads", [(60, 60, 60, 60), (0, 0, 40, 40), (80, 0, 0, 24)], ids=str)
@pytest.mark.parametrize(("colour", "sigma"), [(0.0, 0), (1.0, 0), (0.5, 0), (0.94, 1.0)])
def test_the_grid_lies_within_margins_of_any_colour(pads, colour, sigma):
    left, right, top, bottom = pads
    whole = framed(noisy(photograph(), 25), pads, colour, sigma)
    height, width = whole.shape[-2:]
    box = live_box(whole, SIZE)
    edges = (top, height - bottom, left, width - right)
    inward = (1, -1, 1, -1)
    assert all(0 <= sign * (found - edge) < 8 for found, edge, sign in zip(box, edges, inward, strict=True)), box
    as_file = (255 * whole).round().to(torch.uint8)
    assert live_box(as_file, SIZE) == box


def test_a_photograph_without_margins_is_live_to_its_edges():
    for image in (photograph(), rounded(noisy(photograph(), 25))):
        assert live_box(image, SIZE) == (0, 200, 0, 260)


def test_a_picture_that_is_one_colour_is_live_as_a_whole_and_holds_nothing_to_restore():
    for value in (0.0, 0.5, 1.0):
        image = torch.full((1, 3, 120, 90), value)
        assert live_box(image, SIZE) == (0, 120, 0, 90)
        assert look_at(image, SIZE, 9).blank


def test_a_slit_of_a_picture_is_looked_at_with_crops_of_full_size():
    whole = framed(noisy(photograph(200, 260), 25)[..., :12, :], (0, 0, 100, 100), 0.0)
    top, bottom, left, right = live_box(whole, SIZE)
    assert bottom - top == SIZE and top <= 100 and bottom >= 112 and (left, right) == (0, 260)


def test_constant_cells_are_not_looked_at():
    image = noisy(photograph(400, 400), 10)
    image[..., 100:300, 100:300] = 1.0  # a window in its middle, so that no edge is margin
    look = look_at(rounded(image), SIZE, 25)
    assert not look.blank and 0 < len(look.crops) < 25 and not bool(constant(look.crops).any())


def test_what_is_transparent_is_not_looked_at():
    image = photograph(300, 300)
    image[..., :150] = rounded(noisy(image[..., :150], 40))
    visible = torch.zeros(300, 300, dtype=torch.bool)
    visible[:, 160:] = True
    seen = look_at(image, SIZE, 9, visible).crops
    alone = look_at(image[..., 160:], SIZE, 9).crops
    assert torch.equal(seen, alone)


@pytest.mark.parametrize(
    "drawn", [text(), halftone(), text().flip(3) * 0.7, 1 - text()], ids=("text", "halftone", "dim", "white")
)
def test_graphics_hold_nothing_to_restore_until_something_happens_to_them(drawn):
    assert graphic(drawn).all() and look_at(drawn, SIZE, 9).blank
    blurred = blur(drawn)
    for harmed in (noisy(drawn, 4), blurred):
        assert not graphic(rounded(harmed)).any() and not look_at(rounded(harmed), SIZE, 9).blank


def test_photographs_are_no_graphics():
    for image in (photograph(), photograph().mean(1, keepdim=True).expand(-1, 3, -1, -1), noisy(photograph(), 3)):
        assert not look_at(rounded(image), SIZE, 9).blank


def test_coarse_noise_is_told_from_white_noise_and_from_blur():
    smooth = 0.3 + 0.4 * torch.linspace(0, 1, 96).expand(9, 3, 96, 96)
    white = noisy(smooth, 12)
    wide = blur(white - smooth)
    coarse = smooth + wide / wide.std() * 12 / 255
    detailed = torch.rand(9, 3, 24, 24, generator=Generator().manual_seed(5))
    blurred = F.interpolate(detailed, (96, 96), mode="bicubic") * smooth  # calm where it is dark
    assert coarse_noise(coarse) and coarse_noise(coarse * 0.5)
    assert not coarse_noise(white) and not coarse_noise(smooth) and not coarse_noise(blurred * (smooth > 0.4))


@pytest.mark.parametrize("count", [1, 2, COLOURS, COLOURS + 1, 40])
def test_colours_are_many_from_one_more_than_a_palette_has_wherever_they_are(count):
    generator = Generator().manual_seed(count)
    palette = torch.randperm(256, generator=generator)[:count].float() / 255
    spread = palette[torch.randint(count, (96, 96), generator=generator)]
    corner = torch.full((96, 96), float(palette[0]))  # all but one colour in few pixels
    corner[:24, :24] = palette[torch.arange(24 * 24) // 2 % count].view(24, 24)
    crops = torch.stack([spread, corner]).unsqueeze(1).expand(-1, 3, -1, -1)
    seen = [crop[0, ::2, ::2].unique().numel() for crop in crops]
    assert many_coloured(crops).tolist() == [n > COLOURS for n in seen]
