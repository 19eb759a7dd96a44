"""Laws of the contact sheet."""

from __future__ import annotations

import torch

from restorekit.bench.sheet import GAP, arrange, padded
from restorekit.bench.strips import CROP


def test_cells_come_in_rows_and_the_last_row_is_filled_with_white():
    reds, greens = (torch.zeros(1, 3, 10, 20).index_fill_(1, torch.tensor(i), 1.0) for i in (0, 1))
    sheet = arrange([reds, greens, reds], 2)
    assert sheet.shape == (1, 3, 2 * (10 + GAP), 2 * (20 + GAP))
    assert sheet[0, :, 0, 0].tolist() == [1, 0, 0] and sheet[0, :, 0, 20 + GAP].tolist() == [0, 1, 0]
    assert torch.all(sheet[..., 10 + GAP :, 20 + GAP :] == 1)


def test_a_small_picture_is_padded_with_white():
    small = padded(torch.zeros(1, 3, 8, 9))
    assert small.shape[-2:] == (CROP, CROP) and small[..., :8, :9].max() == 0 and small[..., 8:, :].min() == 1
