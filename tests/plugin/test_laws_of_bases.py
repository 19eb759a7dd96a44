"""Every law of a basis is broken by one that breaks it, with tiny weights; one that helps keeps them all."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from restorekit.model.adapter import ADAPTER, CONFIG
from restorekit.model.backbone.flow_unet import HEAD, FlowUnet
from restorekit.model.basis import RECORD, Basis, LoraLayer, save_basis, save_key
from restorekit.model.flow import LookFlow
from restorekit.model.weights import recorded_sums, write_sums
from restorekit.plugin.catalog import load_plugins
from restorekit.plugin.testing import check_basis
from restorekit.plugin.testing.bases import BASIS_RULES
from restorekit.plugin.testing.pictures import leaves
from tests.plugin.strangers import Entry, fog, plugin

PICTURES = (leaves(1, 40, 48), leaves(2, 40, 48))
CARD, FILES, PEFT, MODEL, READS, ZERO, REMOVES, CLEAN, OTHERS = (rule.name for rule in BASIS_RULES)


@pytest.fixture(scope="module")
def model(tmp_path_factory, weights_folder):
    """A model whose one basis is on trial: the tiny weights, less their bases."""
    folder = tmp_path_factory.mktemp("model")
    for part in ("backbone", "encoder"):
        shutil.copytree(weights_folder / part, folder / part)
    return folder


def head_alone(model, sign: float) -> dict[str, LoraLayer]:
    """A basis of a head: what it adds to a picture is linear in it, so that one of two signs takes fog away."""
    head = FlowUnet.from_folder(model / "backbone").head.weight
    generator = torch.Generator().manual_seed(0)
    down = torch.randn((3, *head.shape[1:]), generator=generator)
    return {HEAD: LoraLayer(down, 1e-3 * sign * torch.randn((len(head), 3), generator=generator))}


@pytest.fixture
def basis(model, weights_folder, tmp_path):
    """Make a basis for fog."""

    def make(sign: float = 1.0, bias: float = -50.0) -> Basis:
        folder = tmp_path / "fog"
        made_for = recorded_sums(model / "backbone")["diffusion_pytorch_model.safetensors"]
        reads = recorded_sums(model / "encoder")["model.safetensors"]
        save_basis(folder, head_alone(model, sign), rank=3, backbone_sha256=made_for, degradation="fog")
        key = Basis("noise", "noise", weights_folder / "noise").key()
        save_key(folder, type(key)(0 * key.key, torch.tensor(bias), key.gauge), encoder_sha256=reads)
        return Basis("fog", "fog", folder)

    return make


@pytest.fixture
def checked(model, monkeypatch):
    """The laws that a basis breaks, beside the first-party degradations and no other basis."""
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(model))

    def check(basis: Basis) -> tuple[str, ...]:
        report = check_basis(basis, photographs=PICTURES, degradation=fog())
        return tuple(law.name for law in report.broken)

    return check


def test_a_basis_that_helps_keeps_every_law_and_its_opposite_does_not(basis, checked):
    broken = [checked(basis(sign)) for sign in (1.0, -1.0)]
    assert sorted(broken) == [(), (REMOVES,)]


def test_a_key_that_fires_on_everything_does_harm_everywhere(basis, checked):
    assert {CLEAN, OTHERS} <= set(checked(basis(1.0, 50.0))) | set(checked(basis(-1.0, 50.0)))


@pytest.fixture
def look(model, tmp_path):
    """Make a look."""

    def make(size: float) -> Basis:
        layers = {n: LoraLayer(one.down, size * one.up) for n, one in head_alone(model, 1.0).items()}
        made_for = recorded_sums(model / "backbone")["diffusion_pytorch_model.safetensors"]
        said = {"rank": 3, "backbone_sha256": made_for, "degradation": "", "flow": LookFlow(0.05)}
        save_basis(tmp_path / "film", layers, **said)
        return Basis("film", "", tmp_path / "film")

    return make


def test_a_look_has_laws_of_its_own_and_one_that_runs_away_breaks_them(look, basis, model, monkeypatch):
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(model))
    import restorekit_flow_unet

    entries = [
        Entry("flow-unet", restorekit_flow_unet, "restorekit"),
        Entry("fog", plugin(register_degradations=lambda: [fog()], register_bases=lambda: [basis()])),
    ]
    beside = load_plugins(entries)
    calm, wild = (check_basis(look(size), photographs=PICTURES, plugins=beside) for size in (1.0, 1e4))
    assert calm.of == "look film" and not calm.broken, calm.broken
    assert [law.name for law in wild.broken] == ["it stays near the restored picture"]
    damaged = look(1.0)
    (damaged.folder / ADAPTER).open("ab").write(b"x")
    report = check_basis(damaged, photographs=PICTURES, plugins=beside)
    assert [law.name for law in report.broken] == [FILES]


def change(name, edit):
    """Change the tensors of a file, and write the sums anew."""

    def damage(folder):
        tensors = load_file(folder / name)
        edit(tensors)
        save_file(tensors, folder / name)
        write_sums(folder)

    return damage


def put(name, **values):
    """Change values of a json file, and write the sums anew."""

    def damage(folder):
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | values))
        write_sums(folder)

    return damage


PLACE = f"base_model.model.{HEAD}.lora_A.weight"
DAMAGES = {
    "no folder": (shutil.rmtree, FILES),
    "one byte more": (lambda folder: (folder / ADAPTER).open("ab").write(b"x"), FILES),
    "a file without a sum": (lambda folder: (folder / "sha256sums").write_text(""), FILES),
    "peft is not told the layers": (put(CONFIG, target_modules=None), PEFT),
    "peft is told other layers": (put(CONFIG, target_modules=["stem"]), PEFT),
    "for another backbone": (put(RECORD, backbone_sha256="0" * 64), MODEL),
    "another shape": (change(ADAPTER, lambda t: t.update({PLACE: t[PLACE][:, :4].contiguous()})), MODEL),
    "a key for another encoder": (put(RECORD, encoder_sha256="0" * 64), READS),
}


@pytest.mark.parametrize(("damage", "law"), DAMAGES.values(), ids=DAMAGES)
def test_files_that_are_wrong_break_their_law_and_those_that_rest_on_it_are_not_asked(basis, checked, damage, law):
    made = basis()
    damage(made.folder)
    broken = checked(Basis("fog", "fog", made.folder))
    assert broken[0] == law and (law == READS or len(broken) == 1)


def test_a_card_that_is_wrong_breaks_the_first_law(basis, checked):
    assert checked(Basis("fog=1", "fog", basis().folder)) == (CARD,)
    assert checked(Basis("fog", "mist", basis().folder)) == (CARD,)


def test_a_model_that_changes_pictures_by_itself_breaks_the_law_of_weight_zero(basis, checked, monkeypatch):
    made = basis()
    monkeypatch.setattr(
        "restorekit.model.backbone.flow_unet.FlowUnet.forward",
        lambda self, x_t, t, degraded, context, own=FlowUnet.forward: own(self, x_t, t, degraded, context) + 0.01,
    )
    facts = FlowUnet.facts.fget
    monkeypatch.setattr(FlowUnet, "facts", property(lambda self: replace(facts(self), head="")))
    assert ZERO in checked(made)


def test_a_basis_is_checked_beside_the_plugins_that_are_given(basis, model, monkeypatch):
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(model))
    import restorekit_flow_unet

    alone = load_plugins(
        [
            Entry("flow-unet", restorekit_flow_unet, "restorekit"),
            Entry("fog", plugin(register_degradations=lambda: [fog()])),
        ]
    )
    laws = {law.name: law for law in check_basis(basis(), photographs=PICTURES[:1], plugins=alone).laws}
    assert laws[OTHERS].ok and laws[OTHERS].detail == "nothing changes" and laws[REMOVES].detail.endswith("35 %")
