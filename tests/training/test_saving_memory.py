"""Laws of the options that save memory in a training: state in 8 bits, activations computed again."""

import sys
from dataclasses import replace

import pytest
import torch

from restorekit.errors import TrainingError
from restorekit.training.budget import Budget
from restorekit.training.checkpoint import CHECKPOINT
from restorekit.training.engine import adamw, choose_engine
from restorekit.training.start import start_latent
from tests.training.recipes import CATALOG
from tests.training.test_latent_training import TINY


def test_a_training_with_state_in_8_bits_learns_and_goes_on_from_its_checkpoint(photos, tmp_path):
    pytest.importorskip("bitsandbytes")
    pytest.importorskip("diffusers")
    engine = choose_engine("cpu", eight_bit=True, recompute=True)
    assert not engine.graph
    recipe = replace(TINY, channels=(32, 32))  # states of fewer than 4096 values stay as they are
    training = start_latent(recipe, CATALOG, photos, tmp_path, engine)
    assert training.whole.network.is_gradient_checkpointing and training.whole.vae.is_gradient_checkpointing
    training.run(Budget(iterations=6), tmp_path)
    kinds = {value.dtype for name, value in training.tensors().items() if name.endswith("/state1")}
    assert torch.uint8 in kinds
    again = start_latent(recipe, CATALOG, photos, tmp_path, engine)
    assert (tmp_path / CHECKPOINT).exists() and again.counters.iteration == 6
    for name, value in training.tensors().items():
        assert torch.equal(torch.as_tensor(again.tensors()[name]), torch.as_tensor(value)), name
    again.run(Budget(iterations=8), tmp_path)
    assert again.counters.iteration == 8


def test_without_the_library_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(TrainingError, match="pip install bitsandbytes"):
        adamw([torch.nn.Parameter(torch.zeros(2))], torch.device("cpu"), eight_bit=True)
