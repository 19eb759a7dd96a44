"""Laws of the training of backbone and bases, on tiny networks and made-up photographs."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Generator

from restorekit.bench.own import Plain
from restorekit.errors import TrainingError
from restorekit.model.backbone.flow_unet import TENSORS, FlowUnet, FlowUnetConfig
from restorekit.model.basis import Basis
from restorekit.model.encoder import DegradationEncoder
from restorekit.running.restorer import Restorer
from restorekit.training.backbone import JOINT, WARM_UP, BackboneTraining
from restorekit.training.bank import BasisBank
from restorekit.training.budget import Budget
from restorekit.training.depth import counterpart
from restorekit.training.recipes import BasisRecipe, EncoderRecipe
from restorekit.training.start import start_backbone, start_basis, start_encoder
from tests.training.recipes import CATALOG, NAMES, TINY, degradations, parameters


def test_training_goes_through_both_stages_and_its_weights_restore(photos, tmp_path, monkeypatch):
    training = BackboneTraining(TINY, degradations(), photos)
    training.run(Budget(iterations=6), tmp_path / "run")
    assert training.counters.stage == JOINT
    assert (tmp_path / "run" / "log.csv").read_text().count("mean") >= 2
    training.export(tmp_path / "weights")
    recipe = EncoderRecipe(
        names=NAMES,
        shares=(1, 1, 1),
        picture=128,
        crops=1,  # as many as there are in 128 px
        groups=2,
        group_size=1,
        patch=32,
        kept=3,
        rehearsed=2,
    )
    encoder = start_encoder(recipe, CATALOG, photos, tmp_path / "encoder", tmp_path / "weights")
    encoder.run(Budget(iterations=4), tmp_path / "encoder")
    assert len(encoder.memory.pictures) == 3  # of eight
    encoder.export(tmp_path / "weights")
    again = start_encoder(recipe, CATALOG, photos, tmp_path / "again", tmp_path / "weights", tmp_path / "weights")
    pictures = torch.rand(2, 3, 128, 128, generator=Generator().manual_seed(0))
    saved = DegradationEncoder.from_folder(tmp_path / "weights" / "encoder").query(pictures)
    assert torch.allclose(again.encoder.query(pictures), saved, atol=1e-5)
    for i, name in enumerate(NAMES):
        key = Basis(name, name, tmp_path / "weights" / name).key()
        taken = again.keys.take(i)
        assert torch.equal(taken.key, key.key) and torch.equal(taken.gauge, key.gauge)
    later = start_basis(
        "jpeg",
        BasisRecipe(names=("jpeg",), rank=2, patch=32, picture=96, groups=1, looks=10),
        CATALOG,
        photos,
        tmp_path / "jpeg",
        tmp_path / "weights",
    )
    later.run(Budget(iterations=5), tmp_path / "jpeg")
    later.export(tmp_path / "weights" / "jpeg")
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(tmp_path / "weights"))
    restorer = Restorer.from_pretrained(device="cpu")
    assert restorer.bases == ("blur", "jpeg", "noise", "rain")
    image = torch.rand(1, 3, 40, 40)
    assert restorer.restore(image).image.shape == image.shape
    none = dict.fromkeys(restorer.bases, 0.0)
    assert torch.equal(restorer.restore(image, weights=none).image, image)


def test_a_plain_network_from_saved_weights_begins_as_all_bases_at_one(photos, tmp_path):
    training = BackboneTraining(replace(TINY, lora_learning_rate=0.5), degradations(), photos)
    training.run(Budget(iterations=6), tmp_path / "run")
    training.export(tmp_path / "weights")
    plain = start_backbone(replace(TINY, warm_up=1.0), CATALOG, photos, tmp_path / "none", tmp_path / "weights")
    assert plain.counters.stage == WARM_UP
    plain.export(tmp_path)
    method = Plain(str(tmp_path / "plain"))
    method.prepare()
    image = torch.rand(1, 3, 40, 48, generator=Generator().manual_seed(0))
    with training.average.used():
        wanted = training.restored(image, torch.ones(len(NAMES)))
    restored = method.restorer.restore(image, blind=False).image
    assert float((restored - wanted).abs().mean().detach()) < 0.1 * float((wanted - image).abs().mean().detach())


def test_a_warm_up_alone_makes_a_plain_network_that_restores_without_bases(photos, tmp_path):
    training = BackboneTraining(replace(TINY, warm_up=1.0), degradations(), photos)
    training.run(Budget(iterations=3), tmp_path / "run")
    training.export(tmp_path)
    assert not training.backbone.head.weight.any()  # can go on
    method = Plain(str(tmp_path / "plain"))
    method.prepare()
    image = torch.rand(1, 3, 40, 48, generator=Generator().manual_seed(0))
    restored = method.restorer.restore(image, blind=False).image
    assert restored.shape == image.shape and not torch.equal(restored, image)


def test_one_basis_trained_further_leaves_backbone_and_the_others_to_the_bit(photos, tmp_path):
    whole = BackboneTraining(TINY, degradations(), photos)
    whole.run(Budget(iterations=4), tmp_path / "run")
    whole.export(tmp_path / "weights")
    bases = [Basis(n, n, tmp_path / "weights" / n) for n in NAMES]
    training = BackboneTraining(replace(TINY, only=("blur",), sets=(("noise+blur", 0.5),)), degradations(), photos)
    training.start_from_weights(FlowUnet.from_folder(tmp_path / "weights" / "backbone"), bases)
    before = copy.deepcopy([training.bank.basis(i) for i in range(len(NAMES))])
    training.run(Budget(iterations=4), tmp_path / "further")
    training.export(tmp_path / "out")
    for i, name in enumerate(NAMES):
        same = all(
            torch.equal(old.down, new.down) and torch.equal(old.up, new.up)
            for old, new in zip(before[i].values(), training.bank.basis(i).values(), strict=True)
        )
        assert same == (name != "blur")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"backbone", "blur"}
    tensors = [tmp_path / folder / "backbone" / TENSORS for folder in ("weights", "out")]
    assert tensors[0].read_bytes() == tensors[1].read_bytes()


def test_training_goes_on_from_saved_weights_alone(photos, tmp_path):
    training = BackboneTraining(TINY, degradations(), photos)
    training.run(Budget(iterations=4), tmp_path / "run")
    training.export(tmp_path / "weights")
    again = start_backbone(TINY, CATALOG, photos, tmp_path / "fresh", tmp_path / "weights")
    assert again.counters.stage == JOINT
    for i, name in enumerate(NAMES):
        saved = Basis(name, name, tmp_path / "weights" / name).layers()
        for layer, lora in again.bank.basis(i).items():
            assert torch.allclose(lora.delta(), saved[layer].delta(), atol=1e-6)


def test_one_basis_resumed_still_has_the_backbone_and_the_others_of_the_saved_weights(photos, tmp_path):
    whole = BackboneTraining(TINY, degradations(), photos)
    whole.run(Budget(iterations=4), tmp_path / "run")
    whole.export(tmp_path / "weights")
    recipe, run = replace(TINY, only=("blur",)), tmp_path / "further"
    first = start_backbone(recipe, CATALOG, photos, run, tmp_path / "weights")
    first.run(Budget(iterations=2), run)
    resumed = start_backbone(recipe, CATALOG, photos, run, tmp_path / "weights")
    assert resumed.counters.iteration == 2
    for part in ("backbone", "bank"):
        before, after = (getattr(training, part).state_dict() for training in (first, resumed))
        assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_saved_basis_goes_on_with_a_higher_rank_and_not_with_a_lower_one(photos, tmp_path):
    training = BackboneTraining(TINY, degradations(), photos)
    training.run(Budget(iterations=4), tmp_path / "run")
    training.export(tmp_path / "weights")
    wider = start_backbone(replace(TINY, ranks=(4, 2, 5)), CATALOG, photos, tmp_path / "w", tmp_path / "weights")
    for i, name in enumerate(NAMES):
        saved = Basis(name, name, tmp_path / "weights" / name).layers()
        for layer, lora in wider.bank.basis(i).items():
            assert torch.allclose(lora.delta(), saved[layer].delta(), atol=1e-6)
    with pytest.raises(TrainingError, match="rank rain=3"):
        start_backbone(replace(TINY, ranks=(2, 2, 2)), CATALOG, photos, tmp_path / "n", tmp_path / "weights")


def test_saved_weights_go_on_at_another_depth_where_new_blocks_have_no_effect(photos, tmp_path):
    training = BackboneTraining(replace(TINY, blocks=(1, 2)), degradations(), photos)
    training.run(Budget(iterations=4), tmp_path / "run")
    training.export(tmp_path / "weights")
    start = tmp_path / "weights"
    deeper = start_backbone(replace(TINY, blocks=(3, 4)), CATALOG, photos, tmp_path / "d", start)
    same = start_backbone(replace(TINY, blocks=(1, 2)), CATALOG, photos, tmp_path / "s", start)
    assert deeper.validate() == pytest.approx(same.validate(), abs=1e-4)
    deeper.run(Budget(iterations=3), tmp_path / "d")
    assert all(p.any() for n, p in parameters(deeper).items() if ".conv2.weight" in n)
    shallower = start_backbone(replace(TINY, blocks=(1, 1)), CATALOG, photos, tmp_path / "c", start)
    kept, whole = shallower.backbone.state_dict(), same.backbone.state_dict()
    assert all(torch.equal(tensor, whole[name]) for name, tensor in kept.items())
    with pytest.raises(TrainingError, match="--channels"):
        start_backbone(replace(TINY, channels=(8, 8)), CATALOG, photos, tmp_path / "n", start)
    with pytest.raises(TrainingError, match="--blocks"):
        start_backbone(replace(TINY, only=("blur",), blocks=(3, 2)), CATALOG, photos, tmp_path / "o", start)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("stem.weight", "stem.weight"),
        ("down.0.0.conv1", "down.0.0.conv1"),
        ("down.0.1.conv1", None),
        ("up.0.0.film", None),
        ("up.0.1.film", "up.0.0.film"),
        ("up.1.0.conv2", "up.1.1.conv2"),
    ],
)
def test_blocks_keep_their_distance_from_the_picture(name, expected):
    assert counterpart(name, (1, 2, 4), (2, 1, 1)) == expected


def test_bases_that_are_not_asked_for_cost_nothing_and_change_nothing():
    generator = Generator().manual_seed(0)
    bank = BasisBank(FlowUnet(FlowUnetConfig((8, 16), (1, 1))), {"a": 2, "b": 3}, generator)
    for name, parameter in bank.named_parameters():
        if ".up." in name:
            parameter.data = torch.randn(parameter.shape, generator=generator)
    weights = torch.tensor([0.0, 0.7])
    for layer, delta in bank.deltas(weights).items():
        expected = 0.7 * bank.basis(1)[layer].delta() + 0.0 * bank.basis(0)[layer].delta()
        assert torch.allclose(delta, expected, atol=1e-6)
    assert not bank.deltas(torch.zeros(2))
