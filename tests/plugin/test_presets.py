"""Laws of what a plugin brings for users' words: its bases have every verb and mask, its presets are listed."""

from importlib.metadata import entry_points

import torch

from restorekit.model.basis import Basis
from restorekit.plugin import Preset
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.running.restorer import Restorer
from restorekit.weighing import Wish
from tests.plugin.strangers import Entry, fog, fog_basis, plugin

PICTURE = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_verbs_masks_and_presets_work_for_a_strangers_basis(tiny, tmp_path):
    folder = fog_basis(tiny, tmp_path / "fog")
    stranger = plugin(
        register_degradations=lambda: [fog()],
        register_bases=lambda: [Basis("fog", "fog", folder)],
        register_presets=lambda: [Preset("haze", "Fog stays.", ("fog", "unheard-of"), {"noise": 0.5})],
    )
    catalog = build_catalog(load_plugins([*entry_points(group="restorekit"), Entry("fog", stranger)]))
    restorer = Restorer.from_pretrained(device="cpu", precision="fp32", catalog=catalog)
    chosen = Wish(set={"fog": 0.8, "noise": 1}, only=("fog", "noise"))
    assert restorer.restore(PICTURE, wish=chosen).weights[0].active == {"fog": 0.8, "noise": 1}
    given = {"weights": {"fog": 1.0, "noise": 1.0}, "blind": False}
    kept = restorer.restore(PICTURE, **given, wish=Wish(keep=("haze",)))
    assert kept.weights[0].active == {"noise": 0.5}
    mask = torch.zeros(32, 32)
    mask[:16] = 1
    masked = restorer.restore(PICTURE, **given, mask={"fog": mask}).image
    noise = restorer.restore(PICTURE, weights={"noise": 1.0}, blind=False).image
    assert torch.equal(masked[:, :, 16:], noise[:, :, 16:]) and not torch.equal(
        masked[:, :, :16], noise[:, :, :16]
    )


def test_a_preset_that_is_broken_or_whose_name_is_taken_costs_itself_and_one_line():
    def doubled():
        return [Preset("grain", "mine"), Preset("odd name", ""), Preset("dust", "Dust stays.", ("dust",))]

    plugins = load_plugins([*entry_points(group="restorekit"), Entry("dusty", plugin(register_presets=doubled))])
    catalog = build_catalog(plugins)
    assert "dust" in catalog.presets and catalog.owner("preset", "grain") == "denoise"
    reasons = [failure.reason for failure in catalog.failures]
    assert len(reasons) == 2 and "denoise brings one already" in reasons[0] + reasons[1]
    assert any("'odd name'" in reason for reason in reasons)
