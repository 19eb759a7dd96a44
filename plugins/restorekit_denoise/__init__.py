"""Removes noise: the degradation "noise" and its basis."""

from collections.abc import Iterable

from restorekit.plugin import Basis, Degradation, Preset, hookimpl, shipped_weights

__all__ = ["register_bases", "register_degradations", "register_presets"]


@hookimpl
def register_degradations() -> Iterable[Degradation]:
    """List the degradation."""
    from restorekit_denoise.noise import Noise

    return [Noise()]


@hookimpl
def register_bases() -> Iterable[Basis]:
    """List the card of the basis."""
    return [Basis("noise", "noise", shipped_weights("noise"), "removes noise", "base")]


@hookimpl
def register_presets() -> Iterable[Preset]:
    """List words for what stays."""
    return [
        Preset("grain", "Film grain and the noise of the sensor stay.", ("noise",)),
        Preset(
            "film",
            "The look of film stays: its grain, and half of its softness.",
            ("noise",),
            {"blur": 0.5, "lowres": 0.5},
        ),
    ]
