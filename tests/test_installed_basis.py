"""Installing a basis changes nobody's pictures that lack its degradation: with the shipped weights, and a basis
that does harm wherever it is used."""

import math
from importlib.metadata import entry_points

import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from restorekit.composition import Compose
from restorekit.model.backbone.flow_unet import FlowUnet
from restorekit.model.basis import Basis, save_basis, save_key
from restorekit.model.encoder import DegradationEncoder
from restorekit.model.weights import ENCODER_TENSORS, digest, shipped_weights
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.running.restorer import Restorer
from restorekit.training.looks import Looking
from restorekit.training.pairs import typical
from restorekit.training.readout import fit_key
from tests.plugin.strangers import Entry, Fog, plugin
from tests.tiny import RANK, random_layers

LOOKS = 40


class Specks(Fog):
    """Black and white pixels here and there."""

    name = "specks"
    order = 41

    def apply(self, image, realisation):
        field = torch.rand(image.shape[-2:], generator=Generator().manual_seed(0))
        return torch.where(field < 0.03, 0.0, torch.where(field > 0.97, 1.0, image))


def leaves(seed, height=160, width=224):
    """A picture of discs that hide each other, (1, 3, height, width): things of all sizes, as in photographs.

    Dead leaves: Lee et al., 2001, https://doi.org/10.1023/A:1011109015675
    """
    generator = Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(2 * height) / 2, torch.arange(2 * width) / 2, indexing="ij")
    light, contrast = torch.rand(2, generator=generator).tolist()
    picture = torch.full((3, 2 * height, 2 * width), light)
    for down, right, size, slope, *colour in torch.rand(120, 7, generator=generator).tolist():
        radius = 3 / (0.03 + size)
        inside = (y - down * height) ** 2 + (x - right * width) ** 2 < radius**2
        shade = (0.2 + 0.8 * contrast) * torch.tensor(colour).view(3, 1, 1) + 0.2 * light
        picture = torch.where(inside, shade + 0.2 * (slope - 0.5) * (x - right * width) / radius, picture)
    return F.avg_pool2d(picture.clamp(0, 1)[None], 2)


def photos(seeds):
    return [(255 * leaves(seed)[0]).byte() for seed in seeds]


def stranger(degradation, folder):
    """A plugin with a random basis, and a key of the kind that `train basis` makes."""
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
    return plugin(register_degradations=lambda: [degradation], register_bases=lambda: [Basis(name, name, folder)])


def rows(catalog):
    """Pictures without the stranger's degradation: clean, and with each first-party one."""
    for name in ("", "noise", "blur", "lowres", "rain", "jpeg"):
        chosen = [catalog.degradation(name)] if name else []
        pictures = []
        for seed in range(200, 205):
            clean = leaves(seed)
            drawn = Compose.draw(chosen, clean.shape, Generator().manual_seed(seed), typical(chosen))
            pictures.append((clean, (drawn.apply(clean).clamp(0, 1) * 255).round() / 255))
        yield name or "clean", pictures


def loss(before, after, clean, degraded):
    """How many dB the picture restored is further from the clean one since the basis was installed."""
    weights = [restorer.inspect(degraded)[0].weights.active for restorer in (before, after)]
    if weights[0] == weights[1]:  # one mixture: one result, to the bit
        return 0.0
    errors = [
        max(float((r.restore(degraded, weights=w, blind=False).image - clean).square().mean()), 1e-10)
        for r, w in zip((before, after), weights, strict=True)
    ]
    return 10 * math.log10(errors[1] / errors[0])


@pytest.mark.parametrize("degradation", [Specks(), Fog()], ids=["specks", "fog"])
def test_installing_a_basis_leaves_pictures_without_its_degradation_alone(degradation, tmp_path):
    """Its key is taken even where it would be left out for finding too little: it has to be harmless anyway."""
    before = Restorer.from_pretrained(device="cpu", precision="fp32")
    found = [*entry_points(group="restorekit"), Entry("stranger", stranger(degradation, tmp_path / "weights"))]
    catalog = build_catalog(load_plugins(found))
    after = Restorer.from_pretrained(device="cpu", precision="fp32", catalog=catalog)
    assert after.failures == () and degradation.name in after.keys
    for name, pictures in rows(before.catalog):
        losses = [loss(before, after, *pair) for pair in pictures]
        assert sum(losses) / len(losses) < 0.02, name
        if name == "clean":
            assert max(losses) == 0  # where nothing is to be done, nothing is
