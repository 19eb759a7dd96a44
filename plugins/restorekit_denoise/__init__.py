"""Removes noise: the degradation "noise" and its basis."""

from collections.abc import Iterable

from restorekit.plugin import Basis, Degradation, hookimpl, shipped_weights

__all__ = ["register_bases", "register_degradations"]


@hookimpl
def register_degradations() -> Iterable[Degradation]:
    """List the degradation."""
    from restorekit_denoise.noise import Noise

    return [Noise()]


@hookimpl
def register_bases() -> Iterable[Basis]:
    """List the card of the basis."""
    return [Basis("noise", "noise", shipped_weights("noise"), "removes noise", "base")]
