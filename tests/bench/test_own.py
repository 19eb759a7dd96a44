"""Laws of restorekit's own methods, on tiny random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from restorekit.bench.errors import BenchError, Unsuited
from restorekit.bench.items import Item
from restorekit.bench.methods import make, missing, unsuited
from restorekit.bench.own import blind_rule, oracle, strongest, uniform
from restorekit.bench.protocol import Metric, Protocol
from restorekit.plugin.catalog import build_catalog, load_plugins


def item(*present: str, remove: tuple[str, ...] | None = None) -> Item:
    chosen = Protocol(
        "p", "P", "Set5", (Metric("psnr"),), present=present, remove=present if remove is None else remove
    )
    image = torch.rand(1, 3, 40, 48, generator=torch.Generator().manual_seed(0))
    return Item("i", chosen, image, image)


def weights_by(rule, restorer, item):
    return rule(restorer, item).weigh(item.degraded).weights.values


@pytest.fixture
def ready(tiny: Path):
    catalog = build_catalog(load_plugins())

    def prepared(name: str):
        method = make(name, catalog)
        method.prepare()
        return method

    return prepared


def test_a_weight_of_the_users_replaces_the_encoders(ready):
    method = ready("restorekit-set:rain=0.25")
    chosen = item("noise")
    found = weights_by(blind_rule, method.restorer, chosen)
    assert weights_by(method.rule, method.restorer, chosen) == {**found, "rain": 0.25}
    with pytest.raises(BenchError, match="BASIS=WEIGHT"):
        ready("restorekit-set:rain")


def test_a_looked_method_is_the_blind_one_with_a_look_and_names_its_weights(ready):
    chosen, method = item("noise"), ready("restorekit-look:0.5,2")
    weights = weights_by(blind_rule, method.restorer, chosen)
    wanted = method.restorer.restore(chosen.degraded, weights=weights, blind=False, look=0.5, steps=2).image
    assert torch.equal(method(chosen), wanted) and not torch.equal(wanted, ready("restorekit")(chosen))
    plain, looked = (set(ready(name).provenance()) for name in ("restorekit", "restorekit-look:0.5"))
    assert plain < looked and all(name.startswith("look look/") for name in looked - plain)
    with pytest.raises(BenchError, match=r"restorekit-look:0\.5"):
        ready("restorekit-look:much")


def test_the_ensemble_is_the_blind_method_over_the_mirror_images(ready):
    chosen, method = item("noise"), ready("restorekit-ensemble")
    weights = weights_by(blind_rule, method.restorer, chosen)
    wanted = method.restorer.restore(chosen.degraded, weights=weights, blind=False, ensemble=True).image
    assert torch.equal(method(chosen), wanted)
    assert not torch.equal(method(chosen), ready("restorekit")(chosen))


@pytest.mark.parametrize("name", ["restorekit", "restorekit-oracle", "restorekit-ensemble"])
def test_super_resolution_is_scored_as_scale_does_it(ready, name):
    small = item("lowres")
    large = torch.nn.functional.interpolate(small.clean, scale_factor=2.0, mode="bicubic").clamp(0, 1)
    chosen = replace(
        small, protocol=replace(small.protocol, scale=2), degraded=large, clean=large, small=small.clean
    )
    method = ready(name)
    asked = {"weights": {"lowres": 1.0}, "blind": False} if "oracle" in name else {"blind": True}
    wanted = method.restorer.restore(small.clean, scale=2, ensemble="ensemble" in name, **asked).image
    assert torch.equal(method(chosen), wanted) and wanted.shape == large.shape


def test_the_oracle_sets_the_right_bases_to_one(restorer):
    assert oracle(restorer, item("noise", "blur")).weights.active == {"noise": 1.0, "blur": 1.0}
    assert oracle(restorer, item("noise", "rain", remove=("rain",))).weights.active == {"rain": 1.0}
    with pytest.raises(Unsuited, match="haze"):
        oracle(restorer, item("haze"))


def test_blind_leaves_in_what_the_protocol_keeps(restorer):
    free = weights_by(blind_rule, restorer, item())
    *_, other, seen = sorted(free, key=free.__getitem__)
    kept = weights_by(blind_rule, restorer, item(seen, other, remove=(other,)))
    assert kept[seen] == 0.0 and free[seen] > 0
    assert {b: w for b, w in kept.items() if b != seen} == {b: w for b, w in free.items() if b != seen}


def test_uniform_sums_to_one_and_onehot_is_one_basis(restorer):
    assert sum(weights_by(uniform, restorer, item()).values()) == pytest.approx(1)
    assert sum(weights_by(strongest, restorer, item()).values()) in (0, 1)


def test_the_oracle_returns_a_clean_picture_bit_for_bit(ready):
    chosen = item()
    assert torch.equal(ready("restorekit-oracle")(chosen), chosen.degraded)


def test_best_single_is_no_worse_than_any_single_basis(ready):
    chosen, method = item("noise"), ready("restorekit-best-single")
    best = float((method(chosen) - chosen.clean).square().mean())
    for basis in method.restorer.bases:  # in the method's own precision
        alone = method.restorer.restore(chosen.degraded, weights={basis: 1.0}, blind=False).image
        assert best <= float((alone - chosen.clean).square().mean()) + 1e-12


def test_sequential_with_one_degradation_is_the_oracle_but_for_rounding(ready):
    chosen = item("jpeg")
    difference = ready("restorekit-sequential")(chosen) - ready("restorekit-oracle")(chosen)
    assert float(difference.abs().max()) <= 0.5 / 255 + 1e-6


def test_provenance_names_backbone_encoder_and_every_basis(ready):
    names = set(ready("restorekit").provenance())
    for part in ("backbone", "encoder", "basis noise", "basis rain"):
        assert any(n.startswith(f"{part}/") for n in names), part


@pytest.mark.parametrize("name", ["oracle", "uniform", "all", "best-single", "sequential"])
def test_a_rule_that_asks_no_encoder_does_not_depend_on_it(ready, name):
    asked, unasked = set(ready("restorekit").provenance()), set(ready(f"restorekit-{name}").provenance())
    left_out = {file for file in asked if file.startswith("encoder/") or file.endswith("/basis.safetensors")}
    assert unasked == asked - left_out and len(left_out) > len(ready("restorekit").restorer.bases)


def test_every_built_in_method_is_registered_with_a_licence_and_says_what_it_lacks():
    catalog = build_catalog(load_plugins())
    for name in (
        "input",
        "bicubic",
        "restorekit",
        "bm3d",
        "ffdnet",
        "richardson-lucy",
        "dat-light",
        "real-esrgan",
        "spandrel",
    ):
        card = catalog.method(name)
        assert card.licence and card.summary
        assert not missing(card) or "pip install" in missing(card)


def test_a_peer_runs_only_where_it_fits():
    card = build_catalog(load_plugins()).method("bm3d")
    assert not unsuited(card, item("noise").protocol)
    assert unsuited(card, item("noise", "blur").protocol)
    assert unsuited(card, item().protocol)
