"""A tiny encoder and a picture, for the laws of weighing."""

import pytest
import torch
from torch import Generator

from restorekit.model.encoder import DegradationEncoder, EncoderConfig


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return DegradationEncoder(EncoderConfig(32, 2, (8, 8, 8, 8), 8, (1, 0, 1), 0)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def image():
    return torch.rand(1, 3, 50, 60, generator=Generator().manual_seed(2))
