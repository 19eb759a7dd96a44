"""The weights that ship: whole, within their budget, and of use. Nothing here depends on data from outside."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from restorekit.composition import Compose, Step, in_physical_order
from restorekit.errors import MixingError
from restorekit.model.weights import recorded_sums, shipped_weights, verify
from restorekit.plugin.testing import check_basis
from restorekit.running.passing import enlarge
from restorekit.running.restorer import Restorer
from restorekit.training.shots import Shooting
from restorekit.training.stripes import lined
from tests.scene import scene

ROOT = shipped_weights("backbone").parent
FOLDERS = ("backbone", "encoder", "noise", "blur", "lowres", "rain", "jpeg", "detail", "look")


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer.from_pretrained(device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def clean() -> torch.Tensor:
    return scene(256, 384)


def degrade(restorer, clean, **severities):
    chosen = in_physical_order(restorer.catalog.degradation(n) for n in severities)
    generator = Generator().manual_seed(0)
    steps = tuple(Step(d, d.draw(clean.shape, generator, severity=severities[d.name])) for d in chosen)
    return (Compose(steps).apply(clean).clamp(0, 1) * 255).round() / 255


def psnr(image, clean):
    return float(-10 * torch.log10((image - clean).square().mean()))


@pytest.mark.parametrize("name", FOLDERS)
def test_every_file_has_its_recorded_digest_and_every_folder_its_card(name):
    folder = ROOT / name
    for file in recorded_sums(folder):
        verify(folder / file)
    assert {p.name for p in folder.iterdir() if p.suffix in {".json", ".safetensors"}} == set(
        recorded_sums(folder)
    )
    assert "CC BY-SA 4.0" in (folder / "README.md").read_text()


def test_the_weights_keep_their_budget(restorer):
    assert sum(f.stat().st_size for f in Path(ROOT).rglob("*") if f.is_file()) < 30e6
    parameters = sum(p.numel() for p in (*restorer.backbone.parameters(), *restorer.encoder.parameters()))
    for layers in restorer.mixer.bases.values():
        parameters += sum(layer.down.numel() + layer.up.numel() for layer in layers.values())
    assert parameters < 9e6


def test_all_first_party_bases_fit_the_backbone(restorer):
    assert restorer.bases == ("blur", "detail", "jpeg", "lowres", "noise", "rain")
    assert restorer.failures == ()
    assert sorted(restorer.keys) == [b for b in restorer.bases if b != "detail"]
    assert sorted(restorer.judges) == ["blur", "noise", "rain"]


MISSED = {"noise": ("it leaves other degradations to their bases",)}  # 0.1 to 0.24 dB on JPEG files


@pytest.mark.parametrize("name", ["noise", "rain", "detail"])
def test_a_shipped_basis_keeps_the_laws_of_every_basis(restorer, clean, name):
    """But for what is known to be missed. `restorekit plugins --check` asks all six, on three pictures."""
    report = check_basis(restorer.catalog.basis(name), photographs=[clean[..., 48:208, 80:304]])
    assert tuple(law.name for law in report.broken) == MISSED.get(name, ()), report.broken


def test_zero_weights_return_the_input_bit_for_bit(restorer, clean):
    none = dict.fromkeys(restorer.bases, 0.0)
    assert torch.equal(restorer.restore(clean, weights=none).image, clean)


@pytest.mark.parametrize(
    ("severities", "gain"),
    [({"noise": 25.0}, 4.0), ({"rain": 25.0}, 2.0), ({"jpeg": 10.0}, 0.1), ({"noise": 25.0, "jpeg": 30.0}, 1.0)],
    ids=str,
)
def test_blind_restoration_brings_a_picture_nearer_to_the_clean_one(restorer, clean, severities, gain):
    degraded = degrade(restorer, clean, **severities)
    restored = restorer.restore(degraded).image
    assert psnr(restored, clean) > psnr(degraded, clean) + gain


@pytest.mark.parametrize(("severities", "passes"), [({}, 1), ({"rain": 25.0}, 2)], ids=str)
def test_noise_alone_is_removed_on_the_way_to_the_weights(restorer, clean, monkeypatch, severities, passes):
    """One pass of the whole picture is enough then; where the second look finds more, another is what counts."""
    noisy = degrade(restorer, clean, noise=25.0, **severities)
    rain, first = restorer.keys["rain"], restorer.encoder.query(noisy)[0]
    unseen = replace(rain, bias=rain.bias - rain.logit(first) - 4)
    monkeypatch.setitem(restorer.keys, "rain", unseen)
    taken = []
    through = type(restorer.passing).run

    def run(passing, predictor, image, *rest):
        taken.append(tuple(image.shape))
        return through(passing, predictor, image, *rest)

    monkeypatch.setattr(type(restorer.passing), "run", run)
    blind = restorer.restore(noisy)
    assert taken.count(tuple(noisy.shape)) == passes
    assert set(blind.weights[0].active) == {"noise", *severities}
    given = restorer.restore(noisy, weights=blind.weights[0].values, blind=False)
    assert torch.equal(blind.image, given.image)


@pytest.mark.parametrize("severities", [{"blur": 3.0, "noise": 25.0}, {"blur": 2.5, "jpeg": 30.0}], ids=str)
def test_judges_find_blur_that_noise_or_jpeg_hides_from_its_key(restorer, clean, severities, monkeypatch):
    degraded = degrade(restorer, clean, **severities)
    judged = restorer.restore(degraded)
    monkeypatch.setattr(restorer, "judges", {})
    by_key = restorer.restore(degraded)
    assert by_key.weights[0]["blur"] < 0.8 < 0.9 < judged.weights[0]["blur"]
    assert psnr(judged.image, clean) > psnr(by_key.image, clean) + 0.05


@pytest.mark.parametrize("seed", [2, 5, 10])
def test_judges_leave_lines_that_the_key_takes_for_rain(restorer, clean, seed, monkeypatch):
    """Fences and grids beneath noise. Not all of them: of seeds 0 to 23, 6, 15, 19 and 23 are rain to both."""
    fenced = lined(clean, Generator().manual_seed(seed))
    noisy = degrade(restorer, fenced, noise=15.0)
    judged = restorer.restore(noisy)
    monkeypatch.setattr(restorer, "judges", {})
    by_key = restorer.restore(noisy)
    assert judged.weights[0]["rain"] < 0.2 < by_key.weights[0]["rain"]
    assert psnr(judged.image, fenced) > psnr(by_key.image, fenced) + 0.05


def test_an_amount_removes_noise_of_a_camera_that_the_key_hardly_finds(restorer, clean, monkeypatch):
    """Not always: of cameras 0 to 11 it is nearer with 3 and 10, and further off with 4, 7 and 9, where the fine
    lines of this drawn scene are taken for noise."""
    generator = Generator().manual_seed(3)
    wanted, noisy = Shooting.draw(generator).shoot(clean.clamp(0, 1), generator, noisy=True)
    noisy = (noisy * 255).round() / 255
    judged = restorer.restore(noisy)
    monkeypatch.setattr(restorer, "judges", {n: j for n, j in restorer.judges.items() if n != "noise"})
    by_key = restorer.restore(noisy)
    assert by_key.weights[0]["noise"] < 0.3 < 0.8 < judged.weights[0]["noise"]
    assert psnr(judged.image, wanted) > psnr(by_key.image, wanted) + 0.3 > psnr(noisy, wanted)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_artefacts_of_a_file_are_not_taken_for_noise(restorer, seed, monkeypatch):
    """In most files half of the noise basis was: 0.1 to 0.3 dB. In colour it still happens in this drawn scene."""
    clean = scene(256, 384, seed).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    degraded = degrade(restorer, clean, jpeg=30.0)
    judged = restorer.restore(degraded)
    monkeypatch.setattr(restorer, "judges", {n: j for n, j in restorer.judges.items() if n != "noise"})
    by_key = restorer.restore(degraded)
    assert judged.weights[0]["noise"] < 0.1 < 0.3 < by_key.weights[0]["noise"]
    assert psnr(judged.image, clean) > psnr(by_key.image, clean) + 0.05


@pytest.mark.parametrize("severities", [{"noise": 25.0}, {"rain": 25.0}], ids=str)
def test_an_ensemble_is_nearer_to_the_clean_picture(restorer, clean, severities):
    degraded, right = degrade(restorer, clean, **severities), dict.fromkeys(severities, 1.0)
    one, several = (
        restorer.restore(degraded, weights=right, blind=False, ensemble=ensemble).image
        for ensemble in (False, True)
    )
    assert psnr(several, clean) > psnr(one, clean) + 0.05


def test_one_basis_removes_its_degradation_and_leaves_the_other(restorer, clean):
    rainy = degrade(restorer, clean, rain=25.0)
    noisy = torch.randn(clean.shape, generator=Generator().manual_seed(1)) * 15 / 255
    both, wanted = (rainy + noisy).clamp(0, 1), (clean + noisy).clamp(0, 1)
    derained = restorer.restore(both, weights={"rain": 1.0}, blind=False).image
    assert psnr(derained, wanted) > psnr(both, wanted) + 1.0


def test_detail_is_at_the_users_command_only_and_sharpens_what_was_blurred(restorer, clean):
    blurred = degrade(restorer, clean, blur=1.6)
    result = restorer.restore(blurred)
    assert result.weights[0]["detail"] == 0
    crisper = restorer.restore(blurred, weights={"detail": 0.5}).image
    assert crisper.diff(dim=-1).abs().mean() > result.image.diff(dim=-1).abs().mean()
    with pytest.raises(
        MixingError, match=r"detail=0\.6 is outside \[0, 0\.5\]"
    ):  # beyond, it leaves a grid of 2 px
        restorer.restore(blurred, weights={"detail": 0.6})


def test_a_tile_changes_nothing_that_can_be_seen(restorer, clean):
    chosen = {"noise": 0.8, "jpeg": 0.5}
    whole = restorer.restore(clean, weights=chosen, blind=False, tile=1024).image
    tiled = restorer.restore(clean, weights=chosen, blind=False, tile=320).image
    assert float((whole - tiled).abs().max()) < 1 / 255


@pytest.mark.parametrize("severities", [{"jpeg": 50.0}, {"noise": 10.0}], ids=str)
def test_an_enlargement_is_cleaned_first_and_beats_the_bicubic_one(restorer, clean, severities):
    small = F.interpolate(clean, scale_factor=0.5, mode="bicubic", antialias=True).clamp(0, 1)
    degraded = degrade(restorer, small, **severities)
    gain = psnr(restorer.restore(degraded, scale=2).image, clean) - psnr(enlarge(degraded, 2), clean)
    assert gain > 0.2


@pytest.mark.parametrize(("colour", "sigma"), [(0.0, 0.0), (0.5, 1.0), (1.0, 0.0), (1.0, 1.0)])
def test_noise_within_a_frame_is_found(restorer, clean, colour, sigma):
    noisy = degrade(restorer, clean, noise=25.0)
    frame = colour + sigma / 255 * torch.randn(1, 3, 256 + 160, 384 + 240, generator=Generator().manual_seed(5))
    frame = (255 * frame.clamp(0, 1)).round() / 255
    frame[..., 80:-80, 120:-120] = noisy
    restored = restorer.restore(frame).image[..., 80:-80, 120:-120]
    assert psnr(restored, clean) > psnr(restorer.restore(noisy).image, clean) - 0.5


@pytest.mark.parametrize("colour", [0.0, 1.0])
def test_noise_beside_a_frame_is_removed_up_to_the_frame(restorer, clean, colour):
    """Weights that had never seen noise end were 1.5 dB behind in the last 4 px beside white, 2.4 beside black."""
    degraded = degrade(restorer, clean, noise=25.0)
    rim = torch.ones(clean.shape[-2:], dtype=torch.bool)
    rim[4:-4, 4:-4] = False
    framed = F.pad(degraded, (60, 60, 40, 40), value=colour)
    alone, within = (
        restorer.restore(picture, weights={"noise": 1.0}, blind=False).image for picture in (degraded, framed)
    )
    within = within[..., 40:-40, 60:-60]
    assert psnr(within[..., rim], clean[..., rim]) > psnr(alone[..., rim], clean[..., rim]) - 1.0


def test_a_noisy_cut_out_is_restored_as_the_same_object_is(restorer, clean):
    noisy = degrade(restorer, clean, noise=25.0)
    visible = torch.zeros(1, 256, 384, dtype=torch.bool)
    visible[:, 40:-40, 60:-60] = True
    cut_out = torch.where(visible, noisy, 0.0)
    inside = (slice(None), slice(None), slice(40, -40), slice(60, -60))
    alone = restorer.restore(noisy).image[inside]
    restored = restorer.restore(cut_out, visible=visible).image[inside]
    assert psnr(restored, clean[inside]) > psnr(alone, clean[inside]) - 0.5
