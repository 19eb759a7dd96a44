"""The manifest of a run: JSON lines, one for each picture, below one for the run.

    {"run": "5f0c...", "restorekit": "0.2.0", "fingerprint": sha256 of all weights, "precision": "bf16", ...}
    {"input": ..., "output": ..., "weights": {"noise": 0.98, ...}, "output_sha256": ..., "run": "5f0c..."}

A picture is written first and its line after it. A run that is killed in between left what the line would have
said in a small file beside the manifest, from which the next run takes it.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from restorekit import __version__
from restorekit.errors import ImageError
from restorekit.model.weights import digest
from restorekit.work.jobs import Job

__all__ = ["Journal", "Manifest", "proof_of"]

PENDING = ".pending"
HALF = ".new"  # a journal that is being written
IN_FLIGHT = 4  # records that are kept: pictures that may be written and not yet told
LIBRARIES = ("torch", "numpy", "pillow", "safetensors")


class Manifest:
    """Lines, added to a file as pictures are done: record of the report, sha256 of input and output, and the run.

    run: name of this run.
    outputs: those that had a line when it was opened.
    pending: records of pictures that runs which were killed had begun to write, by absolute output.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = secrets.token_hex(8)
        self.facts: dict[str, Any] = {}
        self.workers: dict[str, Mapping[str, Any]] = {}  # of a cluster, before their first line
        self.known: set[str] = set()
        self.headed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab+") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(0, end - 1))
                if file.read() not in (b"", b"\n"):
                    file.write(b"\n")  # after a line that a killed run did not finish
                file.seek(0)
                self.outputs = {output for line in file if (output := output_of(line)) is not None}
        except OSError as error:
            raise ImageError(f"cannot write {path}: {error.strerror}; choose another --manifest") from error
        self.left = {file: records_in(file) for file in path.parent.glob(f"{_plain(path.name)}.*{PENDING}")}
        self.pending = {output: record for records in self.left.values() for output, record in records.items()}

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Say once what holds for all pictures of the run; before the first of them."""
        self.facts = dict(facts)

    def know(self, worker: str, facts: Mapping[str, Any]) -> None:
        """Say what holds for all pictures of a worker of a cluster, in a line before its first one."""
        if worker not in self.known:
            self.known.add(worker)
            self.workers[worker] = facts

    def add(self, record: Mapping[str, Any], proof: Mapping[str, str | None]) -> None:
        """Add a picture's line, whole or not at all, below that of the run. OSError."""
        if not self.headed:
            self.write({"run": self.run, **versions(), **self.facts})
            self.headed = True
        for worker in list(self.workers):
            self.write({"run": self.run, "worker": worker, **self.workers[worker]})
            del self.workers[worker]
        self.write({**record, **proof, "run": self.run})
        if "error" not in record:
            self.outputs.add(str(record["output"]))

    def write(self, line: Mapping[str, Any]) -> None:
        """Add a line, whole or not at all. OSError."""
        with self.path.open("ab") as file:
            end = file.seek(0, os.SEEK_END)
            try:
                file.write(json.dumps(line).encode() + b"\n")
                file.flush()
            except OSError:  # a full disk may have taken half of it
                with suppress(OSError):
                    os.truncate(self.path, end)
                raise

    def close(self) -> None:
        """Remove what was kept for a run that is killed, where its pictures have their lines."""
        told = {os.path.abspath(output) for output in self.outputs}
        for file, records in self.left.items():
            if told.issuperset(records):
                file.unlink(missing_ok=True)
                file.with_suffix(HALF).unlink(missing_ok=True)  # of a run that was killed while it wrote it
        for file in self.path.parent.glob(f"{_plain(self.path.name)}.{self.run}*{PENDING}"):
            if told.issuperset(records_in(file)):
                file.unlink(missing_ok=True)


class Journal:
    """Records of the pictures that are being written, in a file beside the manifest: path.NAME.pending."""

    def __init__(self, manifest: Path, name: str) -> None:
        self.path = manifest.parent / f"{manifest.name}.{name}{PENDING}"
        self.records: dict[str, Mapping[str, Any]] = {}

    def begin(self, record: Mapping[str, Any]) -> None:
        """Keep a record whose picture is written next. A disk that is full does not stop the picture."""
        self.records[os.path.abspath(record["output"])] = record
        while len(self.records) > IN_FLIGHT:
            del self.records[next(iter(self.records))]
        beside = self.path.with_suffix(HALF)
        with suppress(OSError):
            beside.write_text(json.dumps(self.records))
            os.replace(beside, self.path)


def _plain(name: str) -> str:
    """A name as a pattern that only it matches."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def records_in(file: Path) -> dict[str, dict[str, Any]]:
    """Records of a journal, by absolute output; none where it was not finished."""
    try:
        records = json.loads(file.read_text())
        return {str(output): dict(record) for output, record in records.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def versions() -> dict[str, Any]:
    """Versions of restorekit, Python and the libraries that make the pixels."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return {"restorekit": __version__, "versions": found}


def output_of(line: bytes) -> str | None:
    """The output that a line of a manifest tells of; None for an error, a run, or a line that was not finished."""
    try:
        record = json.loads(line)
        return None if "error" in record else str(record["output"])
    except (ValueError, KeyError, TypeError):
        return None


def proof_of(job: Job, *, written: bool = True) -> dict[str, str | None]:
    """sha256 of a picture's files; takes some time for large ones."""
    proof = {"input_sha256": file_digest(job.source)}
    if written and job.output is not None:
        proof["output_sha256"] = file_digest(job.output)
    return proof


def file_digest(path: Path) -> str | None:
    """sha256 of a file; None for what is none, or cannot be read."""
    try:
        return digest(path)
    except OSError:
        return None
