"""Removes rain: the degradation "rain" and its basis."""

from collections.abc import Iterable

from restorekit.plugin import Basis, Degradation, hookimpl, shipped_weights


@hookimpl
def register_degradations() -> Iterable[Degradation]:
    from restorekit_derain.rain import Rain

    return [Rain()]


@hookimpl
def register_bases() -> Iterable[Basis]:
    return [Basis("rain", "rain", shipped_weights("rain"), "removes rain", "base")]
