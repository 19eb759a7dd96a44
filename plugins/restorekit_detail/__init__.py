"""Natural sharpness: the basis "detail", which removes nothing and is at the user's command only."""

from collections.abc import Iterable

from restorekit.plugin import Basis, hookimpl, shipped_weights


@hookimpl
def register_bases() -> Iterable[Basis]:
    return [Basis("detail", "", shipped_weights("detail"), "gives back the fine detail that a mean lacks", "base")]
