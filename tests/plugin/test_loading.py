"""Laws of loading bases: one that is broken costs itself and one line; everything else goes on."""

import json
import re
import shutil
from importlib.metadata import entry_points

import pytest
import torch
from safetensors.torch import load_file, save_file

from restorekit.errors import WeightsError
from restorekit.model.adapter import ADAPTER
from restorekit.model.basis import KEY, RECORD, Basis
from restorekit.model.weights import SUMS, load_json, write_sums
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.plugin.loading import unusable_bases
from restorekit.running.restorer import Restorer
from tests.plugin.strangers import Entry, fog_basis, fog_plugin

CONFIG = "adapter_config.json"
PLACE = "base_model.model.down.0.0.conv1.lora_A.weight"
PICTURE = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))


def change(name, edit):
    """Change the tensors of a file."""

    def damage(folder):
        tensors = load_file(folder / name)
        edit(tensors)
        save_file(tensors, folder / name)

    return damage


def put(name, **values):
    """Change values in a json file."""

    def damage(folder):
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return damage


def rename(tensors):
    for half in ("A", "B"):
        old = PLACE.replace("lora_A", f"lora_{half}")
        tensors[old.replace("down.0.0", "attention.7")] = tensors.pop(old)


def write(name, data):
    return lambda folder: (folder / name).write_bytes(data)


def cut(name):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-100])


# The sums are made anew by hand: what is wrong is found in what the files say.
BROKEN = {
    "adapter missing": (lambda folder: (folder / ADAPTER).unlink(), ADAPTER),
    "adapter truncated": (cut(ADAPTER), "not a safetensors file"),
    "adapter empty": (write(ADAPTER, b""), "not a safetensors file"),
    "adapter without tensors": (change(ADAPTER, dict.clear), "is empty"),
    "adapter not finite": (change(ADAPTER, lambda t: t[PLACE][0].fill_(torch.nan)), "not finite"),
    "adapter infinite": (change(ADAPTER, lambda t: t[PLACE][0].fill_(torch.inf)), "not finite"),
    "adapter for a foreign layer": (change(ADAPTER, rename), "attention.7"),
    "adapter of a foreign shape": (
        change(ADAPTER, lambda t: t.update({PLACE: t[PLACE][:, :4].contiguous()})),
        r"\(8, 4, 3, 3\).*\(8, 8, 3, 3\)",
    ),
    "half of a layer": (change(ADAPTER, lambda t: t.pop(PLACE)), "lora_A and lora_B"),
    "halves that do not fit": (
        change(ADAPTER, lambda t: t.update({PLACE: t[PLACE][:2].contiguous()})),
        "fit each",
    ),
    "a tensor of something else": (change(ADAPTER, lambda t: t.update(x=torch.zeros(1))), "lora_A and lora_B"),
    "another rank than is said": (put(CONFIG, r=2, rank_pattern={}), "rank 3"),
    "rank 0": (put(CONFIG, r=0), "r 0"),
    "rank in words": (put(CONFIG, r="three"), "'three'"),
    "no alpha": (put(CONFIG, lora_alpha=None), "lora_alpha None"),
    "alpha not finite": (put(CONFIG, lora_alpha=float("nan")), "lora_alpha nan"),
    "ranks not by layer": (put(CONFIG, rank_pattern=[1]), "rank_pattern"),
    "another scale": (put(CONFIG, use_rslora=True), "use_rslora"),
    "another adapter": (put(CONFIG, peft_type="LOHA"), "LOHA"),
    "config no json": (write(CONFIG, b"{"), "not json"),
    "config no object": (write(CONFIG, b"[]"), "json object"),
    "config missing": (lambda folder: (folder / CONFIG).unlink(), CONFIG),
    "record no json": (write(RECORD, b"\xff"), "not json"),
    "record without a backbone": (write(RECORD, b"{}"), "which backbone"),
    "record missing": (lambda folder: (folder / RECORD).unlink(), RECORD),
    "record of another basis": (put(RECORD, degradation="haze"), "'haze'"),
    "key of the wrong size": (
        change(KEY, lambda t: t.update(key=t["key"][:-1].contiguous())),
        "has a key of 87 values",
    ),
    "gauge of the wrong size": (
        change(KEY, lambda t: t.update(gauge=t["gauge"][1:].contiguous())),
        "gauge of shape",
    ),
    "bias of the wrong size": (change(KEY, lambda t: t.update(bias=torch.zeros(2))), "bias of shape"),
    "key not finite": (change(KEY, lambda t: t["key"].fill_(torch.nan)), "not finite"),
    "gauge not finite": (change(KEY, lambda t: t["gauge"].fill_(torch.inf)), "not finite"),
    "key without a bias": (change(KEY, lambda t: t.pop("bias")), "has no bias"),
    "key without a gauge": (change(KEY, lambda t: t.pop("gauge")), "has no gauge"),
    "second look out of range": (change(KEY, lambda t: t.update(second=torch.tensor(2.0))), "second look"),
    "key no safetensors": (write(KEY, b"key"), "not a safetensors file"),
}
# The sums are left as they are, or are what is wrong.
BETRAYED = {
    "no sums": (lambda folder: (folder / SUMS).unlink(), f"{SUMS} is missing"),
    "sums no text": (write(SUMS, b"\xff\xfe\x00"), "not a list"),
    "sums a folder": (lambda folder: ((folder / SUMS).unlink(), (folder / SUMS).mkdir()), SUMS),
    "sums without a file": (write(SUMS, b""), "not listed"),
    "key a folder": (lambda folder: ((folder / KEY).unlink(), (folder / KEY).mkdir()), KEY),
    "no folder": (shutil.rmtree, "without the weights"),
    **{
        f"one byte of {name}": (lambda f, n=name: flip(f / n), "recorded")
        for name in (ADAPTER, CONFIG, KEY, RECORD)
    },
}


