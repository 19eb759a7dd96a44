"""Laws of a basis for a backbone from outside: it is trained through what every backbone has, and for new weights
anew."""

import shutil
from dataclasses import replace
from importlib.metadata import entry_points

import pytest
import torch
from torch import Generator

from restorekit.errors import TrainingError
from restorekit.model.backbone.flow_unet import FlowUnet, FlowUnetConfig
from restorekit.model.basis import RECORD, Basis, add_to_record
from restorekit.model.weights import BACKBONE_TENSORS, SUMS, digest, load_json
from restorekit.plugin import BackboneCard, ModelCard, catalog
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.running.restorer import Restorer
from restorekit.training.again import once_more
from restorekit.training.bank import BasisBank, Stateless, in_one_step
from restorekit.training.budget import Budget
from restorekit.training.published import RECIPE, recipe_text
from restorekit.training.recipes import BasisRecipe
from restorekit.training.runs import Settings
from restorekit.training.specialised import Specialised, describer_of, stateless_of
from restorekit.training.start import start_basis_of
from tests.plugin.strangers import Entry, fog, plugin
from tests.strange import StrangeBackbone
from tests.tiny import tiny_weights

RECIPE_OF_FOG = BasisRecipe(names=("fog",), rank=2, patch=33, picture=65, groups=1, group_size=1, looks=8)


class Closed(StrangeBackbone):
    """A backbone whose predictors are cut off from the tensors that they were made of."""

    def specialise(self, tensors):
        return super().specialise({name: tensor.detach() for name, tensor in tensors.items()})


@pytest.fixture
def strange(tiny, tmp_path):
    """A catalogue with fog, and a model whose backbone is from outside; the model's folder."""
    folder = tmp_path / "strange"
    folder.mkdir()
    (folder / "seed.txt").write_text("5")
    (folder / SUMS).write_text(f"{'5' * 64}  {BACKBONE_TENSORS}\n")

    def of(architecture="tests.strange:StrangeBackbone"):
        model = ModelCard("strange", BackboneCard("strange", architecture, folder), tiny / "encoder")
        bundle = plugin(register_models=lambda: [model], register_degradations=lambda: [fog()])
        found = [*entry_points(group="restorekit"), Entry("stranger", bundle, "restorekit-strange")]
        return build_catalog(load_plugins(found)).of_model("strange")

    return of


def test_a_basis_is_trained_and_used_on_a_backbone_from_outside(strange, photos, tmp_path):
    seen = strange()
    training = start_basis_of(seen.model, "fog", RECIPE_OF_FOG, seen, photos, tmp_path / "run")
    assert (training.recipe.patch, training.recipe.picture) == (34, 66)  # multiples of two
    before = {name: tensor.clone() for name, tensor in training.backbone.state_dict().items()}
    training.run(Budget(iterations=4), tmp_path / "run")
    assert all(torch.equal(tensor, before[name]) for name, tensor in training.backbone.state_dict().items())
    learnt = {name for name, up in zip(training.bank.layers, training.bank.lora(0).up, strict=True) if up.any()}
    assert learnt == set(training.bank.layers)
    training.export(tmp_path / "fog")
    basis = Basis("fog", "fog", tmp_path / "fog")
    bundle = plugin(
        register_models=lambda: [seen.model],
        register_degradations=lambda: [fog()],
        register_bases=lambda: [basis],
    )
    used = build_catalog(load_plugins([*entry_points(group="restorekit"), Entry("stranger", bundle)]))
    restorer = Restorer.from_pretrained("strange", device="cpu", catalog=used)
    picture = torch.rand(1, 3, 40, 36, generator=Generator().manual_seed(0))
    assert restorer.bases == ("fog",) and not restorer.failures
    restored = restorer.restore(picture, weights={"fog": 1.0}, blind=False).image
    training.average.swap()  # as it was exported
    trained = training.predict(picture, torch.ones(1))
    assert not torch.equal(restored, picture) and torch.allclose(restored, trained.detach(), atol=2e-3)


def test_a_backbone_that_lets_no_gradient_through_is_refused_with_the_remedy(
    strange, photos, tmp_path, monkeypatch
):
    monkeypatch.setattr("tests.strange.Closed", Closed, raising=False)
    seen = strange("tests.strange:Closed")
    training = start_basis_of(seen.model, "fog", RECIPE_OF_FOG, seen, photos, tmp_path / "run")
    with pytest.raises(TrainingError, match=r"Closed: its specialise lets no gradient through.*with_tensors"):
        training.run(Budget(iterations=1), tmp_path / "run")


class Wrapped:
    """The embedded network as a backbone from outside would hold it."""

    def __init__(self, inner):
        self.network, self.facts, self.specialise = inner, inner.facts, inner.specialise


def test_the_embedded_network_learns_the_same_whether_it_is_specialised_or_called():
    torch.manual_seed(0)
    backbone = FlowUnet(FlowUnetConfig((8, 16), (1, 1), 16)).requires_grad_(False)
    bank = BasisBank(backbone, {"fog": 2}, Generator().manual_seed(1), inlet=True)
    for parameter in bank.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=Generator().manual_seed(2))
    picture = torch.rand(2, 3, 16, 16, generator=Generator().manual_seed(3))
    context, found = describer_of(backbone)(picture), []
    assert context.any() and not backbone.describe(picture).any()  # while the inlet has no weight
    assert torch.equal(describer_of(Wrapped(backbone))(picture), context)
    for network in (stateless_of(backbone), stateless_of(Wrapped(backbone))):
        output = in_one_step(network, bank.merged(backbone, torch.ones(1)), picture, context)
        found.append((output.detach(), torch.autograd.grad(output.square().mean(), list(bank.parameters()))))
    assert isinstance(stateless_of(backbone), Stateless)
    assert isinstance(stateless_of(Wrapped(backbone)), Specialised)
    assert torch.equal(found[0][0], found[1][0])
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(found[0][1], found[1][1], strict=True))


