"""Installing a basis changes nobody's pictures that lack its degradation: with the shipped weights, and a basis
that does harm wherever it is used."""

import pytest
import torch
from torch import Generator

from restorekit.model.backbone.flow_unet import FlowUnet
from restorekit.model.basis import Basis, save_basis, save_key
from restorekit.model.encoder import DegradationEncoder
from restorekit.model.weights import ENCODER_TENSORS, digest, shipped_weights
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.plugin.testing import check_basis
from restorekit.plugin.testing.pictures import leaves
from restorekit.training.looks import Looking
from restorekit.training.readout import fit_key
from tests.plugin.strangers import Fog
from tests.tiny import RANK, random_layers

LOOKS = 40


class Specks(Fog):
    """Black and white pixels here and there."""

    name = "specks"
    order = 41

    def apply(self, image, realisation):
        field = torch.rand(image.shape[-2:], generator=Generator().manual_seed(0))
        return torch.where(field < 0.03, 0.0, torch.where(field > 0.97, 1.0, image))


def photos(seeds):
    return [(255 * leaves(seed)[0]).byte() for seed in seeds]


def stranger(degradation, folder):
    """A random basis, with a key of the kind that `train basis` makes."""
    encoder = DegradationEncoder.from_folder(shipped_weights("encoder"))
    first_party = build_catalog(load_plugins()).degradations
    looking = Looking(degradation, tuple(first_party.values()), encoder)
    parts = (photos(range(20)), photos(range(20, 40)))
    key, judgement = fit_key(*(looking.look(part, LOOKS, Generator().manual_seed(0)) for part in parts))
    backbone = FlowUnet.from_folder(shipped_weights("backbone"))
    layers = random_layers(backbone, Generator().manual_seed(0), 0.05)
    name = degradation.name
    made_for = digest(shipped_weights("backbone") / "diffusion_pytorch_model.safetensors")
    save_basis(folder, layers, rank=RANK, backbone_sha256=made_for, degradation=name)
    reads = digest(shipped_weights("encoder") / ENCODER_TENSORS)
    save_key(folder, key, encoder_sha256=reads, figures=judgement.record())
    return Basis(name, name, folder)


@pytest.mark.parametrize("degradation", [Specks(), Fog()], ids=["specks", "fog"])
def test_installing_a_basis_leaves_pictures_without_its_degradation_alone(degradation, tmp_path):
    """Its key is taken even where it would be left out for finding too little: it has to be harmless anyway."""
    basis = stranger(degradation, tmp_path / "weights")
    pictures = [leaves(seed) for seed in range(200, 203)]
    report = check_basis(basis, degradation=degradation, photographs=pictures)
    laws = {law.name: law for law in report.laws}
    assert laws["its key reads the model's encoder"].detail.startswith("a key of")
    laws["it leaves other degradations to their bases"].require()
    assert laws["it leaves clean pictures alone"].detail == "weight 0.00 at most, nothing changes"
