"""Removes low resolution: the degradation "lowres" and its basis."""

from collections.abc import Iterable

from restorekit.plugin import Basis, Degradation, hookimpl, shipped_weights

__all__ = ["register_bases", "register_degradations"]


@hookimpl
def register_degradations() -> Iterable[Degradation]:
    """List the degradation."""
    from restorekit_sr.lowres import LowResolution

    return [LowResolution()]


@hookimpl
def register_bases() -> Iterable[Basis]:
    """List the card of the basis."""
    return [Basis("lowres", "lowres", shipped_weights("lowres"), "removes low resolution", "base")]