def flip(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))


@pytest.fixture
def load(tiny, tmp_path):
    """A restorer with the first-party bases and that of a stranger, whose folder was damaged."""
    folder = fog_basis(tiny, tmp_path / "fog")

    def from_damaged(damage, *, sums):
        damage(folder)
        if sums:
            write_sums(folder)
        found = [*entry_points(group="restorekit"), Entry("stranger", fog_plugin(folder), "restorekit-fog")]
        catalog = build_catalog(load_plugins(found))
        return Restorer.from_pretrained(device="cpu", precision="fp32", catalog=catalog)

    return from_damaged


def assert_refused(restorer, said):
    (failure,) = restorer.failures
    line = str(failure)
    assert (failure.plugin, failure.basis) == ("stranger", "fog")
    assert "\n" not in line and "basis 'fog' is refused" in line and "RESTOREKIT_BLOCK_PLUGINS=stranger" in line
    assert re.search(said, line), line
    assert restorer.bases == ("blur", "detail", "jpeg", "lowres", "noise", "rain")
    assert restorer.restore(PICTURE).image.shape == PICTURE.shape


def test_a_good_basis_of_a_stranger_is_loaded(load):
    restorer = load(lambda folder: None, sums=False)
    assert restorer.failures == () and "fog" in restorer.bases and "fog" in restorer.keys


@pytest.mark.parametrize(("damage", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_basis_is_one_line_and_the_rest_goes_on(load, damage, said):
    assert_refused(load(damage, sums=True), said)


@pytest.mark.parametrize(("damage", "said"), BETRAYED.values(), ids=BETRAYED)
def test_a_basis_that_its_sums_do_not_vouch_for_is_one_line_and_the_rest_goes_on(load, damage, said):
    assert_refused(load(damage, sums=False), said)


@pytest.mark.parametrize(("read", "said"), [("0" * 64, "encoder 000000"), ("", "does not say which encoder")])
def test_a_key_for_another_encoder_is_left_out_with_the_remedy_and_its_basis_stays(load, read, said):
    restorer = load(put(RECORD, encoder_sha256=read), sums=True)
    (failure,) = restorer.failures
    assert failure.basis == "fog" and said in str(failure) and "--set fog=1" in str(failure)
    assert "restorekit train basis fog" in str(failure) and "\n" not in str(failure)
    assert unusable_bases(restorer.catalog) == (failure,)
    assert "fog" in restorer.bases and "fog" not in restorer.keys
    changed = restorer.restore(PICTURE, weights={"fog": 1.0}, blind=False).image
    assert restorer.restore(PICTURE).weights[0]["fog"] == 0 and not torch.equal(changed, PICTURE)


def test_the_benchmark_tells_of_bases_that_it_does_without(tiny, cli, tmp_path, monkeypatch):
    folder = tmp_path / "weights"
    shutil.copytree(tiny, folder)
    (folder / "noise" / RECORD).write_text(
        json.dumps(
            {k: v for k, v in json.loads((folder / "noise" / RECORD).read_text()).items() if "encoder" not in k}
        )
    )
    write_sums(folder / "noise")
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(folder))
    told = cli("bench", "run", "-p", "set5-x2", "-m", "input", "--data", str(tmp_path / "nothing")).err
    assert "the key of its basis 'noise' does not say which encoder it reads" in told


def test_what_needs_no_tensors_is_told_before_any_is_loaded(tiny, tmp_path):
    for number, damage in enumerate((cut(ADAPTER), put(CONFIG, lora_alpha=800), shutil.rmtree)):
        folder = fog_basis(tiny, tmp_path / str(number))
        damage(folder)
        found = [*entry_points(group="restorekit"), Entry("stranger", fog_plugin(folder))]
        catalog = build_catalog(load_plugins(found))
        assert [f.basis for f in unusable_bases(catalog)] == ["fog"]


def test_a_key_of_a_basis_for_a_look_is_refused(weights_folder, tmp_path):
    folder = tmp_path / "look"
    shutil.copytree(weights_folder / "detail", folder)
    shutil.copy(weights_folder / "noise" / KEY, folder)
    write_sums(folder)
    with pytest.raises(WeightsError, match="delete the key"):
        Basis("look", "", folder).check()


@pytest.mark.parametrize("file", ["backbone/config.json", "encoder/config.json", "noise/adapter_config.json"])
def test_json_of_weights_that_was_changed_is_refused(weights_folder, tmp_path, file):
    copy = tmp_path / "weights"
    shutil.copytree(weights_folder, copy)
    (copy / file).write_text((copy / file).read_text() + " ")
    with pytest.raises(WeightsError, match="recorded"):
        load_json(copy / file)
