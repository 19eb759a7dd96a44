"""Removes blur: the degradation "blur" and its basis."""

from collections.abc import Iterable

from restorekit.plugin import Basis, Degradation, hookimpl, shipped_weights


@hookimpl
def register_degradations() -> Iterable[Degradation]:
    from restorekit_deblur.blur import Blur

    return [Blur()]


@hookimpl
def register_bases() -> Iterable[Basis]:
    return [Basis("blur", "blur", shipped_weights("blur"), "removes blur", "base")]
