"""Laws of bursts: packed photographs, a machine where nothing of restorekit is installed, results in pieces."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from restorekit.cli.train import app as train
from restorekit.errors import TrainingError
from restorekit.model.backbone.flow_unet import FlowUnet
from restorekit.model.basis import Basis, save_key
from restorekit.model.key import BasisKey
from restorekit.model.weights import verify
from restorekit.training.backbone import BackboneTraining
from restorekit.training.burst import Burst
from restorekit.training.engine import Engine
from restorekit.training.pieces import join_pieces
from restorekit.training.start import start_backbone
from restorekit.training.watch import MOST
from tests.training.recipes import CATALOG, NAMES, TINY, degradations

EACH = Engine(judge_seconds=0, judge_steps=1)  # every loss is judged
ROOT = Path(__file__).parents[2]
RECIPE = """
training = "backbone"
photos = ["elsewhere"]
minutes = 600
names = ["noise", "jpeg"]
ranks = [2, 3]
channels = [8, 16]
blocks = [1, 1]
patch = 32
groups = 2
group_size = 2
precision = "fp32"
device = "cpu"
run = "run"
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A folder with every installed package but restorekit."""
    folder = tmp_path_factory.mktemp("packages")
    for place in [Path(p) for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]:
        for entry in place.iterdir() if place.is_dir() else ():
            link = folder / entry.name
            if "restorekit" not in entry.name.lower() and not link.exists():
                link.symlink_to(entry)
    return folder


@pytest.fixture(scope="module")
def packed(folder, tmp_path_factory):
    from restorekit.training.packing import pack

    pack([folder], output := tmp_path_factory.mktemp("travel") / "pack", 1 << 22, limit=9)
    return output


def command(bare, *paths, into, arguments):
    """The command line and environment of a program that knows nothing but PYTHONPATH."""
    places = os.pathsep.join(str(p) for p in (*paths, bare))
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    environment = {**kept, "PYTHONPATH": places, "OMP_NUM_THREADS": "1", "HOME": str(into)}
    return {"args": [sys.executable, "-S", *arguments], "env": environment, "cwd": into, "text": True}


def burst(bare, pack, into, *options, plugins=True):
    (into / "run.toml").write_text(RECIPE)
    arguments = ["-m", "restorekit", "train", "burst", "run.toml", "--photos", str(pack), "--out", "out", *options]
    paths = (ROOT, ROOT / "plugins", *([pack] if plugins else []))
    return command(bare, *paths, into=into, arguments=arguments)


def report_in(into):
    return json.loads((into / "out" / "report.json").read_text())


def end_once(running, into, condition, by):
    """Send a signal to a burst once a condition of its report holds, and wait for its end; what it said."""
    try:
        patience = time.monotonic() + 120
        while not ((into / "out" / "report.json").exists() and condition(report_in(into))):
            assert running.poll() is None and time.monotonic() < patience
            time.sleep(0.1)
    finally:
        running.send_signal(by)
        said = running.communicate()[1]
    return said


def check_joined(into):
    """Join the pieces, and load the weights from what comes out."""
    files = join_pieces(into / "out", into / "joined")
    weights = into / "joined" / "weights"
    assert FlowUnet.from_folder(weights / "backbone").shape.channels == (8, 16)
    assert [Basis(name, name, weights / name).rank for name in ("noise", "jpeg")] == [2, 3]
    assert all(Basis(name, name, weights / name).layers() for name in ("noise", "jpeg"))
    assert all(verify(path) for path in files if path.suffix == ".safetensors")
    return json.loads((into / "joined" / "report.json").read_text())


def test_a_burst_runs_where_only_the_path_knows_restorekit_and_brings_all_back(bare, packed, tmp_path):
    nothing = command(bare, into=tmp_path, arguments=["-c", "import pluggy, restorekit"])
    refused = subprocess.run(**nothing, capture_output=True)
    assert "No module named 'restorekit'" in refused.stderr
    unplugged = subprocess.run(**burst(bare, packed, tmp_path, plugins=False), capture_output=True)
    assert unplugged.returncode == 1 and "put the packed folder" in unplugged.stderr
    assert not (tmp_path / "out").exists()

    limits = ("--deadline", "25s", "--pieces", "8KiB", "--every", "3s")
    began = time.monotonic()
    ran = subprocess.run(**burst(bare, packed, tmp_path, *limits), capture_output=True)
    assert ran.returncode == 0, ran.stderr
    assert time.monotonic() - began < 60
    told = ("torch", "memory", "disk", "device cpu", "9 photographs", "all sums right", "plugins")
    assert all(word in ran.stderr for word in told)
    assert all(path.stat().st_size <= 8 << 10 for path in (tmp_path / "out").glob("burst-*"))
    assert len(list((tmp_path / "out").glob("burst-*"))) > 2
    report = check_joined(tmp_path)
    assert report == report_in(tmp_path)
    assert report["ended"] == "at the deadline" and report["resumed_at"] == 0
    assert report["patches"] == 4 * report["iterations"] > 0 and report["patches_per_second"] > 0
    assert 0 < report["data_share"] < 1 and report["rollbacks"] == 0 and report["device"] == "cpu"
    assert report["validation_first"].keys() == report["validation_last"].keys() > {"mean"}
    assert report["validation_first"] != report["validation_last"]
    assert report["phases"].keys() == {
        "checks",
        "photographs",
        "start",
        "first validation and weights",
        "training",
    }
    text = (tmp_path / "joined" / "report.txt").read_text()
    assert f"patches        {report['patches']}," in text and "ended          at the deadline" in text
    assert "iteration,seconds,stage" in (tmp_path / "joined" / "log.csv").read_text()


def in_process(photos, folder, error):
    """Run a burst whose losses, all 1, go through a function of the iteration; burst and what it told."""
    training = BackboneTraining(replace(TINY, warm_up=0.0), degradations(), photos, EACH)
    plain = training.error

    def loss(predicted, target):
        value = plain(predicted, target)
        return value / value.detach() * error(training.counters.iteration)

    training.error = loss
    told = []
    return Burst(folder / "out", 1 << 20, time.monotonic(), told.append), training, told


def test_a_burst_whose_losses_go_wrong_brings_the_last_good_weights_and_says_so(photos, tmp_path):
    one, training, told = in_process(photos, tmp_path, lambda i: 1.0 if i < 3 else math.nan)
    with pytest.raises(TrainingError, match="lower --learning-rate"):
        one.run(training, tmp_path / "run", deadline=600, every=600)
    files = join_pieces(tmp_path / "out", tmp_path / "joined")
    report = json.loads((tmp_path / "joined" / "report.json").read_text())
    assert report["rollbacks"] == MOST and "lower --learning-rate" in report["ended"]
    assert sum("half the learning rate" in line for line in told) == MOST
    assert any(path.name == "adapter_model.safetensors" for path in files)
    assert FlowUnet.from_folder(tmp_path / "joined" / "weights" / "backbone").stem.weight.isfinite().all()


def test_a_burst_that_is_asked_to_stop_stops_and_brings_all(photos, tmp_path):
    asked = []

    def error(iteration):
        if iteration == 3 and not asked:  # the second signal is not caught
            asked.append(iteration)
            signal.raise_signal(signal.SIGTERM)
        return 1.0

    one, training, _ = in_process(photos, tmp_path, error)
    training.step = training.stepper.step  # in the main thread, which is told of signals
    one.run(training, tmp_path / "run", deadline=600, every=600)
    assert one.report.ended == "interrupted" and one.report.iterations == 4
    assert (one.report.patches, one.report.rollbacks) == (16, 0)
    join_pieces(tmp_path / "out", tmp_path / "joined")


def test_a_burst_for_one_basis_brings_whole_weights_of_which_nothing_else_changed(photos, tmp_path):
    base, tiny = tmp_path / "base", replace(TINY, warm_up=0.0)
    BackboneTraining(tiny, degradations(), photos).export(base)
    for name in NAMES:
        save_key(base / name, BasisKey(torch.ones(4), torch.zeros(()), torch.zeros(5)))
    recipe = replace(tiny, only=("noise",), ranks=(4, 3, 3))
    training = start_backbone(recipe, CATALOG, photos, tmp_path / "run", base)
    one = Burst(tmp_path / "out", 1 << 20, time.monotonic(), print)
    one.base = base
    one.run(training, tmp_path / "run", deadline=4, every=600)
    assert one.report.iterations > 0
    join_pieces(tmp_path / "out", tmp_path / "joined")
    joined = tmp_path / "joined" / "weights"
    names = [path.relative_to(base) for path in sorted(base.rglob("*.safetensors"))]
    changed = {str(name.parent) for name in names if verify(joined / name) != verify(base / name)}
    assert changed == {"noise"} and Basis("noise", "noise", joined / "noise").rank == 4
    assert Basis("noise", "noise", joined / "noise").key() is not None


def test_a_later_basis_is_no_burst(tmp_path):
    (tmp_path / "run.toml").write_text('training = "basis"\nphotos = []\nnames = ["haze"]\n')
    result = CliRunner().invoke(train, ["burst", str(tmp_path / "run.toml"), "--photos", str(tmp_path)])
    assert isinstance(result.exception, TrainingError) and "without a burst" in str(result.exception)


def test_a_burst_that_is_killed_leaves_its_last_weights_and_goes_on_from_there(bare, packed, tmp_path):
    limits = ("--deadline", "10m", "--every", "1s")
    running = subprocess.Popen(**burst(bare, packed, tmp_path, *limits), stderr=subprocess.PIPE)
    end_once(running, tmp_path, lambda report: report["iterations"], getattr(signal, "SIGKILL", signal.SIGTERM))
    killed = check_joined(tmp_path)
    assert killed["ended"] == "running" and killed["iterations"] >= 1

    resumed = subprocess.Popen(**burst(bare, packed, tmp_path, *limits), stderr=subprocess.PIPE)
    said = end_once(resumed, tmp_path, lambda r: r["resumed_at"] and r["iterations"], signal.SIGTERM)
    assert resumed.returncode == 0, said
    report = report_in(tmp_path)
    assert report["resumed_at"] >= killed["iterations"] >= 1
    assert f"at iteration {report['resumed_at']}" in said
    assert report["ended"] == "interrupted" and report["iterations"] > 0
