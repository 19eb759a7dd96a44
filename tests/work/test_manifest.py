"""Laws of the manifest: a line for the run, a line for each picture, whatever happens in between."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import restorekit
from restorekit.running.restorer import Restorer
from restorekit.work.manifest import Manifest
from restorekit.work.setup import fingerprint


def records(path="run.jsonl"):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_manifest_has_a_line_for_each_picture_with_what_proves_it(cli, photo):
    a = photo("in/a.png")
    Path("in/b.png").write_text("no image")
    Path("log").mkdir()
    Path("log/run.jsonl").write_text('{"torn')
    assert cli("restore", "in", "-o", "out", "--manifest", "log/run.jsonl").code == 1
    torn, *lines = Path("log/run.jsonl").read_text().splitlines()
    run, done, failed = map(json.loads, lines)
    assert torn == '{"torn' and run["run"] == done["run"] == failed["run"]
    assert done["input_sha256"] == hashlib.sha256(a.read_bytes()).hexdigest()
    assert done["output_sha256"] == hashlib.sha256(Path("out/a.png").read_bytes()).hexdigest()
    assert {"weights", "severities", "seconds", "size", "notes"} <= set(done)
    assert "convert it to PNG" in failed["error"] and "output_sha256" not in failed
    assert sorted(os.listdir("log")) == ["run.jsonl"]


def test_a_lines_weights_equal_those_of_json(cli, photo):
    photo("in/a.png"), photo("in/b.png", (40, 30))
    outcome = cli("restore", "in", "-o", "out", "--json", "--manifest", "run.jsonl")
    said = [json.loads(line) for line in outcome.out.splitlines()]
    _, *kept = records()
    assert len(said) == len(kept) == 2
    for line, told in zip(kept, said, strict=True):
        assert {name: line[name] for name in told} == told
        assert set(line["weights"]) == {"blur", "detail", "jpeg", "lowres", "noise", "rain"}


def test_each_run_says_once_which_weights_precision_options_and_versions_made_it(cli, photo):
    photo("a.png"), photo("b.png")
    command = ("restore", "a.png", "--manifest", "run.jsonl", "--precision")
    cli(*command, "fp32", "b.png", "-o", "out/", "--steps", "2")
    cli(*command, "bf16", "-o", "c.png", "--set", "noise=0.5")
    heads = [record for record in records() if "input" not in record]
    assert [head["precision"] for head in heads] == ["fp32", "bf16"]
    assert heads[0]["options"]["steps"] == 2 and heads[1]["options"]["wish"]["set"] == {"noise": 0.5}
    for head in heads:
        assert head["fingerprint"] == fingerprint(Restorer.from_pretrained(device="cpu"))
        assert head["restorekit"] == restorekit.__version__ and head["versions"]["torch"] == version("torch")
        assert head["device"] == "cpu" and "noise" in head["bases"]
    assert len({head["run"] for head in heads}) == 2


def test_a_picture_whose_line_a_killed_run_did_not_write_gets_it_from_the_next(cli, photo):
    photo("in/a.png"), photo("in/b.png")
    command = ("restore", "in", "-o", "out", "--skip-existing", "--manifest", "run.jsonl")
    assert cli(*command).code == 0
    run, first, second = Path("run.jsonl").read_text().splitlines()
    Path("run.jsonl").write_text(f"{run}\n{first}\n{second[:40]}")
    assert cli(*command).code == 0 and cli(*command).code == 0
    _, _, torn, _, again = Path("run.jsonl").read_text().splitlines()
    assert torn == second[:40] and json.loads(again)["skipped"]
    for kept in ("input", "output", "input_sha256", "output_sha256"):
        assert json.loads(again)[kept] == json.loads(second)[kept]


KILLED_BEFORE_A_LINE = """
import os, signal, sys
from restorekit.cli.main import run
from restorekit.work import service

class Killed(service.Manifest):
    def add(self, record, proof):
        if "b.png" in record["input"]:
            os.kill(os.getpid(), signal.SIGKILL)
        super().add(record, proof)

service.Manifest = Killed
run(sys.argv[1:])
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
def test_a_picture_in_flight_at_a_kill_gets_its_full_record_at_the_resume(cli, photo, tiny):
    for name in "abc":
        photo(f"in/{name}.png", (40, 30 + ord(name)))
    command = ("restore", "in", "-o", "out", "--skip-existing", "--manifest", "run.jsonl")
    whole = [json.loads(line) for line in cli("restore", "in", "-o", "whole", "--json").out.splitlines()]
    environment = {**os.environ, "RESTOREKIT_WEIGHTS": str(tiny)}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_BEFORE_A_LINE, *command], env=environment, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert Path("out/b.png").exists() and not any("b.png" in record.get("input", "") for record in records())
    [journal] = Path().glob("run.jsonl.*.pending")
    journal.with_suffix(".new").write_text("{")  # as where the kill came while the next record was kept
    assert cli(*command).code == 0
    kept = {Path(record["input"]).name: record for record in records() if "input" in record}
    for told in whole:
        line = kept[Path(told["input"]).name]
        for name in ("weights", "severities", "size", "notes"):
            assert line[name] == told[name], name
        assert line["output_sha256"] == hashlib.sha256(Path(line["output"]).read_bytes()).hexdigest()
    assert kept["b.png"]["skipped"] is True
    assert sorted(p.name for p in Path().iterdir() if p.is_file()) == ["run.jsonl"]  # nothing is left beside it


@pytest.mark.parametrize("written", [0, 7])
def test_a_full_disk_beneath_the_manifest_is_one_line_and_the_pictures_go_on(cli, photo, monkeypatch, written):
    for name in "abc":
        photo(f"in/{name}.png")
    full = {"now": True}
    real = Manifest.write

    def write(self, line):
        if not full["now"]:
            return real(self, line)
        with self.path.open("ab") as file:  # as the first bytes may still have found a place
            file.write(b"x" * written)
        os.truncate(self.path, os.path.getsize(self.path) - written)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Manifest, "write", write)
    command = ("restore", "in", "-o", "out", "--skip-existing", "--manifest", "run.jsonl")
    outcome = cli(*command)
    assert outcome.code == 1 and outcome.err.count("\n") == 1, outcome
    assert (
        outcome.err.startswith("error: cannot write run.jsonl: No space left") and "--skip-existing" in outcome.err
    )
    assert sorted(os.listdir("out")) == ["a.png", "b.png", "c.png"] and outcome.out.count("\n") == 3
    full["now"] = False
    assert cli(*command).code == 0
    assert [Path(r["output"]).name for r in records() if "output" in r] == ["a.png", "b.png", "c.png"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device there")
def test_a_line_is_in_the_manifest_whole_or_not_at_all(tmp_path, monkeypatch):
    kept = Manifest(tmp_path / "run.jsonl")
    kept.add({"input": "a", "output": "b"}, {})
    before = (tmp_path / "run.jsonl").read_bytes()
    kept.path = Path("/dev/full")
    with pytest.raises(OSError):
        kept.add({"input": "c", "output": "d"}, {})
    kept.path = tmp_path / "run.jsonl"
    kept.add({"input": "c", "output": "d"}, {})
    after = (tmp_path / "run.jsonl").read_bytes()
    assert after.startswith(before) and [r.get("output") for r in records(kept.path)] == [None, "b", "d"]
