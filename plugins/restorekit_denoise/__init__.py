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
    """List the cards of the bases: for all noise, and, where weights have it, for that of cameras and film, which
    takes a share of the first one's weight."""
    whole = Basis("noise", "noise", shipped_weights("noise"), "removes noise", "base")
    variant = Basis("camera", "noise", shipped_weights("camera"), "share of the noise that is a camera's", "base")
    return [whole, *([variant] if variant.folder.is_dir() else [])]


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
