"""Removes JPEG artefacts: the degradation "jpeg" and its basis."""

from collections.abc import Iterable

from restorekit.plugin import Basis, Degradation, hookimpl, shipped_weights


@hookimpl
def register_degradations() -> Iterable[Degradation]:
    from restorekit_dejpeg.jpeg import Jpeg

    return [Jpeg()]


@hookimpl
def register_bases() -> Iterable[Basis]:
    return [Basis("jpeg", "jpeg", shipped_weights("jpeg"), "removes JPEG artefacts", "base")]
