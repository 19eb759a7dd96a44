"""Camera shake for restorekit: the degradation, what undoes it, and the basis that mends what is left."""

from __future__ import annotations

from pathlib import Path

from restorekit.plugin import Basis, Degradation, Preset, hookimpl
from restorekit_shake.shake import Shake

__all__ = ["register_bases", "register_degradations", "register_presets", "register_protocols"]

WEIGHTS = Path(__file__).parent / "weights"


@hookimpl
def register_degradations() -> list[Degradation]:
    return [Shake()]


@hookimpl
def register_bases() -> list[Basis]:
    if not WEIGHTS.is_dir():
        return []
    module = "restorekit_shake.undo"
    undo, seen = f"{module}:undo", f"{module}:seen"
    return [Basis("shake", "shake", WEIGHTS, "undoes the shake of a hand", prepare=undo, sees=seen)]


@hookimpl
def register_presets() -> list[Preset]:
    return [Preset("motion", "Motion that was meant stays: no shake is undone.", ("shake",))]


@hookimpl
def register_protocols() -> list[Path]:
    return [Path(__file__).parent / "protocols"]
