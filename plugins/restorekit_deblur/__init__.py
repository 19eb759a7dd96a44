"""Removes blur: the degradation "blur" and its basis."""

from collections.abc import Iterable

from restorekit.plugin import Basis, Degradation, Preset, hookimpl, shipped_weights

__all__ = ["register_bases", "register_degradations", "register_presets"]


@hookimpl
def register_degradations() -> Iterable[Degradation]:
    """List the degradation."""
    from restorekit_deblur.blur import Blur

    return [Blur()]


@hookimpl
def register_bases() -> Iterable[Basis]:
    """List the card of the basis."""
    return [Basis("blur", "blur", shipped_weights("blur"), "removes blur", "base")]


@hookimpl
def register_presets() -> Iterable[Preset]:
    """List words for what stays."""
    return [
        Preset("bokeh", "Backgrounds out of focus and motion that was meant stay.", ("blur",)),
        Preset("soft", "Softness stays: nothing is sharpened, as in a portrait.", ("blur", "lowres")),
    ]
