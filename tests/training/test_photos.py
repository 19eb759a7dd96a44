"""Laws of the photographs that are trained on."""

import pytest
import torch
from PIL import Image
from torch import Generator

from restorekit.errors import TrainingError
from restorekit.training.photos import Photos, jitter_colours


def test_a_share_of_the_patches_loses_its_colours_and_nothing_else():
    patches = torch.rand(64, 3, 8, 8, generator=Generator().manual_seed(0))
    jittered = jitter_colours(patches, Generator().manual_seed(1), share=0, grey=0.5)
    grey = torch.tensor([bool((p == p[:1]).all()) for p in jittered])
    assert 16 < grey.sum() < 48
    assert torch.equal(jittered[~grey], patches[~grey])
    red, green, blue = patches[grey].unbind(1)
    assert torch.allclose(jittered[grey][:, 0], 0.299 * red + 0.587 * green + 0.114 * blue)


def test_too_few_photographs_are_refused_with_the_number_needed(tmp_path):
    Image.new("RGB", (120, 120)).save(tmp_path / "one.png")
    with pytest.raises(TrainingError, match="at least 16"):
        Photos.load([tmp_path])
