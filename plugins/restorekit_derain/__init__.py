"""Removes rain: the degradation "rain" and its basis."""

from collections.abc import Iterable

from restorekit.plugin import Basis, Degradation, hookimpl, shipped_weights

__all__ = ["register_bases", "register_degradations"]


@hookimpl
def register_degradations() -> Iterable[Degradation]:
    """List the degradation."""
    from restorekit_derain.rain import Rain

    return [Rain()]


@hookimpl
def register_bases() -> Iterable[Basis]:
    """List the card of the basis."""
    return [Basis("rain", "rain", shipped_weights("rain"), "removes rain", "base")]
