"""Laws of latent backbones: diffusers' own formats in, peft's own bases mixed, zero is the picture itself.

All models are tiny and random: what public weights would restore is not tried here.
"""

import threading

import pytest
import torch
from torch import nn

from restorekit.model.basis import Basis, LoraLayer, add_to_record, save_basis
from restorekit.model.encoder import DegradationEncoder, EncoderConfig
from restorekit.model.latent import LatentBackbone
from restorekit.model.lora import layer_shapes, mergeable_layers
from restorekit.model.mixing import Mixer, MixingWeights
from restorekit.model.weights import digest_of_weights
from restorekit.plugin.catalog import Catalog
from restorekit.running.restorer import Restorer
from restorekit.training.bank import BasisBank
from tests.model.latents import CPU, KINDS, latent_folder, network, pictures, restored
from tests.tiny import random_layers

pytest.importorskip("diffusers")
peft = pytest.importorskip("peft")


@pytest.mark.parametrize("kind", KINDS)
def test_a_mixture_merged_equals_the_adapters_in_peft_itself(folders, backbones, bases, tmp_path, kind):
    """Two bases in peft's files, on all attention, linear and convolution layers, read by peft and by us."""
    weights = {"fog": 0.6, "dust": 1.2}
    backbone = backbones[kind]
    for name in weights:
        save_basis(tmp_path / name, bases[kind][name], rank=3, backbone_sha256="0" * 64, degradation=name)
    read = {
        name: Basis(name, name, tmp_path / name).layers_for(layer_shapes(backbone.network)) for name in weights
    }
    kinds = {type(backbone.network.get_submodule(name)).__name__ for name in read["fog"]}
    assert kinds == ({"Linear"} if kind == "flux" else {"Linear", "Conv2d"})
    with torch.no_grad():
        ours = restored(Mixer(backbone, read).specialise(MixingWeights(weights)), pictures())
    whole = LatentBackbone.from_folder(folders[kind]).whole
    model = peft.PeftModel.from_pretrained(whole.network, str(tmp_path / "fog"), adapter_name="fog")
    model.load_adapter(str(tmp_path / "dust"), adapter_name="dust")
    model.base_model.set_adapter(list(weights))
    for module in model.modules():
        if isinstance(module, peft.tuners.lora.LoraLayer):
            for name, weight in weights.items():
                module.set_scale(name, weight)
    with torch.no_grad():
        theirs = restored(whole.eval(), pictures())
    assert torch.allclose(ours, theirs, atol=1e-4)
    assert (ours - pictures()).abs().mean() > 0.01


def test_diffusers_own_loader_reads_a_basis_and_agrees(folders, backbones, bases, tmp_path):
    save_basis(tmp_path, bases["sd"]["fog"], rank=3, backbone_sha256="0" * 64, degradation="fog")
    basis = Basis("fog", "fog", tmp_path)
    config = {k: v for k, v in basis.config.items() if k != "peft_type"}
    tensors = {f"{n}.lora_{h}.weight": t for n, h, t in halves(basis.layers())}
    whole = LatentBackbone.from_folder(folders["sd"]).whole
    whole.network.add_adapter(peft.LoraConfig(**config), "fog")
    found = peft.set_peft_model_state_dict(whole.network, tensors, "fog")
    assert not found.unexpected_keys
    with torch.no_grad():
        ours = Mixer(backbones["sd"], {"fog": basis.layers()}).specialise(MixingWeights({"fog": 1.0}))
        assert torch.allclose(restored(ours, pictures()), restored(whole, pictures()), atol=1e-4)


def halves(layers):
    for name, lora in layers.items():
        yield name, "A", lora.down
        yield name, "B", lora.up.reshape(*lora.up.shape, *(1 for _ in lora.down.shape[2:]))


