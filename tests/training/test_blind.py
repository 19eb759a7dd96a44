"""Laws of groups that the encoder weighs."""

from dataclasses import replace

import pytest
import torch
from torch import Generator

from restorekit.errors import TrainingError
from restorekit.model.encoder import DegradationEncoder
from restorekit.training.blind import BlindGroups, tiles_of
from restorekit.training.pairs import PairMaker
from restorekit.training.recipes import EncoderRecipe
from restorekit.training.start import keys_in, start_backbone, start_encoder
from tests.training.recipes import CATALOG, NAMES, TINY, degradations

ONLY = replace(TINY, only=NAMES, blind_share=1.0)


@pytest.fixture(scope="module")
def saved(photos, tmp_path_factory):
    """Weights with an encoder that has hardly learnt anything, and so is never sure."""
    folder = tmp_path_factory.mktemp("weights")
    start_backbone(replace(TINY, warm_up=0.0), CATALOG, photos, folder / "run", None).export(folder)
    recipe = EncoderRecipe(names=NAMES, shares=(1, 1, 1), picture=128)
    start_encoder(recipe, CATALOG, photos, folder / "run-encoder", folder).export(folder)
    return folder


def test_a_blind_group_is_one_picture_with_what_the_encoder_sees_in_it(photos, saved):
    encoder = DegradationEncoder.from_folder(saved / "encoder")
    keys = dict(zip(NAMES, keys_in(saved, NAMES), strict=True))
    pairs = PairMaker(degradations(), (1, 1, 1), sizes=(0.0, 1.0))
    blind = BlindGroups(encoder, keys, pairs, photos, lambda pictures, weights: pictures)
    group = blind.group(blind.side, 1, 0.0, Generator().manual_seed(0))
    assert group.degraded.shape == group.target.shape == (1, 3, blind.side, blind.side)
    assert torch.equal(group.weights, blind.weights(group.degraded))
    assert not torch.equal(group.degraded, group.target)
    patches = blind.group(32, 5, 0.0, Generator().manual_seed(0))
    assert torch.equal(patches.weights, group.weights)
    tiles = tiles_of(group.target[0], 32)
    assert all(any(torch.equal(patch, tile) for tile in tiles) for patch in patches.target)
    (severities,) = patches.present.values()
    assert len(severities) == 5


def test_tiles_cover_a_picture_once():
    image = torch.rand(3, 8, 12)
    tiles = tiles_of(image, 4)
    assert tiles.shape == (6, 3, 4, 4)
    assert torch.equal(tiles[1], image[:, :4, 4:8]) and torch.equal(tiles[5], image[:, 4:, 8:])


def test_bases_learn_from_blind_groups_beside_a_backbone_that_stays(photos, saved, tmp_path):
    training = start_backbone(ONLY, CATALOG, photos, tmp_path, saved)
    before = [p.detach().clone() for p in training.trainable().values()]
    backbone = {n: v.clone() for n, v in training.backbone.state_dict().items()}
    training.step(1.0)
    moved = [not torch.equal(a, b) for a, b in zip(before, training.trainable().values(), strict=True)]
    assert any(moved)
    assert all(torch.equal(v, backbone[n]) for n, v in training.backbone.state_dict().items())


def test_without_saved_keys_there_are_no_blind_groups(photos, saved, tmp_path):
    with pytest.raises(TrainingError, match="--from-weights"):
        start_backbone(replace(ONLY, only=()), CATALOG, photos, tmp_path, None)
    with pytest.raises(TrainingError, match="no key for jpeg"):
        keys_in(saved, ("noise", "jpeg"))
