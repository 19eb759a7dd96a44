"""Laws of the photographs that are trained on."""

import pytest
import torch
from PIL import Image
from torch import Generator

from restorekit.errors import TrainingError
from restorekit.training.photos import Photos, jitter_colours, softened


def test_a_share_of_the_patches_loses_its_colours_and_nothing_else():
    patches = torch.rand(64, 3, 8, 8, generator=Generator().manual_seed(0))
    jittered = jitter_colours(patches, Generator().manual_seed(1), share=0, grey=0.5)
    grey = torch.tensor([bool((p == p[:1]).all()) for p in jittered])
    assert 16 < grey.sum() < 48
    assert torch.equal(jittered[~grey], patches[~grey])
    red, green, blue = patches[grey].unbind(1)
    assert torch.allclose(jittered[grey][:, 0], 0.299 * red + 0.587 * green + 0.114 * blue)


def test_softened_photographs_show_their_middles_larger_and_none_enlarged_once_is_as_it_was():
    patches = torch.rand(2, 3, 32, 48, generator=Generator().manual_seed(0))
    assert torch.allclose(softened(patches, 1.0), patches, atol=1e-6)
    twice = softened(patches, 2.0)
    assert twice.shape == patches.shape
    assert float(twice.min()) >= 0 and float(twice.max()) <= 1
    assert float(twice.diff(dim=-1).abs().mean()) < 0.7 * float(patches.diff(dim=-1).abs().mean())
    bright = torch.zeros(1, 3, 32, 48)
    bright[..., 8:24, 12:36] = 1.0  # the middle
    assert float(softened(bright, 2.0).mean()) > 0.95


def test_too_few_photographs_are_refused_with_the_number_needed(tmp_path):
    Image.new("RGB", (120, 120)).save(tmp_path / "one.png")
    with pytest.raises(TrainingError, match="at least 16"):
        Photos.load([tmp_path])
