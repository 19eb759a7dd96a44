"""Removes rain: the degradation "rain" and its basis."""

from collections.abc import Iterable

from restorekit.plugin import Basis, Degradation, Preset, hookimpl, shipped_weights

__all__ = ["register_bases", "register_degradations", "register_presets"]


@hookimpl
def register_degradations() -> Iterable[Degradation]:
    """List the degradation."""
    from restorekit_derain.rain import Rain

    return [Rain()]


@hookimpl
def register_bases() -> Iterable[Basis]:
    """List the card of the basis."""
    return [Basis("rain", "rain", shipped_weights("rain"), "removes rain", "base")]


@hookimpl
def register_presets() -> Iterable[Preset]:
    """List words for what stays."""
    return [Preset("rain", "Rain stays.", ("rain",))]
