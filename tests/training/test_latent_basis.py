"""Laws of a basis for a latent backbone, trained by the training of any later basis."""

import pytest
import torch

from restorekit.cli.runs import make_engine
from restorekit.errors import TrainingError
from restorekit.model.basis import Basis, save_basis
from restorekit.model.lora import layer_shapes
from restorekit.plugin import BackboneCard, ModelCard
from restorekit.running.loading import load_backbone
from restorekit.training.engine import Engine
from restorekit.training.recipes import BasisRecipe
from restorekit.training.runs import Settings
from restorekit.training.start import start_basis_of
from tests.model.latents import latent_folder
from tests.training.recipes import CATALOG

pytest.importorskip("diffusers")
RECIPE = BasisRecipe(names=("noise",), rank=4, patch=30, groups=2, group_size=1, picture=64, learning_rate=1e-2)


@pytest.mark.parametrize("kind", ["sd", "flux"])
def test_ten_steps_of_train_basis_lower_the_loss_on_a_latent_backbone(
    photos, weights_folder, tmp_path, monkeypatch, kind
):
    card = BackboneCard("mine", "restorekit.model.latent:LatentBackbone", latent_folder(tmp_path / "model", kind))
    model = ModelCard("mine", card, weights_folder / "encoder")
    engine = Engine(recompute=True)
    training = start_basis_of(model, "noise", RECIPE, CATALOG.of_model("base"), photos, tmp_path / "run", engine)
    assert training.recipe.patch % 4 == 0 and training.backbone.is_gradient_checkpointing
    group = training.draw(torch.Generator().manual_seed(0))
    monkeypatch.setattr(training, "draw", lambda *rest, **named: group)
    losses = [training.step(1.0) for _ in range(10)]
    assert losses[-1] < 0.95 * losses[0]
    save_basis(
        tmp_path / "noise", training.bank.basis(0), rank=4, backbone_sha256=card.sha256, degradation="noise"
    )
    basis, shapes = Basis("noise", "noise", tmp_path / "noise"), layer_shapes(load_backbone(card).network)
    assert basis.layers_for(shapes).keys() == shapes.keys()


def test_recomputing_is_refused_where_nothing_is_computed_again(photos, weights_folder, tmp_path):
    model = ModelCard(
        "base",
        BackboneCard("net", "restorekit.model.backbone.flow_unet:FlowUnet", weights_folder / "backbone"),
        weights_folder / "encoder",
    )
    with pytest.raises(TrainingError, match="leave --recompute out"):
        start_basis_of(model, "noise", RECIPE, CATALOG, photos, tmp_path, Engine(recompute=True))
    with pytest.raises(TrainingError, match="leave --recompute out"):
        make_engine(Settings("encoder", ("photos",), recompute=True))
