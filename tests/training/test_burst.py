"""Laws of bursts: packed photographs, a machine where nothing of restorekit is installed, results in pieces."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from restorekit.backbone.flow_unet import FlowUnet
from restorekit.basis import Basis
from restorekit.training.pieces import INDEX, join_pieces
from restorekit.weights import verify

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
    assert all(word in ran.stderr for word in ("torch", "memory", "disk", "device cpu", "9 photographs", "plugins"))
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


def test_a_burst_that_is_killed_leaves_its_last_weights_and_goes_on_from_there(bare, packed, tmp_path):
    running = subprocess.Popen(
        **burst(bare, packed, tmp_path, "--deadline", "10m", "--every", "1s"), stderr=subprocess.PIPE
    )
    try:
        patience = time.monotonic() + 120
        while not ((tmp_path / "out" / INDEX).exists() and report_in(tmp_path)["iterations"]):
            assert running.poll() is None and time.monotonic() < patience
            time.sleep(0.1)
    finally:
        running.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        running.communicate()
    killed = check_joined(tmp_path)
    assert killed["ended"] == "running" and killed["iterations"] >= 1

    resumed = subprocess.run(**burst(bare, packed, tmp_path, "--deadline", "20s"), capture_output=True)
    assert resumed.returncode == 0, resumed.stderr
    report = report_in(tmp_path)
    assert report["resumed_at"] >= killed["iterations"] >= 1
    assert f"at iteration {report['resumed_at']}" in resumed.stderr
    assert report["ended"] == "at the deadline" and report["iterations"] > 0
