"""Laws of latent backbones as folders, models and tiles: made, refused, placed, blended, their colour kept."""

import json
import shutil
from dataclasses import replace
from importlib.metadata import entry_points
from itertools import pairwise

import pytest
import torch
from torch import nn

from restorekit.errors import WeightsError
from restorekit.model.basis import Basis, save_basis
from restorekit.model.latent import LatentBackbone
from restorekit.model.latent.colour import keep_colour
from restorekit.model.latent.config import LatentConfig
from restorekit.model.latent.folder import recognised, store
from restorekit.model.latent.predictor import placed
from restorekit.model.latent.tiles import in_tiles, starts
from restorekit.model.mixing import Mixer, MixingWeights
from restorekit.model.weights import digest_of_weights, write_sums
from restorekit.plugin import BackboneCard
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.running.restorer import Restorer
from tests.model.latents import CPU, KINDS, latent_folder, network, parts, pictures, restored
from tests.plugin.strangers import Entry, plugin

pytest.importorskip("diffusers")
peft = pytest.importorskip("peft")


def test_a_picture_larger_than_a_tile_is_blended_without_seams_or_shifts(folders, bases):
    """A basis whose latents are scaled everywhere alike must look the same by tiles and in one piece."""
    backbone = LatentBackbone.from_folder(folders["sd"]).on(CPU)
    whole = backbone.whole
    image = pictures(40, 56, 1)
    seen = []

    class Quarter:
        def __call__(self, network, latents, *rest):
            seen.append(tuple(latents.shape))
            return 0.25 * latents

    def clean(part):
        return whole.clean(whole.network, part, torch.ones(1), whole.prompt)

    called, whole.family = whole.family, Quarter()
    with torch.no_grad():
        latents = whole.encode(image)
        one = whole.tiled(clean, latents, 2, 2)
        assert seen == [(1, 4, 20, 28)]
        whole.config = replace(whole.config, tile=24, overlap=8)
        seen.clear()
        many = whole.tiled(clean, latents, 2, 2)
    assert len(seen) > 3 and set(seen) == {(1, 4, 12, 12)}
    assert torch.allclose(one, many, atol=1e-6)
    whole.family = called
    with torch.no_grad():
        mixed = Mixer(backbone, bases["sd"]).specialise(MixingWeights({"fog": 1.0}))
        assert restored(mixed, image).shape == image.shape


def test_a_folder_is_named_by_the_digest_of_all_its_weights_and_damage_is_refused(folders, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folders["sd"], copy)
    card = BackboneCard("sd", "restorekit.model.latent:LatentBackbone", copy)
    assert card.sha256 == digest_of_weights(folders["sd"]) != digest_of_weights(folders["sd3"])
    assert len({digest_of_weights(folder) for folder in folders.values()}) == len(KINDS)
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(WeightsError, match=r"unet.*sha256"):
        LatentBackbone.from_folder(copy)
    weights.unlink()
    with pytest.raises(WeightsError, match="missing"):
        LatentBackbone.from_folder(copy)


def test_a_plugin_of_ten_lines_makes_a_model_of_a_folder(folders, bases, tiny, tmp_path):
    card = BackboneCard("mine", "restorekit.model.latent:LatentBackbone", folders["sd"])
    save_basis(tmp_path, bases["sd"]["fog"], rank=3, backbone_sha256=card.sha256, degradation="noise")
    basis = Basis("noise", "noise", tmp_path)
    mine = plugin(register_backbones=lambda: [card], register_bases=lambda: [basis])
    entries = [*entry_points(group="restorekit"), Entry("mine", mine, "restorekit-mine")]
    catalog = build_catalog(load_plugins(entries))
    assert catalog.failures == () and catalog.of_model("mine").model.sums.keys() >= {"backbone/vae/config.json"}
    restorer = Restorer.from_pretrained("mine", device="cpu", catalog=catalog)
    assert restorer.bases == ("noise",)
    image = pictures(22, 26, 1)
    assert not torch.equal(restorer.restore(image, weights={"noise": 1.0}, blind=False).image, image)
    assert torch.equal(restorer.restore(image, weights={"noise": 0.0}, blind=False).image, image)


class Pipeline:
    """A pipeline of diffusers, as far as it is asked: its parts, and encode_prompt with its class's answer."""

    default_sample_size, vae_scale_factor = 32, 2

    def __init__(self, kind):
        made, self.vae, self.scheduler, tensors = parts(kind)
        self.unet, self.transformer = (made, None) if kind in ("sd", "sdxl") else (None, made)
        embeds, pooled = tensors["prompt_embeds"], tensors.get("pooled_prompt_embeds")
        answers = {"sd": (embeds, None), "flux": (embeds, pooled, None)}
        self.answer, self.asked = answers.get(kind, (embeds, None, pooled, None)), []

    def encode_prompt(self, prompt, *rest, **named):
        self.asked.append(prompt)
        return self.answer


