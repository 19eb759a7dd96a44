"""Natural sharpness, at the user's command only: the basis "detail", which removes nothing, and the look "look", a
flow from the restored picture to what photographs look like."""

from collections.abc import Iterable

from restorekit.plugin import Basis, hookimpl, shipped_weights

__all__ = ["register_bases"]


@hookimpl
def register_bases() -> Iterable[Basis]:
    """List the card of the basis, and that of the look if its weights are there."""
    yield Basis("detail", "", shipped_weights("detail"), "gives back the fine detail that a mean lacks", "base")
    if (folder := shipped_weights("look")).is_dir():
        yield Basis("look", "", folder, "gives a restored picture the texture of a photograph", "base")
