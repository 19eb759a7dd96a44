"""Low light for restorekit: the degradation, and the basis that lifts it."""

from __future__ import annotations

from pathlib import Path

from restorekit.plugin import Basis, Degradation, Preset, hookimpl
from restorekit_lowlight.lowlight import LowLight

__all__ = ["register_bases", "register_degradations", "register_presets", "register_protocols"]

WEIGHTS = Path(__file__).parent / "weights"


@hookimpl
def register_degradations() -> list[Degradation]:
    return [LowLight()]


@hookimpl
def register_bases() -> list[Basis]:
    return [Basis("lowlight", "lowlight", WEIGHTS, "lifts what too little light left")] if WEIGHTS.is_dir() else []


@hookimpl
def register_presets() -> list[Preset]:
    return [Preset("night", "Darkness stays: nothing is lifted.", ("lowlight",))]


@hookimpl
def register_protocols() -> list[Path]:
    return [Path(__file__).parent / "protocols"]
