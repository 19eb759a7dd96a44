"""Removes low resolution: the degradation "lowres" and its basis."""

from collections.abc import Iterable

from restorekit.plugin import Basis, Degradation, hookimpl, shipped_weights


@hookimpl
def register_degradations() -> Iterable[Degradation]:
    from restorekit_sr.lowres import LowResolution

    return [LowResolution()]


@hookimpl
def register_bases() -> Iterable[Basis]:
    return [Basis("lowres", "lowres", shipped_weights("lowres"), "removes low resolution", "base")]
