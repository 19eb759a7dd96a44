"""Protocols as data: `benchmarks/protocols/*.toml` and the folders that plugins bring, read and checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from restorekit.bench.errors import BenchError
from restorekit.bench.folder import Fields, benchmarks_folder, read_toml
from restorekit.bench.protocol import Goal, Group, Metric, Protocol, Protocols, Published, StepSpec
from restorekit.plugin.catalog import Catalog
from restorekit.plugin.failures import Failure

__all__ = ["CAMERA_CURVES", "brought_protocols", "load_protocols"]

SPACES = ("rgb", "y", "grey", "weights")
SOURCES = ("rgb", "y")
STORED = ("8-bit", "float")
CAMERA_CURVES = ("filmic", "reinhard", "logarithmic")


def load_protocols(folder: Path | None = None) -> Protocols:
    """Read and check every file of one folder. folder: other than the package's own."""
    protocols, groups = read_folder(folder or benchmarks_folder() / "protocols", {})
    for group in groups.values():
        check_members(group, protocols)
    return Protocols(protocols, groups)


def brought_protocols(catalog: Catalog, datasets: Collection[str]) -> tuple[Protocols, tuple[Failure, ...]]:
    """Read all protocols that plugins bring, and say what was left out.

    The first to bring a name keeps it; a folder with a fault costs itself alone.

    datasets: names of the sets there are.
    """
    protocols: dict[str, Protocol] = {}
    groups: dict[str, Group] = {}
    owners: dict[str, str] = {}
    failures: list[Failure] = []

    def refuse(owner: str, what: str, reason: object) -> None:
        failures.append(Failure(owner, f"its {what} refused: {reason}"))

    def free(owner: str, what: str) -> bool:
        if what in owners:
            refuse(owner, f"{what} is", f"{owners[what]} brings one already")
        return owners.setdefault(what, owner) is owner

    for owner, folder in catalog.protocols:
        try:
            mine, tables = read_folder(folder, protocols)
        except BenchError as error:
            refuse(owner, "protocols are", error)
            continue
        for name, protocol in mine.items():
            if protocol.dataset not in datasets:
                refuse(owner, f"protocol {name!r} is", f"nobody brings the data set {protocol.dataset!r}")
            elif free(owner, f"protocol {name!r}"):
                protocols[name] = protocol
        for name, group in tables.items():
            try:
                check_members(group, protocols)
            except BenchError as error:
                refuse(owner, f"group {name!r} is", error)
                continue
            if free(owner, f"group {name!r}"):
                groups[name] = group
    return Protocols(protocols, groups), tuple(failures)


def read_folder(folder: Path, known: Mapping[str, Protocol]) -> tuple[dict[str, Protocol], dict[str, Group]]:
    """Protocols and groups of one folder's files, by name. known: protocols of others, which groups may name."""
    protocols: dict[str, Protocol] = {}
    groups: dict[str, Group] = {}
    for path in sorted(folder.glob("*.toml")):
        top = Fields(read_toml(path), path.name)
        defaults = top.take("defaults", dict, {})
        sources = top.take("sources", dict, {})
        for fields in top.tables("protocol"):
            protocol = read_protocol(Fields({**defaults, **fields.table}, fields.where), sources)
            if protocol.name in protocols:
                raise BenchError(f"{path.name}: protocol {protocol.name} exists already")
            protocols[protocol.name] = protocol
        for name, table in top.take("groups", dict, {}).items():
            if name in groups:
                raise BenchError(f"{path.name}: group {name} exists already")
            groups[name] = read_group(name, Fields(table, f"{path.name}, group {name}"), {**known, **protocols})
        top.finish()
    return protocols, groups


def check_members(group: Group, protocols: Mapping[str, Protocol]) -> None:
    """Raise BenchError where a group names protocols that are not there."""
    wanted = [*group.protocols, *(p for goal in group.goals for p in goal.of)]
    missing = [p for p in wanted if p not in protocols]
    if missing or not group.protocols:
        raise BenchError(f"group {group.name} names {', '.join(missing) or 'no protocol'}, which is not there")


def read_group(name: str, fields: Fields, known: Mapping[str, Protocol]) -> Group:
    """One `[groups.NAME]` table. A goal is of one protocol, or of the mean over all, the seen or the unseen."""
    title, members = fields.take("title", str), fields.names("protocols")
    shares = {
        "all": members,
        "seen": tuple(m for m in members if m in known and known[m].seen is not False),
        "unseen": tuple(m for m in members if m in known and known[m].seen is False),
    }
    goals = []
    for entry in fields.tables("goals"):
        of = entry.take("of", str)
        goals.append(
            Goal(
                shares.get(of, (of,)),
                float(entry.take("at_least", (int, float))),
                entry.take("method", str, "restorekit"),
                entry.take("over", str, ""),
                of,
            )
        )
        entry.finish()
    rows, note = fields.take("rows", str, "methods"), fields.take("note", str, "")
    group = Group(name, title, members, note, rows, tuple(goals))
    fields.finish()
    if group.rows not in ("methods", "protocols"):
        raise BenchError(f'{fields.where}: rows must be "methods" or "protocols", got {group.rows!r}')
    return group