@pytest.fixture
def two(tiny, tmp_path, monkeypatch):
    """The shipped model and one whose weights changed."""
    other = tiny_weights(tmp_path / "other", seed=7)
    network = BackboneCard("net", "restorekit.model.backbone.flow_unet:FlowUnet", other / "backbone")
    bundle = plugin(
        register_models=lambda: [ModelCard("other", network, other / "encoder")],
        register_degradations=lambda: [fog()],
    )
    found = [*entry_points(group="restorekit"), Entry("stranger", bundle, "restorekit-other")]
    monkeypatch.setattr(catalog, "entry_points", lambda group: found)
    return build_catalog(load_plugins()), other


def test_a_training_starts_from_an_old_basis_where_its_shapes_fit(two, photos, tiny, tmp_path):
    seen, _ = two
    recipe = replace(RECIPE_OF_FOG, names=("noise",), rank=4, patch=32, picture=64)
    old = Basis("noise", "noise", tiny / "noise").layers()  # rank 3
    fresh, begun = (
        start_basis_of(seen.of_model("other").model, "noise", recipe, seen, photos, tmp_path, None, start)
        for start in (None, tiny / "noise")
    )
    started, new = (training.bank.basis(0) for training in (begun, fresh))
    for name, layer in old.items():
        rank = len(layer.down)
        assert torch.equal(started[name].up[:, :rank], layer.up), name
        assert torch.equal(started[name].down[:rank], layer.down.reshape(started[name].down[:rank].shape)), name
    assert torch.equal(started["inlet"].down, new["inlet"].down)  # which the old one lacks
    assert all(torch.equal(v, p) for v, p in zip(begun.average.values, begun.trainable().values(), strict=True))


def test_a_key_that_reads_the_same_encoder_is_kept_and_one_of_another_is_fitted_anew(two, photos, tiny, tmp_path):
    seen, _ = two
    recipe = replace(RECIPE_OF_FOG, names=("noise",), rank=4, patch=32, picture=64)
    old = tmp_path / "noise"
    shutil.copytree(tiny / "noise", old)
    figures = {"accuracy": 0.9, "found": 0.9, "false_alarms": 0.001, "queries": 100}
    add_to_record(old, {"key": figures})
    for model, same in (("base", True), ("other", False)):
        training = start_basis_of(seen.of_model(model).model, "noise", recipe, seen, photos, tmp_path, None, old)
        assert (training.old_key is not None) == same
        if same:
            training.export(tmp_path / model)
            made = Basis("noise", "noise", tmp_path / model)
            assert torch.equal(made.key().key, Basis("noise", "noise", old).key().key)
            assert made.record["key"].items() >= figures.items()


def test_one_command_trains_a_basis_for_new_weights_beside_the_old_one(
    two, cli, tiny, folder, tmp_path, monkeypatch
):
    _, other = two
    monkeypatch.setattr("restorekit.training.readout.STEPS", 80)  # the key's quality is no matter here
    short = ("--iterations", "2", "--patch", "32", "--rank", "2", "--looks", "8", "--threads", "1")
    outcome = cli("train", "basis", "fog", str(folder), *short, "--limit", "17", "--export", "mine/fog")
    assert outcome.code == 0, outcome.err
    kept = {path.name: path.read_bytes() for path in (tmp_path / "mine" / "fog").iterdir()}
    outcome = cli("train", "basis", "--again", "mine/fog", "--model", "other", "--iterations", "1")
    assert outcome.code == 0, outcome.err
    sha256 = digest(other / "backbone" / BACKBONE_TENSORS)
    new = tmp_path / "mine" / f"fog-{sha256[:8]}"
    assert load_json(new / RECORD)["backbone_sha256"] == sha256
    Basis("fog", "fog", new).check()
    assert {path.name: path.read_bytes() for path in (tmp_path / "mine" / "fog").iterdir()} == kept
    assert 'model = "other"' in (new / RECIPE).read_text() and "rank = 2" in (new / RECIPE).read_text()
    outcome = cli("train", "basis", "--again", str(new), "--iterations", "1")
    assert outcome.code == 1 and "for this model already" in outcome.err


def test_again_takes_photographs_and_options_in_place_of_the_recipes(two, tiny, tmp_path):
    seen, _ = two
    old = tmp_path / "noise"
    shutil.copytree(tiny / "noise", old)
    with pytest.raises(TrainingError, match=r"no .*recipe\.toml"):
        once_more(old, seen, {}, {})
    settings = Settings("basis", ("theirs/",), minutes=20.0)
    (old / RECIPE).write_text(recipe_text(settings, replace(RECIPE_OF_FOG, names=("noise",))))
    with pytest.raises(TrainingError, match="for this model already"):
        once_more(old, seen, {}, {})
    made, given = once_more(old, seen, {"model": "other", "iterations": 5}, {"rank": 6}, ["mine/"])
    assert (made.photos, made.model, made.minutes, made.iterations) == (("mine/",), "other", None, 5)
    assert given["rank"] == 6 and given["names"] == ("noise",) and made.from_weights == str(old)
    assert made.export == str(tmp_path / f"noise-{seen.of_model('other').model.backbone.sha256[:8]}")
    with pytest.raises(TrainingError, match="own folder"):
        once_more(old, seen, {"model": "other", "export": str(old)}, {})
    (old / RECIPE).write_text('training = "backbone"\nphotos = ["photos/"]\n')
    with pytest.raises(TrainingError, match="training backbone"):
        once_more(old, seen, {}, {})
