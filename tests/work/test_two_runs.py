"""Laws of runs that meet: what another run left, has done, or is at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from restorekit import atomic
from restorekit.atomic import Claim
from restorekit.files import is_finished
from restorekit.running.restorer import Restorer


def test_an_empty_output_is_not_done_and_is_made_again_only_by_a_run_that_goes_on(cli, photo):
    photo("in/a.png"), photo("in/b.png")
    Path("out").mkdir()
    Path("out/a.png").touch()
    refusal = cli("restore", "in/a.png", "-o", "out/a.png")
    assert refusal.is_one_error() and "--overwrite" in refusal.err
    outcome = cli("restore", "in", "-o", "out", "--skip-existing", "--manifest", "run.jsonl")
    assert outcome.code == 0 and outcome.out.count("\n") == 2 and "passed over" not in outcome.err
    assert is_finished(Path("out/a.png")) and is_finished(Path("out/b.png"))
    assert sorted(os.listdir("out")) == ["a.png", "b.png"]


RUN = ("restore", "in", "-o", "out", "--skip-existing")


def test_a_picture_that_another_run_is_at_is_passed_over_and_done_if_that_run_gave_up(cli, photo):
    photo("in/a.png"), photo("in/b.png")
    Path("out").mkdir()
    claim = Claim.on(Path("out/a.png"))
    outcome = cli(*RUN, "--json")
    assert outcome.code == 0 and "1 passed over: another run is at it" in outcome.err
    records = [json.loads(line) for line in outcome.out.splitlines()]
    assert [(Path(r["input"]).name, r.get("skipped", False)) for r in records] == [
        ("b.png", False),
        ("a.png", True),
    ]
    claim.release()
    assert cli(*RUN).code == 0 and sorted(os.listdir("out")) == ["a.png", "b.png"]


def test_a_picture_whose_other_run_gives_up_meanwhile_is_done_at_the_end(cli, photo, monkeypatch):
    photo("in/a.png"), photo("in/b.png")
    Path("out").mkdir()
    claim, real = Claim.on(Path("out/a.png")), Restorer.restore

    def restore(*arguments, **named):
        claim.release()
        return real(*arguments, **named)

    monkeypatch.setattr(Restorer, "restore", restore)
    outcome = cli(*RUN)
    assert outcome.code == 0 and outcome.err == "" and sorted(os.listdir("out")) == ["a.png", "b.png"]


@pytest.mark.parametrize("locks", [True, False])
def test_a_picture_that_another_run_finished_first_is_passed_over_and_no_failure(cli, photo, monkeypatch, locks):
    photo("in/a.png"), photo("in/b.png")
    if not locks:  # some network drives have none
        monkeypatch.setattr(atomic, "lock", lambda file: None)
    real = Restorer.restore

    def restore(*arguments, **named):
        Path("out").mkdir(exist_ok=True)
        Path("out/a.png").write_bytes(b"of the other run")
        return real(*arguments, **named)

    monkeypatch.setattr(Restorer, "restore", restore)
    outcome = cli(*RUN)
    assert outcome.code == 0 and "1 passed over: another run has done it" in outcome.err
    assert Path("out/a.png").read_bytes() == b"of the other run" and is_finished(Path("out/b.png"))
    assert sorted(os.listdir("out")) == ["a.png", "b.png"]


def test_two_runs_at_once_share_the_work_and_neither_fails(cli, photo, tiny):
    count = 12
    for i in range(count):
        photo(f"in/{i:02}.png", (200, 150))
    environment = {**os.environ, "RESTOREKIT_WEIGHTS": str(tiny)}
    command = [sys.executable, "-m", "restorekit", *RUN, "--json"]
    runs = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    records = [json.loads(line) for out, _ in said for line in out.splitlines()]
    restored = [record["input"] for record in records if not record.get("skipped")]
    assert sorted(Path(name).name for name in restored) == sorted(os.listdir("in"))  # each once
    assert sorted(os.listdir("out")) == sorted(os.listdir("in"))
    assert not any("error" in err for _, err in said)