def read_protocol(fields: Fields, sources: Mapping[str, Any]) -> Protocol:
    """One `[[protocol]]` table."""
    name = fields.take("name", str)
    fields.where = f"{fields.where.split(',')[0]}, {name}"
    scale = fields.take("scale", int, 1)
    metrics = tuple(read_metric(f, scale) for f in fields.tables("metrics"))
    steps = tuple(read_step(f) for f in fields.tables("steps"))
    camera = fields.names("camera")
    implied = [s.degradation for s in steps] + (["lowres"] if scale > 1 else []) + (["noise"] if camera else [])
    present = fields.names("present", implied)
    protocol = Protocol(
        name=name,
        title=fields.take("title", str),
        dataset=fields.take("dataset", str),
        metrics=metrics,
        steps=steps,
        seed=fields.take("seed", int, 0),
        source=fields.take("source", str, "rgb"),
        resize=float(fields.take("resize", (int, float), 1)),
        camera=camera,
        scale=scale,
        stored=fields.take("stored", str, "8-bit"),
        present=present,
        remove=fields.names("remove", present),
        rounded=fields.take("rounded", bool, True),
        align=fields.take("align", int, 0),
        seen=fields.take("seen", bool, None),
        identify=fields.take("identify", bool, False),
        note=fields.take("note", str, ""),
        published=tuple(read_published(f, sources, metrics) for f in fields.tables("published")),
    )
    fields.finish()
    check(protocol, fields.where)
    return protocol


def check(protocol: Protocol, where: str) -> None:
    """Raise BenchError for what the types alone do not show."""
    choices = (
        (protocol.source, SOURCES),
        (protocol.stored, STORED),
        *((c, CAMERA_CURVES) for c in protocol.camera),
    )
    for value, allowed in choices:
        if value not in allowed:
            raise BenchError(f"{where}: {value!r} is none of {', '.join(allowed)}")
    if not protocol.metrics:
        raise BenchError(f"{where}: no metrics")
    if protocol.scale not in (1, 2, 3, 4):
        raise BenchError(f"{where}: scale must be 1 to 4, got {protocol.scale}")
    if protocol.scale > 1 and (protocol.steps or protocol.camera):
        raise BenchError(f'{where}: with a scale there are no steps; use the step "lowres" in composites')
    if not protocol.resize > 0:
        raise BenchError(f"{where}: resize must be above 0, got {protocol.resize:g}")
    if protocol.identify != any(m.space == "weights" for m in protocol.metrics):
        raise BenchError(f'{where}: identify goes with metrics in the space "weights", and only with them')
    strangers = [d for d in protocol.remove if d not in protocol.present]
    if strangers:
        raise BenchError(f"{where}: removes {', '.join(strangers)}, which is not in the picture")


def read_metric(fields: Fields, scale: int) -> Metric:
    name, space = fields.take("metric", str), fields.take("space", str, "rgb")
    border = fields.take("border", (int, str), 0)
    fields.finish()
    if space not in SPACES:
        raise BenchError(f"{fields.where}: space {space!r} is none of {', '.join(SPACES)}")
    if isinstance(border, str) and border != "scale":
        raise BenchError(f'{fields.where}: border must be a number of px or "scale", got {border!r}')
    return Metric(name, space, scale if border == "scale" else int(border))


def read_step(fields: Fields) -> StepSpec:
    severity = fields.take("severity", (int, float, str))
    if isinstance(severity, str) and severity != "typical":
        raise BenchError(f'{fields.where}: severity must be a number or "typical", got {severity!r}')
    step = StepSpec(
        fields.take("degradation", str),
        None if isinstance(severity, str) else float(severity),
        fields.take("kind", str, None),
        fields.take("kernel", str, None),
    )
    fields.finish()
    return step


def read_published(fields: Fields, sources: Mapping[str, Any], metrics: tuple[Metric, ...]) -> Published:
    source = fields.take("source", str)
    scores = fields.take("scores", dict)
    method, note = fields.take("method", str), fields.take("note", str, "")
    fields.finish()
    if source not in sources:
        raise BenchError(f"{fields.where}: source {source!r} is not among [sources]")
    strangers = sorted(set(scores) - {m.key for m in metrics})
    if strangers:
        raise BenchError(f"{fields.where}: scores for {', '.join(strangers)}, which the protocol does not measure")
    return Published(method, {k: float(v) for k, v in scores.items()}, str(sources[source]), note)