def test_a_basis_that_peft_trained_is_read_with_its_patterns_of_ranks_and_alphas(backbones, folders, tmp_path):
    """Targets and patterns by ends of names, as people write them."""
    config = peft.LoraConfig(
        r=2,
        lora_alpha=6,
        target_modules=["to_q", "to_v", "to_out.0", "conv1", "conv_out"],
        rank_pattern={"to_q": 1, "down_blocks.0.resnets.0.conv1": 3},
        alpha_pattern={"to_v": 1, "conv_out": 5},
        init_lora_weights=False,
    )
    whole = LatentBackbone.from_folder(folders["sd"]).whole
    torch.manual_seed(1)
    model = peft.get_peft_model(whole.network, config)
    model.save_pretrained(tmp_path)
    add_to_record(tmp_path, {"backbone_sha256": digest_of_weights(folders["sd"]), "degradation": "fog"})
    basis = Basis("fog", "fog", tmp_path)
    basis.check()
    layers = basis.layers_for(layer_shapes(backbones["sd"].network))
    ranks = {len(layer.down) for layer in layers.values()}
    assert ranks == {1, 2, 3}
    with torch.no_grad():
        mixed = Mixer(backbones["sd"], {"fog": layers}).specialise(MixingWeights({"fog": 1.0}))
        assert torch.allclose(restored(mixed, pictures()), restored(whole, pictures()), atol=1e-4)


def test_a_layer_whose_name_ends_others_keeps_its_rank_to_itself_in_peft(backbones, tmp_path):
    """FLUX has a proj_out of its own and one in each block."""
    backbone = backbones["flux"]
    names = [name for name in mergeable_layers(backbone.network) if name.endswith("proj_out")]
    assert "proj_out" in names and len(names) > 1
    layers = random_layers(backbone, torch.Generator().manual_seed(0))
    own = backbone.network.proj_out.weight
    layers["proj_out"] = LoraLayer(torch.randn(len(own), own.shape[1]), torch.eye(len(own)))
    save_basis(tmp_path, layers, rank=3, backbone_sha256="0" * 64, degradation="fog")
    read = Basis("fog", "fog", tmp_path).layers()
    assert {name: len(read[name].down) for name in names} == {
        name: len(own) if name == "proj_out" else 3 for name in names
    }
    fresh = network("flux")
    model = peft.PeftModel.from_pretrained(fresh, str(tmp_path))
    for name in names:
        adapted = model.base_model.model.get_submodule(name)
        assert torch.allclose(adapted.get_delta_weight("default"), read[name].delta(), atol=1e-5), name


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_basis_the_picture_comes_back_bit_for_bit(backbones, bases, kind):
    encoder = DegradationEncoder(EncoderConfig(32, 2, (8, 8, 8, 8), 8, (1, 0, 1), 0))
    restorer = Restorer(backbones[kind], bases[kind], encoder, {}, Catalog())
    image = pictures(21, 30, 1)
    for steps in (1, 3):
        none = restorer.restore(image, weights={"fog": 0.0, "dust": 0.0}, blind=False, steps=steps)
        assert torch.equal(none.image, image)
    some = restorer.restore(image, weights={"fog": 1.0}, blind=False, steps=3).image
    assert some.shape == image.shape and not torch.equal(some, image)


@pytest.mark.parametrize("kind", KINDS)
def test_a_basis_that_leaves_the_head_alone_leaves_the_latents_alone(backbones, bases, kind):
    """The network has no output of its own: near a mixture of zeros lies the picture's own round trip."""
    backbone = backbones[kind]
    layers = {n: lora for n, lora in bases[kind]["fog"].items() if n != backbone.facts.head}
    with torch.no_grad():
        mixed = restored(Mixer(backbone, {"fog": layers}).specialise(MixingWeights({"fog": 1.0})), pictures())
        whole = backbone.whole
        assert torch.equal(mixed, whole.decode(whole.encode(pictures())))


