"""Natural sharpness: the basis "detail", which removes nothing and is at the user's command only."""

from collections.abc import Iterable

from restorekit.plugin import Basis, hookimpl, shipped_weights

__all__ = ["register_bases"]


@hookimpl
def register_bases() -> Iterable[Basis]:
    """List the card of the basis."""
    return [Basis("detail", "", shipped_weights("detail"), "gives back the fine detail that a mean lacks", "base")]
