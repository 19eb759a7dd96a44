"""Tiny latent models, each made once for all tests of them."""

import pytest
import torch

from restorekit.model.latent import LatentBackbone
from tests.model.latents import CPU, KINDS, latent_folder
from tests.tiny import random_layers


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    pytest.importorskip("diffusers")
    at = tmp_path_factory.mktemp("latent")
    return {kind: latent_folder(at / kind, kind) for kind in KINDS}


@pytest.fixture(scope="session")
def backbones(folders):
    return {kind: LatentBackbone.from_folder(folder).on(CPU) for kind, folder in folders.items()}


@pytest.fixture(scope="session")
def bases(backbones):
    return {
        kind: {
            name: random_layers(backbone, torch.Generator().manual_seed(seed), size=0.2)
            for name, seed in (("fog", 1), ("dust", 2))
        }
        for kind, backbone in backbones.items()
    }