def test_a_mixture_is_a_value_and_threads_share_the_backbone(backbones, bases):
    backbone = backbones["sd"]
    before = {name: tensor.clone() for name, tensor in backbone.whole.state_dict().items()}
    mixer = Mixer(backbone, bases["sd"])
    wishes = [{"fog": 1.0}, {"dust": 0.5}, {"fog": 0.2, "dust": 1.0}]
    with torch.no_grad():
        alone = [restored(mixer.specialise(MixingWeights(wish)), pictures()) for wish in wishes]
    found = [None] * len(wishes)

    def work(i):
        with torch.no_grad():
            for _ in range(3):
                found[i] = restored(mixer.specialise(MixingWeights(wishes[i])), pictures())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(wishes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(*pair) for pair in zip(found, alone, strict=True))
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.whole.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_ten_steps_of_training_through_the_protocol_lower_the_loss(backbones, kind):
    """Bases are trained through `specialise`, with activations kept or computed again: the same gradients."""
    backbone = backbones[kind]
    degraded = pictures(16, 16)
    with torch.no_grad():
        target = backbone.whole.decode(0.5 * backbone.whole.encode(degraded))
    bank = BasisBank(backbone, {"fog": 4}, torch.Generator().manual_seed(0))
    optimiser = torch.optim.AdamW(bank.parameters(), 1e-2)
    losses = []
    for _ in range(10):
        predictor = backbone.specialise(bank.merged(backbone.network, torch.ones(1)))
        loss = (restored(predictor, degraded) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    assert all(p.grad is None for p in backbone.whole.parameters())


def test_saving_memory_changes_no_gradient(folders):
    def gradients(backbone):
        bank = BasisBank(backbone, {"fog": 2}, torch.Generator().manual_seed(0))
        for parameter in bank.parameters():
            nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(3))
        predictor = backbone.specialise(bank.merged(backbone.network, torch.ones(1)))
        restored(predictor, pictures()).square().mean().backward()
        return [parameter.grad for parameter in bank.parameters()]

    backbone = LatentBackbone.from_folder(folders["sd"]).on(CPU)
    plain = gradients(backbone)
    calls = []
    backbone.save_memory()
    inner = torch.utils.checkpoint.checkpoint
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch.utils.checkpoint, "checkpoint", lambda *a, **k: calls.append(1) or inner(*a, **k))
        saved = gradients(backbone)
    assert calls and all(torch.allclose(*pair, atol=1e-6) for pair in zip(plain, saved, strict=True))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "flow"])
def test_the_schedules_form_undoes_the_noise_that_it_describes(tmp_path, prediction):
    """With the true output of the network, z0 is exact: x_t = alpha z0 + sigma noise."""
    kind = "sd3" if prediction == "flow" else "sd"
    folder = latent_folder(tmp_path / prediction, kind, form="scheduler", prediction=prediction, time=400.0)
    whole = LatentBackbone.from_folder(folder).whole
    assert whole.config.head == "" and bool(whole.network.get_submodule(whole.family.head).weight.any())
    generator = torch.Generator().manual_seed(0)
    z0, noise = (torch.randn(2, 4, 6, 6, generator=generator) for _ in range(2))
    if prediction == "flow":
        noisy, output = 0.6 * z0 + 0.4 * noise, noise - z0
    else:
        import diffusers

        scheduler = diffusers.DDPMScheduler()
        noisy = scheduler.add_noise(z0, noise, torch.tensor([400, 400]))
        output = noise if prediction == "epsilon" else scheduler.get_velocity(z0, noise, torch.tensor([400, 400]))
    assert torch.allclose(whole.by_schedule(noisy, output, torch.full((2,), 400.0)), z0, atol=1e-4)


def test_the_tokens_of_flux_are_packed_as_its_pipeline_packs_them(backbones):
    backbone, latents = backbones["flux"], torch.randn(1, 4, 6, 8)
    seen = {}

    def network(tokens, img_ids, **rest):
        seen.update(tokens=tokens, places=img_ids, **rest)
        return (tokens,)

    network.config = backbone.network.config
    whole = backbone.whole
    back = whole.family(network, latents, torch.tensor([500.0]), whole.prompt, 3.5)
    assert torch.equal(back, latents)
    packed = latents.view(1, 4, 3, 2, 4, 2).permute(0, 2, 4, 1, 3, 5).reshape(1, 12, 16)
    assert torch.equal(seen["tokens"], packed)
    assert seen["places"][5].tolist() == [0, 1, 1] and seen["timestep"].tolist() == [0.5]
    assert seen["guidance"].tolist() == [3.5]
