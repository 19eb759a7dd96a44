"""Haze for restorekit: the degradation, and the basis that removes it."""

from __future__ import annotations

from pathlib import Path

from restorekit.plugin import Basis, Degradation, Preset, hookimpl
from restorekit_dehaze.haze import Haze

__all__ = ["register_bases", "register_degradations", "register_presets", "register_protocols"]

WEIGHTS = Path(__file__).parent / "weights"


@hookimpl
def register_degradations() -> list[Degradation]:
    return [Haze()]


@hookimpl
def register_bases() -> list[Basis]:
    return [Basis("haze", "haze", WEIGHTS, "removes haze")] if WEIGHTS.is_dir() else []


@hookimpl
def register_presets() -> list[Preset]:
    return [Preset("mist", "Haze and mist stay.", ("haze",))]


@hookimpl
def register_protocols() -> list[Path]:
    return [Path(__file__).parent / "protocols"]
