"""Removes JPEG artefacts: the degradation "jpeg" and its basis."""

from collections.abc import Iterable

from restorekit.plugin import Basis, Degradation, hookimpl, shipped_weights

__all__ = ["register_bases", "register_degradations"]


@hookimpl
def register_degradations() -> Iterable[Degradation]:
    """List the degradation."""
    from restorekit_dejpeg.jpeg import Jpeg

    return [Jpeg()]


@hookimpl
def register_bases() -> Iterable[Basis]:
    """List the card of the basis."""
    return [Basis("jpeg", "jpeg", shipped_weights("jpeg"), "removes JPEG artefacts", "base")]
