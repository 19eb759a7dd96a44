"""Laws of the Ray engine: it does what the local one does, and outlives its workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from restorekit.image import write_image
from restorekit.running.restorer import Restorer
from restorekit.work.cluster import Outcome, Worker, surroundings
from restorekit.work.listener import Report
from restorekit.work.request import Options
from restorekit.work.setup import fingerprint

pytest.importorskip("ray")


def make_photos(folder: Path, count: int, size: int) -> None:
    folder.mkdir()
    for i in range(count):
        image = torch.rand(1, 3, size, size + i, generator=torch.Generator().manual_seed(i))
        write_image(folder / f"{i:02}.png", image)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# As the kernel writes 127.0.0.1, ::1 and ::ffff:127.0.0.1.
LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


def listening(parent: int) -> set[str]:
    """Addresses on which a process or those below it take connections, in the kernel's writing; Linux only."""
    if sys.platform != "linux":
        return set()
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            text = stat.read_text()
            children.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    family, found = [parent], set()
    for process in family:
        family += children.get(process, [])
        for descriptor in Path(f"/proc/{process}/fd").glob("*"):
            with suppress(OSError):
                found.add(os.readlink(descriptor))
    rows = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()
    ]
    return {row[1].rpartition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in found}


def test_a_cluster_of_our_own_asks_nobody_where_it_is_and_reports_nothing(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in surroundings("local").items():
        monkeypatch.setenv(name, value)
    requests = pytest.importorskip("requests")
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    for url in ("http://169.254.169.254/latest/meta-data/", "http://metadata.google.internal/computeMetadata/v1"):
        assert requests.utils.get_environ_proxies(url)["http"] == "http://127.0.0.1:9"
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=5)
    assert requests.utils.get_environ_proxies("http://127.0.0.1:8265") == {}
    assert "http_proxy" not in surroundings("10.0.0.1:6379")


def test_two_workers_write_what_one_process_writes_and_one_of_them_may_die(tmp_path, tiny):
    count = 24
    make_photos(tmp_path / "in", count, 200)
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    command = [sys.executable, "-m", "restorekit", "restore", "in", "--precision", "fp32", "--manifest"]
    local = subprocess.run([*command, "local.jsonl", "-o", "local"], cwd=tmp_path, capture_output=True, text=True)
    assert local.returncode == 1 and "broken.png" in local.stderr  # the others went on
    cluster = subprocess.Popen(
        [*command, "ray.jsonl", "-o", "ray", "--engine", "ray", "--workers", "2"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    killed, heard = None, set()
    deadline = time.monotonic() + 300
    while killed is None and cluster.poll() is None and time.monotonic() < deadline:
        workers = [record["worker"] for record in lines(tmp_path / "ray.jsonl") if "worker" in record]
        if workers:
            heard = listening(cluster.pid)
            killed = int(workers[0].rpartition(":")[2])
            os.kill(killed, signal.SIGKILL)
        time.sleep(0.01)
    said, _ = cluster.communicate(timeout=300)
    assert killed is not None and cluster.returncode == 1, said
    if sys.platform == "linux":
        assert heard and heard <= LOOPBACK  # nobody from outside can join
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2 and all("broken.png" in line for line in errors)  # itself, and at the end
    for i in range(count):
        name = f"{i:02}.png"
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()
    assert not list((tmp_path / "ray").glob("*.tmp"))

    def known(name: str) -> dict[str, dict]:
        head, *others = lines(tmp_path / name)
        assert head["options"]["precision"] == "fp32"
        records = [record for record in others if "input" in record]
        assert len(records) == count + 1  # each once
        makers = [head, *(record for record in others if "input" not in record)]
        assert {m["fingerprint"] for m in makers if "fingerprint" in m} == {
            fingerprint(Restorer.from_pretrained())
        }
        dropped = ("worker", "seconds", "output", "error", "run")
        return {r["input"]: {k: v for k, v in r.items() if k not in dropped} for r in records}

    assert known("ray.jsonl") == known("local.jsonl")
    assert len({r["worker"] for r in lines(tmp_path / "ray.jsonl") if "worker" in r}) >= 2


@pytest.fixture
def worker(cli) -> Worker:
    """A worker in this process."""
    return Worker(Options(device="cpu", precision="fp32", overwrite=True), 1, None)


@pytest.mark.parametrize("error", [MemoryError(), OSError(5, "Input/output error"), KeyError("gone")])
def test_an_error_that_nobody_expected_is_an_answer_and_ends_no_worker(worker, photo, monkeypatch, error):
    row = {"index": 7, "source": str(photo("a.png")), "output": "out/a.png"}
    assert "record" in json.loads(worker(row)["answer"])

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(worker.pipeline.restorer, "restore", fail)
    answer = worker(row)
    assert answer["index"] == 7 and "a.png: " in json.loads(answer["answer"])["error"]


def test_a_basis_that_the_workers_lack_is_told_by_the_exit_code(cli, photo, monkeypatch):
    photo("a.png")

    def restored_on(cluster, jobs, options, journal):
        record = {"input": "a.png", "output": "out/a.png", "weights": {}, "size": [1, 1], "worker": "here:1"}
        for job in jobs:
            yield Outcome(job, "here:1", {"precision": "fp32"}, ["derain: no rain"], True, Report("", record), "")

    monkeypatch.setattr("restorekit.work.cluster.restored_on", restored_on)
    outcome = cli("restore", "a.png", "-o", "out/", "--engine", "ray", "--manifest", "run.jsonl")
    assert outcome.code == 3 and outcome.err == "warning: derain: no rain\n"
    head, about, picture = lines(Path("run.jsonl"))
    assert head["engine"] == "ray" and about["worker"] == picture["worker"] == "here:1"
    assert about["precision"] == "fp32" and head["run"] == about["run"] == picture["run"]


def test_what_a_dead_worker_had_begun_to_write_is_taken_away(cli, photo, monkeypatch):
    photo("a.png")

    def restored_on(cluster, jobs, options, journal):
        Path("out").mkdir()
        Path("out/.restorekit-half.tmp").write_bytes(b"half")
        for job in jobs:
            yield Outcome(job, "here:1", {}, [], False, None, "killed")

    monkeypatch.setattr("restorekit.work.cluster.restored_on", restored_on)
    assert cli("restore", "a.png", "-o", "out/", "--engine", "ray").code == 1
    assert not list(Path("out").iterdir())


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("a.png", "--engine", "abacus"), "local or ray"),
        (("a.png", "--workers", "2"), "--engine ray"),
        (("-", "--engine", "ray"), "--engine local"),
        ((".", "--engine", "ray", "--watch"), "--engine local"),
    ],
)
def test_what_a_cluster_cannot_do_is_refused_before_it_starts(cli, photo, arguments, remedy):
    photo("a.png")
    outcome = cli("restore", *arguments)
    assert outcome.is_one_error() and remedy in outcome.err
