"""Cards from strangers, looked at before anything relies on them. Needs no torch.

Every check gives one line that says what is wrong, or nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from restorekit.degradation import Degradation, Severity
from restorekit.model.basis import Basis
from restorekit.plugin.hookspecs import BackboneCard, Method, ModelCard

__all__ = ["fault_in", "name_of"]

NAME = re.compile(
    r"\w[\w.-]*"
)  # what fits into --set NAME=1, --with NAME=25:KIND, rain+noise, and a folder's name
OBJECT = re.compile(r"[\w.]+:[\w.]+")


def fault_in(card: object) -> str:
    """The gravest fault of a card, after its name; empty if it has none."""
    try:
        fault = next(faults(card), "")
    except Exception as error:  # a field may be a property, which runs a stranger's code
        return f"raises {type(error).__name__} when its fields are read: {error}"
    name = name_of(card)
    return f"{name!r} {fault}" if fault and name is not None else fault


def name_of(card: object) -> str | None:
    """The name of a card, None where it has none that can be read."""
    try:
        name = getattr(card, "name", None)
    except Exception:  # as above
        return None
    return name if isinstance(name, str) else None


def faults(card: object) -> Iterator[str]:
    """Faults of one card of any kind, the gravest first."""
    name = getattr(card, "name", None)
    if not isinstance(name, str):
        yield f"has no name: {type(card).__name__}.name is {name!r}; give it a word that users can type"
    elif not NAME.fullmatch(name):
        yield f"has the name {name!r}; use letters, digits, '-', '_' and '.' only"
    if not isinstance(card.summary, str):  # type: ignore[attr-defined]
        yield f"has the summary {card.summary!r}; give it a line of text"  # type: ignore[attr-defined]
    if isinstance(card, Degradation):
        yield from degradation_faults(card)
    elif isinstance(card, Basis):
        if not isinstance(card.degradation, str):
            yield f"has the degradation {card.degradation!r}; give the name of one, or '' for a look"
        if not isinstance(card.model, str):
            yield f"has the model {card.model!r}; give the name of one, or '' for the one that its files name"
        for field in ("prepare", "sees"):
            if (value := getattr(card, field)) != "":
                yield from object_faults(field, value)
        yield from folder_faults("folder", card.folder)
    elif isinstance(card, BackboneCard):
        yield from object_faults("architecture", card.architecture)
        yield from folder_faults("folder", card.folder)
    elif isinstance(card, ModelCard):
        if isinstance(card.backbone, BackboneCard):
            yield from (f"has a backbone that {fault}" for fault in faults(card.backbone))
        else:
            yield f"has the backbone {card.backbone!r}; give a BackboneCard"
        yield from folder_faults("encoder", card.encoder)
        if not isinstance(card.licence, str):
            yield f"has the licence {card.licence!r}; give a line of text"
    elif isinstance(card, Method):
        yield from object_faults("factory", card.factory)


def folder_faults(field: str, folder: object) -> Iterator[str]:
    """Faults of a field that holds a folder."""
    if not isinstance(folder, Path):
        yield f"has the {field} {folder!r}; give a pathlib.Path"


def object_faults(field: str, value: object) -> Iterator[str]:
    """Faults of a field that names an object of a module."""
    if not isinstance(value, str) or not OBJECT.fullmatch(value):
        yield f"has the {field} {value!r}; give 'module:name'"


def degradation_faults(card: Degradation) -> Iterator[str]:
    """Faults of a degradation's severity, order and kinds."""
    scale = getattr(card, "severity", None)
    if not isinstance(scale, Severity):
        yield f"has no severity: it is {scale!r}; give a restorekit.plugin.Severity"
        return
    numbers = {field: getattr(scale, field) for field in ("off", "mild", "strong", "typical")}
    numbers["order"] = getattr(card, "order", None)
    for field, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            yield f"has {field} {value!r}; give a number"
            return
    low, high = sorted((scale.off, scale.strong))
    if scale.mild == scale.off or not all(low <= value <= high for value in (scale.mild, scale.typical)):
        yield (
            f"has a severity that is mild at {scale.mild:g}, typical at {scale.typical:g} and strong at "
            f"{scale.strong:g}; these lie in that order from {scale.off:g} (off)"
        )
    if not isinstance(scale.symbol, str) or not isinstance(scale.unit, str):
        yield f"has the symbol {scale.symbol!r} and the unit {scale.unit!r}; give text"
    kinds = getattr(card, "kinds", None)
    if not isinstance(kinds, tuple | list) or not kinds or not all(isinstance(k, str) and k for k in kinds):
        yield f"has the kinds {kinds!r}; give a tuple of names, the plain one first"
