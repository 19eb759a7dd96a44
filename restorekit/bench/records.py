"""Results on disk.

While a pair of protocol and method runs, each picture's scores are one line of `PROTOCOL/METHOD.jsonl`, written
as soon as they are known. Then the lines become `PROTOCOL/METHOD.json`. Either is taken up again by a later run
if its fingerprint (protocol, method, weights, versions) is the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from restorekit.bench.errors import BenchError

__all__ = [
    "FORMAT",
    "Result",
    "Score",
    "append_line",
    "fingerprint",
    "git_commit",
    "known_scores",
    "machine",
    "read_mark",
    "read_results",
    "result_path",
    "software",
    "start_lines",
    "write_result",
]

FORMAT = 1  # raised when scores of old files are no longer what the code would compute
DIGITS = 4


@dataclass(frozen=True)
class Score:
    """One picture. scores: by metric key. weights: by basis, of a protocol that scores the encoder."""

    image: str
    scores: Mapping[str, float]
    seconds: float
    megapixels: float
    weights: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Result:
    """One method on one protocol. about: what was run, on what, with what; json-able."""

    protocol: str
    method: str
    fingerprint: str
    scores: tuple[Score, ...]
    about: Mapping[str, Any]

    def mean(self, key: str) -> float | None:
        """Mean over the pictures, None if the metric was not computed."""
        values = [s.scores[key] for s in self.scores if key in s.scores]
        return sum(values) / len(values) if values else None

    @property
    def seconds_per_megapixel(self) -> float:
        return sum(s.seconds for s in self.scores) / max(sum(s.megapixels for s in self.scores), 1e-9)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(k for s in self.scores for k in s.scores))


def result_path(folder: Path, protocol: str, method: str) -> Path:
    """Path of a result; a method's argument goes into the file name."""
    return folder / protocol / (re.sub(r"[^\w.+-]+", "_", method) + ".json")


def fingerprint(parts: Mapping[str, Any]) -> str:
    """Digest of everything that a score depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def line_of(score: Score) -> str:
    values = {k: v for k, v in asdict(score).items() if v is not None}
    values["seconds"], values["megapixels"] = round(score.seconds, DIGITS), round(score.megapixels, 6)
    for field in ("scores", "weights"):
        if field in values:
            values[field] = {k: round(v, DIGITS) for k, v in values[field].items()}
    return json.dumps(values, sort_keys=True)


def score_of(values: Mapping[str, Any]) -> Score:
    return Score(values["image"], values["scores"], values["seconds"], values["megapixels"], values.get("weights"))


def start_lines(path: Path, mark: str) -> None:
    """Begin the file of lines of a run, unless one with the same fingerprint is there already."""
    lines = path.with_suffix(".jsonl")
    lines.parent.mkdir(parents=True, exist_ok=True)
    if not lines.exists() or read_mark(lines) != mark:
        lines.write_text(json.dumps({"fingerprint": mark}) + "\n")


def append_line(path: Path, score: Score) -> None:
    """Record one picture, so that it stays recorded if the machine stops now."""
    with path.with_suffix(".jsonl").open("a") as file:
        file.write(line_of(score) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_mark(lines: Path) -> str:
    with lines.open() as file:
        try:
            return str(json.loads(file.readline())["fingerprint"])
        except (ValueError, KeyError, TypeError):
            return ""


def known_scores(path: Path, mark: str) -> dict[str, Score]:
    """Scores that need not be computed again, by picture, from lines and from a finished result."""
    known: dict[str, Score] = {}
    if path.exists():
        result = read_result(path)
        if result.fingerprint == mark:
            known |= {s.image: s for s in result.scores}
    lines = path.with_suffix(".jsonl")
    if lines.exists() and read_mark(lines) == mark:
        for text in lines.read_text().splitlines()[1:]:
            try:
                score = score_of(json.loads(text))
            except (ValueError, KeyError):
                continue  # the line that was being written when the machine stopped
            known[score.image] = score
    return known


def write_result(path: Path, result: Result) -> None:
    """Write a finished result, one picture a line, and remove its file of lines."""
    head = {"format": FORMAT, "protocol": result.protocol, "method": result.method}
    head |= {"fingerprint": result.fingerprint, "about": result.about}
    head |= {"means": {k: round(result.mean(k) or 0.0, DIGITS) for k in result.keys}}
    text = json.dumps(head, indent=1, sort_keys=True).removesuffix("\n}")
    rows = ",\n  ".join(line_of(s) for s in sorted(result.scores, key=lambda s: s.image))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(f'{text},\n "scores": [\n  {rows}\n ]\n}}\n')
    os.replace(temporary, path)
    path.with_suffix(".jsonl").unlink(missing_ok=True)


def read_result(path: Path) -> Result:
    try:
        values = json.loads(path.read_text())
        scores = tuple(score_of(v) for v in values["scores"])
        return Result(values["protocol"], values["method"], values["fingerprint"], scores, values["about"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{path} is not a result of `restorekit bench run` ({error}); remove it") from None


def read_results(folder: Path) -> list[Result]:
    """All finished results below a folder, or the one in a file."""
    if folder.is_file():
        return [read_result(folder)]
    if not folder.is_dir():
        raise BenchError(f"no results in {folder}; make some with `restorekit bench run`")
    return [read_result(p) for p in sorted(folder.glob("*/*.json"))]


def machine() -> dict[str, Any]:
    """Processor, cores and system that the seconds were measured on."""
    import torch

    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text())
        name = found.group(1).strip() if found else name
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def software() -> dict[str, str]:
    """Versions that scores and seconds may depend on."""
    versions = {"python": platform.python_version()}
    for name in ("restorekit", "torch", "numpy", "pillow", "pyiqa", "stlpips-pytorch", "flip-evaluator"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def git_commit() -> str:
    """The checkout's commit, with a + if code or weights differ from it; empty outside one."""
    package = Path(__file__).resolve().parents[1]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(package.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    try:
        if not git("ls-files", "restorekit/__init__.py"):
            return ""  # installed inside somebody else's repository
        changed = git("status", "--porcelain", "--", "restorekit", "plugins", "weights", "benchmarks/protocols")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return ""
