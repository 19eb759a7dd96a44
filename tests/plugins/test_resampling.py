"""Low resolution by matrices, as on a GPU, against torch's own interpolation, as on a CPU."""

import pytest
import torch
from torch import Generator

from restorekit.plugin.catalog import build_catalog, load_plugins

LOWRES = build_catalog(load_plugins()).degradation("lowres")


@pytest.mark.parametrize("size", [(64, 64), (96, 96), (48, 56), (33, 80), (200, 17)], ids=str)
@pytest.mark.parametrize("kind", [None, *LOWRES.kinds])
def test_matrices_give_the_same_picture_as_interpolation(kind, size):
    from restorekit_sr.lowres import reduce_and_enlarge_batch

    image = torch.rand((24, 3, *size), generator=Generator().manual_seed(0))
    drawn = LOWRES.draw(image.shape, Generator().manual_seed(1), kind=kind)
    drawn.severity[:8] = torch.tensor([1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 300.0])
    by_matrices = reduce_and_enlarge_batch(image, drawn.severity, drawn.places())
    assert float((by_matrices - LOWRES.apply(image, drawn)).abs().max()) < 1e-6
    assert torch.equal(by_matrices[0], image[0])
