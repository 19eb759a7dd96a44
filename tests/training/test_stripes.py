"""Laws of drawn lines: they lie over a picture and leave alone what is between them."""

import torch
from torch import Generator

from restorekit.training.stripes import lined, lines
from tests.scene import scene

PICTURE = scene(96, 128)


def test_lines_hide_a_part_of_a_picture_and_leave_the_rest():
    for seed in range(30):
        drawn = lined(PICTURE, Generator().manual_seed(seed))
        assert torch.equal(drawn, lined(PICTURE, Generator().manual_seed(seed)))
        assert drawn.shape == PICTURE.shape and float(drawn.min()) >= 0 and float(drawn.max()) <= 1
        changed = float((drawn != PICTURE).any(1).float().mean())
        assert 0.005 < changed < 0.9


def test_lines_follow_one_another_at_their_distance():
    for seed in range(5):
        cover = lines((64, 240), 0.0, 12.0, 2.0, Generator().manual_seed(seed))
        power = torch.fft.rfft(cover - cover.mean(1, keepdim=True)).abs().square().mean(0)
        assert abs(int(power[1:40].argmax()) + 1 - 240 / 12) <= 3


def test_upright_lines_are_alike_in_all_rows_and_leaning_ones_are_not():
    for seed in range(5):
        upright, leaning = (lines((64, 240), a, 12.0, 2.0, Generator().manual_seed(seed)) for a in (0.0, 0.8))
        assert upright.mean(0).std() > 1.5 * leaning.mean(0).std()
