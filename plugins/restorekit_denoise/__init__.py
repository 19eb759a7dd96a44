"""Removes noise: the degradation "noise" and its basis."""

from collections.abc import Iterable

from restorekit.plugin import Basis, Degradation, hookimpl, shipped_weights


@hookimpl
def register_degradations() -> Iterable[Degradation]:
    from restorekit_denoise.noise import Noise

    return [Noise()]


@hookimpl
def register_bases() -> Iterable[Basis]:
    return [Basis("noise", "noise", shipped_weights("noise"), "removes noise", "base")]