@pytest.mark.parametrize("kind", KINDS)
def test_a_pipeline_becomes_a_folder_that_restores_without_text_encoders(cli, tmp_path, monkeypatch, kind):
    pipeline = Pipeline(kind)
    monkeypatch.setattr("restorekit.model.latent.folder.load_pipeline", lambda name: pipeline)
    out = tmp_path / "made"
    choices = ("--prompt", "sharp", "--colour", "statistics", "--tile", "256")
    said = cli("import-model", "a/b", "-o", str(out), *choices)
    assert said.code == 0 and digest_of_weights(out)[:12] in said.out, said.err
    assert pipeline.asked == ["sharp"]
    assert all(path.stat().st_mode & 0o044 for path in out.rglob("*.safetensors"))
    backbone = LatentBackbone.from_folder(out).on(CPU)
    assert (backbone.config.colour, backbone.config.tile, backbone.config.time) == ("statistics", 256, 1.0)
    for name, tensor in parts(kind)[3].items():
        assert torch.allclose(backbone.whole.prompt[name], tensor, atol=1e-3), name
    assert cli("import-model", "a/b", "-o", str(out)).is_one_error()


def test_the_colour_of_the_degraded_picture_is_kept_where_that_is_wanted():
    degraded = pictures(64, 64, 1)
    tinted = 0.5 * degraded + torch.tensor([0.3, 0.0, -0.1]).view(1, 3, 1, 1)
    assert torch.equal(keep_colour(tinted, degraded, "off"), tinted)
    assert torch.allclose(keep_colour(tinted, degraded, "statistics"), degraded, atol=1e-5)
    kept = keep_colour(degraded + torch.tensor([0.3, 0.0, -0.1]).view(1, 3, 1, 1), degraded, "wavelet")
    assert torch.allclose(kept, degraded, atol=1e-5)
    sharp = degraded + (0.1 * torch.sin(torch.arange(64.0) * torch.pi * 0.9))  # a fine texture stays
    assert (keep_colour(sharp, degraded, "wavelet") - sharp).abs().mean() < 0.01 < (sharp - degraded).abs().mean()


@pytest.mark.parametrize(("length", "tile", "overlap"), [(5, 8, 2), (20, 8, 2), (21, 8, 4), (9, 8, 1)])
def test_tiles_cover_a_picture_and_overlap_by_what_is_asked(length, tile, overlap):
    tops = starts(length, tile, overlap)
    assert tops[0] == 0 and tops[-1] == max(0, length - tile)
    assert all(later - earlier <= tile - overlap for earlier, later in pairwise(tops))
    x = torch.rand(1, 2, 2 * length, 2 * length)
    same = in_tiles(lambda part: part, x, unit=2, out=2, tile=tile, overlap=overlap)
    assert torch.allclose(same, x, atol=1e-6)
    halved = in_tiles(lambda part: part[:, :, ::2, ::2], x, unit=2, out=1, tile=tile, overlap=overlap)
    assert torch.allclose(halved, x[:, :, ::2, ::2], atol=1e-6)


def test_weights_in_half_precision_are_whole_on_a_cpu_and_a_part_can_visit_a_device(tmp_path):
    folder = latent_folder(tmp_path / "half", "sd3", precision="bf16", offload=True)
    backbone = LatentBackbone.from_folder(folder)
    assert {p.dtype for p in backbone.whole.parameters()} == {torch.bfloat16}
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = restored(backbone.whole, pictures())
    assert half.isfinite().all()
    visiting = placed(backbone.network, torch.device("meta"))
    assert {t.device.type for t in visiting.state_dict().values()} == {"meta"}
    assert {t.device.type for t in backbone.network.state_dict().values()} == {"cpu"}
    backbone.on(torch.device("meta"))  # offload: the weights stay where they are
    assert {p.device.type for p in backbone.whole.parameters()} == {"cpu"}
    assert {p.dtype for p in backbone.on(CPU).whole.parameters()} == {torch.float32}


def test_what_does_not_fit_is_refused_in_a_line_that_says_why(folders, tmp_path):
    with pytest.raises(WeightsError, match=r"9 channels .*inpainting"):
        made = network("sd", in_channels=9)
        _, decoder, scheduler, tensors = parts("sd")
        store(tmp_path / "a", made, decoder, scheduler, tensors)
    made, decoder, scheduler, tensors = parts("sdxl")
    with pytest.raises(WeightsError, match="no time_ids"):
        store(tmp_path / "b", made, decoder, scheduler, {k: t for k, t in tensors.items() if k != "time_ids"})
    with pytest.raises(WeightsError, match="of no family"):
        recognised(nn.Linear(1, 1), scheduler)
    with pytest.raises(WeightsError, match="colour must be one of off"):
        LatentConfig("sd3", colour="blue")
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()
    copy = tmp_path / "copy"
    shutil.copytree(folders["sd"], copy)
    record = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(record | {"newer": 1}))
    write_sums(copy, nested=True)
    with pytest.raises(WeightsError, match="newer"):
        LatentBackbone.from_folder(copy)
