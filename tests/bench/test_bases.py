"""Laws of the report on bases: cosines are cosines, and worth is counted in dB lost."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Generator

from restorekit.bench.bases import drawn, effects, telling_protocols, to_markdown, updates, worth_of
from restorekit.bench.datasets import Copy, Dataset, Located, Source
from restorekit.bench.protocol import Metric, Protocol, StepSpec
from restorekit.image import write_image
from restorekit.model.basis import LoraLayer
from restorekit.running.restorer import Restorer


@pytest.fixture(scope="module")
def restorer(weights_folder):
    """One for all laws of this file: nothing here changes it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RESTOREKIT_WEIGHTS", str(weights_folder))
        return Restorer.from_pretrained(device="cpu", precision="fp32")


def layer(*values):
    return LoraLayer(torch.tensor([values[:2]]), torch.tensor([[value] for value in values[2:]]))


def test_the_cosine_of_two_updates_is_that_of_their_matrices(restorer):
    found = updates(restorer.mixer.bases)
    first, second = (restorer.mixer.bases[name] for name in restorer.bases[:2])
    each = [torch.cosine_similarity(first[n].delta().flatten(), second[n].delta().flatten(), dim=0) for n in first]
    assert found[0, 1] == pytest.approx(float(torch.stack(each).mean()), abs=1e-5)
    assert torch.allclose(found, found.T) and torch.allclose(found.diagonal(), torch.ones(len(found)))


def test_bases_that_share_no_layer_have_no_cosine_and_opposite_ones_have_minus_one():
    one, two = layer(1.0, 2.0, 3.0, 4.0), layer(1.0, 2.0, -3.0, -4.0)
    found = updates({"a": {"x": one}, "b": {"x": two}, "c": {"y": one}})
    assert found[0, 1] == pytest.approx(-1) and math.isnan(found[0, 2])


def test_effects_are_cosines_and_a_basis_has_its_own(restorer):
    found = effects(restorer, [torch.rand(1, 3, 24, 24, generator=Generator().manual_seed(0))])
    assert torch.allclose(found, found.T, equal_nan=True)
    there = ~found.diagonal().isnan()
    assert bool(there.any()) and torch.allclose(found.diagonal()[there], torch.ones(int(there.sum())))


@pytest.fixture
def noisy(tmp_path):
    path = tmp_path / "a.png"
    write_image(path, torch.rand(1, 3, 24, 24, generator=Generator().manual_seed(0)))
    steps = (StepSpec("noise", 25.0), StepSpec("jpeg", 30.0))
    protocol = Protocol("p", "noise and JPEG", "set", (Metric("psnr"),), steps, present=("noise", "jpeg"))
    located = Located(Dataset("set", "Set", "clean", 1, "", "", ()), Copy((), 1), (Source("a", None, path),))
    return replace(protocol, remove=protocol.present), located


def test_what_is_lost_is_the_distance_to_the_named_bases(restorer, noisy):
    from restorekit.bench.items import make_item

    protocol, located = noisy
    found = worth_of(restorer, protocol, located, 1, ())
    item = make_item(protocol, located, 0, restorer.catalog)

    def score(**weights):
        restored = restorer.restore(item.degraded, weights=weights, blind=False).image
        return float(-10 * (restored - item.clean).square().mean().log10())

    assert found.named == ("jpeg", "noise") and found.right == pytest.approx(score(noise=1.0, jpeg=1.0), abs=1e-4)
    assert found.lost["noise"] == pytest.approx(found.right - score(jpeg=1.0), abs=1e-4)
    assert found.lost["rain"] == pytest.approx(found.right - score(noise=1.0, jpeg=1.0, rain=1.0), abs=1e-4)


def test_each_degradation_alone_is_asked_once_and_every_composite(noisy):
    both, located = noisy
    single = [replace(both, name=n, present=("noise",), remove=("noise",)) for n in ("first", "second")]
    keeping = replace(both, name="keeping", remove=("noise",))
    away = replace(both, name="away", dataset="elsewhere")
    chosen = telling_protocols([both, *single, keeping, away], {"set": located}, ("noise", "jpeg"))
    assert [protocol.name for protocol in chosen] == ["first", "p"]
    assert telling_protocols([both], {"set": located}, ("noise",)) == []


def test_the_report_shows_every_basis_and_what_is_not_there_as_such(restorer, noisy):
    row = worth_of(restorer, *noisy, 1, ())
    names, missing = restorer.bases, torch.full((6, 6), math.nan)
    text = to_markdown(restorer, updates(restorer.mixer.bases), missing, [row], 1, "")
    assert f"**{row.lost['noise']:.2f}**" in text and "| - |" in text and "nan" not in text
    assert drawn(names, missing, missing, [row]).shape[1] == 3


def test_the_command_writes_a_table_and_a_picture_without_any_data(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("RESTOREKIT_DATA", str(tmp_path))
    outcome = cli("basis", "report", "-o", "bases.md", "--limit", "1")
    assert outcome.code == 0 and "overlap of updates only" in outcome.err
    assert "Cosine of updates" in (tmp_path / "bases.md").read_text()
    assert (tmp_path / "bases.png").stat().st_size > 0
